"""The formats on the wire: parse and emit, no state, a leaf that every room may import.

A parser checks lengths once, unpacks once and answers plain values; what it cannot read is `Malformed(reason)`, the
only exception that parsing raises. Addresses are bytes (4 or 16), numbers are ints, payloads are
offsets into the frame.
"""

from __future__ import annotations

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview  # what a frame comes in

REASONS: dict[str, str] = {
    "ethernet_header_short": "the frame ends within its Ethernet header",
    "arp_short": "the frame ends within its ARP message",
    "arp_format": "ARP for other than IPv4 over Ethernet",
    "ip_header_short": "the frame ends within its IPv4 header",
    "ip_version": "the packet is not of IP version 4",
    "ip_header_length": "the header length field is under 5 words or reaches past the packet",
    "ip_total_length": "the total length field is under the header's or reaches past the frame",
    "ip_checksum": "the IPv4 header checksum is wrong",
    "icmp_header_short": "the packet ends within its ICMP header",
    "icmp_checksum": "the ICMP checksum is wrong",
    "icmp_quote": "the datagram that an ICMP error quotes cannot be read",
    "igmp_short": "the packet ends within its IGMP message",
    "igmp_checksum": "the IGMP checksum is wrong",
    "igmp_query": "an IGMP query of a length that none has, or that ends within its sources",
    "igmp_record": "an IGMP report that ends within its records",
    "udp_header_short": "the packet ends within its UDP header",
    "udp_length": "the UDP length field is under 8 or reaches past the packet",
    "dhcp_short": "the datagram ends within its DHCP header",
    "dhcp_cookie": "a BOOTP message without the magic cookie that DHCP's bear",
    "dhcp_format": "a DHCP message that is neither request nor reply, or for other hardware than Ethernet",
    "dhcp_overload": "the DHCP option that says where more options are says what it cannot",
    "dhcp_option_length": "a DHCP option reaches past its field",
    "dhcp_option_value": "a DHCP option holds what it cannot",
    "dhcp_message_type": "a DHCP message without a type that RFC 2131 knows",
    "dhcp_name": "a domain name in a DHCP message is too long, has no end, or bears other than letters and digits",
    "tcp_header_short": "the packet ends within its TCP header",
    "tcp_data_offset": "the data offset field is under 5 words or reaches past the segment",
    "tcp_option_length": "an option's length is under 2 or reaches past the header",
    "dns_header_short": "the DNS message ends within its header",
    "dns_name": "a name in a DNS message reaches past its end, is over 255 bytes or has labels of no known type",
    "dns_pointer": "a name in a DNS message points elsewhere than back, or too often",
    "dns_record_short": "the DNS message ends within a question or a record",
    "dns_rdata": "the data of a DNS record is not of its type's form",
    "dns_opt": "more than one OPT record in a DNS message, or one that is out of place",
    "gso_format": "a super-frame that is not TCP or UDP over IP as its offload claims",
}  # every reason that a parser gives, and what it means


class Malformed(Exception):  # noqa: N818 - a claim about the frame, in the domain's voice
    """The frame cannot be read; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
