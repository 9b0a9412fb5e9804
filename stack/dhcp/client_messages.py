"""What a DHCP client says: the options of each of its messages. RFC 2131 4.4, table 5; RFC 2132; RFC 3442 (the order in
which routes are asked for)."""

from __future__ import annotations

from netif.dhcp import DhcpcConfig
from netif.wire import dhcp_options as option
from netif.wire.dhcp import BOOTREQUEST, LEAST_ACCEPTED, Message, MessageType
from netif.wire.ip import ANY

# RFC 8925 (108) is not among them: who speaks IPv4 alone must not ask to do without it
ASKED = (
    option.SUBNET_MASK,
    option.CLASSLESS_ROUTES,
    option.MS_CLASSLESS_ROUTES,
    option.STATIC_ROUTES,
    option.ROUTER,
    option.DNS,
    option.HOST_NAME,
    option.DOMAIN_NAME,
    option.SEARCH,
    option.MTU,
    option.BROADCAST,
    option.NTP,
    option.VENDOR_SPECIFIC,
    option.LEASE_TIME,
    option.RENEWAL_TIME,
    option.REBINDING_TIME,
    option.TFTP_SERVER,
    option.BOOT_FILE,
    option.CAPTIVE_PORTAL,
)
_LARGEST_ASKED = 1500  # bytes of a datagram that we invite, whatever the link takes
_HEADERS = 28  # of IP and UDP
_ASKING = (MessageType.DISCOVER, MessageType.REQUEST)


def identity(config: DhcpcConfig, mac: bytes) -> bytes:
    """Option 61."""
    if config.client_id == "mac":
        return option.plain_client_id(mac)
    return config.client_id or option.client_id(mac)


def compose(
    kind: MessageType,
    config: DhcpcConfig,
    *,
    mac: bytes,
    mtu: int,
    xid: int,
    secs: int = 0,
    ciaddr: bytes = ANY,
    requested: bytes | None = None,
    server: bytes | None = None,
) -> Message:
    """`requested` is option 50, `server` option 54; `mtu` the link's."""
    options: dict[int, bytes] = {}
    if requested is not None:
        options[option.REQUESTED_IP] = requested
    if server is not None:
        options[option.SERVER_ID] = server
    options[option.CLIENT_ID] = identity(config, mac)
    if kind in _ASKING:
        largest = max(min(mtu, _LARGEST_ASKED), LEAST_ACCEPTED + _HEADERS)
        options[option.MAX_SIZE] = option.emit_u16(largest)
        if config.hostname:
            options[option.HOST_NAME] = config.hostname.encode()
        if config.vendor_class:
            options[option.VENDOR_CLASS] = config.vendor_class.encode()
        options[option.PARAMETER_LIST] = bytes(dict.fromkeys(ASKED + config.ask))
    return Message(
        op=BOOTREQUEST,
        kind=kind,
        xid=xid,
        chaddr=mac,
        secs=secs,
        broadcast=config.broadcast and kind in _ASKING,
        ciaddr=ciaddr,
        options=options,
    )
