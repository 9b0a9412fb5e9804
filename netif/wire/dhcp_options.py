"""What DHCP options hold: addresses, routes, names, seconds, client identifiers. Both ways, without state.

Values are bytes as in `Message.options`; a value that cannot be what its option says is Malformed, and whoever reads
it decides whether the rest of the message still counts. RFC 2132; RFC 3397 (119), 3442 (121), 4361 (61).
"""

from __future__ import annotations

from math import inf
from struct import Struct
from typing import TypeAlias

from netif.wire import Malformed

PAD, SUBNET_MASK, ROUTER, DNS, HOST_NAME, DOMAIN_NAME, MTU, BROADCAST = 0, 1, 3, 6, 12, 15, 26, 28
STATIC_ROUTES, NTP, VENDOR_SPECIFIC, REQUESTED_IP, LEASE_TIME, OVERLOAD, MESSAGE_TYPE = 33, 42, 43, 50, 51, 52, 53
SERVER_ID, PARAMETER_LIST, MESSAGE, MAX_SIZE, RENEWAL_TIME, REBINDING_TIME = 54, 55, 56, 57, 58, 59
VENDOR_CLASS, CLIENT_ID, TFTP_SERVER, BOOT_FILE, RELAY_AGENT, CAPTIVE_PORTAL = 60, 61, 66, 67, 82, 114
SEARCH, CLASSLESS_ROUTES, MS_CLASSLESS_ROUTES, END = 119, 121, 249, 255

INFINITE = 0xFFFFFFFF  # seconds of a lease that never ends (RFC 2131 3.3)
LARGEST_NAME = 253  # characters of a domain name (RFC 1035 2.3.4)

Route: TypeAlias = tuple[bytes, int, bytes]  # network, prefix length, router

_U16, _U32 = Struct("!H"), Struct("!I")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_DUID_LL = bytes((0, 3, 0, 1))  # RFC 8415 11.4: by link-layer address, of Ethernet


def parse_address(value: bytes) -> bytes:
    if len(value) != 4:
        raise Malformed("dhcp_option_value")
    return value


def parse_addresses(value: bytes) -> tuple[bytes, ...]:
    """One or more."""
    if not value or len(value) % 4:
        raise Malformed("dhcp_option_value")
    return tuple(value[at : at + 4] for at in range(0, len(value), 4))


def parse_u16(value: bytes) -> int:
    if len(value) != 2:
        raise Malformed("dhcp_option_value")
    return int(_U16.unpack(value)[0])


def emit_u16(number: int) -> bytes:
    return _U16.pack(number)


def parse_seconds(value: bytes) -> float:
    """Options 51, 58 and 59; `inf` for ever."""
    if len(value) != 4:
        raise Malformed("dhcp_option_value")
    seconds: int = _U32.unpack(value)[0]
    return inf if seconds == INFINITE else float(seconds)


def emit_seconds(seconds: float) -> bytes:
    """Whole seconds, rounded down."""
    return _U32.pack(INFINITE if seconds >= INFINITE else int(seconds))


def parse_text(value: bytes) -> str:
    """Without the zero bytes that some append; printable, and not empty."""
    try:
        text = value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise Malformed("dhcp_option_value") from None
    if not text or not text.isprintable():
        raise Malformed("dhcp_option_value")
    return text


def parse_domain(value: bytes) -> str:
    """Options 12 and 15: a name as text, without its final dot."""
    name = parse_text(value).removesuffix(".")
    if len(name) > LARGEST_NAME:
        raise Malformed("dhcp_name")
    return ".".join(_label(label.encode()) for label in name.split("."))


def _label(label: bytes) -> str:
    """Letters, digits, hyphens: a name out of a message ends up in configurations and look-ups."""
    if not 0 < len(label) <= 63 or not _LETTERS.issuperset(label):
        raise Malformed("dhcp_name")
    return label.decode()


# routes


def parse_static_routes(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Option 33: (destination, router), of the days of classes."""
    if not value or len(value) % 8:
        raise Malformed("dhcp_option_value")
    return tuple((value[at : at + 4], value[at + 4 : at + 8]) for at in range(0, len(value), 8))


def parse_classless_routes(value: bytes) -> tuple[Route, ...]:
    """Options 121 and 249 (RFC 3442): of the network as many bytes as its prefix needs; host bits are cleared."""
    routes: list[Route] = []
    at = 0
    while at < len(value):
        length = value[at]
        router = at + 1 + (length + 7) // 8
        if length > 32 or router + 4 > len(value):
            raise Malformed("dhcp_option_value")
        network = int.from_bytes(value[at + 1 : router].ljust(4, b"\0"), "big") >> 32 - length << 32 - length
        routes.append((network.to_bytes(4, "big"), length, value[router : router + 4]))
        at = router + 4
    if not routes:
        raise Malformed("dhcp_option_value")
    return tuple(routes)


def emit_classless_routes(routes: tuple[Route, ...]) -> bytes:
    return b"".join(bytes((length,)) + network[: (length + 7) // 8] + router for network, length, router in routes)


# names as DNS writes them


def parse_search(value: bytes, most: int) -> tuple[str, ...]:
    """Option 119 (RFC 3397): names, compressed within the option (RFC 1035 4.1.4). Malformed when they are more than
    `most`, or point anywhere but back."""
    names: list[str] = []
    at = 0
    while at < len(value):
        name, at = _name(value, at)
        names.append(name)
        if len(names) > most:
            raise Malformed("dhcp_name")
    return tuple(name for name in names if name)


def _name(value: bytes, at: int) -> tuple[str, int]:
    """(name, where the next one begins). Each pointer leads before the labels that it ends: so it comes to an end."""
    labels: list[str] = []
    behind: int | None = None
    began, end = at, len(value)
    while at < end and value[at]:
        size = value[at]
        if size >= 0xC0 and at + 1 < end:
            target = (size & 0x3F) << 8 | value[at + 1]
            if target >= began:
                raise Malformed("dhcp_name")
            behind = at + 2 if behind is None else behind
            at = began = target
        else:
            if size > 63 or at + 1 + size > end:
                raise Malformed("dhcp_name")
            labels.append(_label(value[at + 1 : at + 1 + size]))
            at += 1 + size
    name = ".".join(labels)
    if at >= end or len(name) > LARGEST_NAME:
        raise Malformed("dhcp_name")
    return name, at + 1 if behind is None else behind


def emit_search(names: tuple[str, ...]) -> bytes:
    """A name's end that was written before becomes a pointer to it."""
    out = bytearray()
    written: dict[str, int] = {}
    for name in names:
        rest = name.removesuffix(".")
        while rest and rest not in written:
            if len(out) < 0x4000:
                written[rest] = len(out)
            label, _, rest = rest.partition(".")
            out += bytes((len(label),)) + label.encode()
        out += _U16.pack(0xC000 | written[rest]) if rest else b"\0"
    return bytes(out)


# client identifiers


def client_id(mac: bytes) -> bytes:
    """Option 61 as RFC 4361 6.1 has it: 255, an IAID and a DUID, both made of the MAC, and so always the same."""
    return b"\xff" + mac[2:] + _DUID_LL + mac


def plain_client_id(mac: bytes) -> bytes:
    """RFC 2132 9.14: hardware type and address."""
    return b"\x01" + mac
