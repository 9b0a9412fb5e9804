"""DHCP over IPv4 (RFC 2131, 2132): what asks for an address, and what gives them. Bytes are `netif.wire.dhcp`."""
