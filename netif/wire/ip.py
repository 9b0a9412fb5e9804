"""The IPv4 header, and how IPv4 addresses are written. Options stand behind it (`ip_options`).

RFC 791 3.1; RFC 1122 3.2.1 (what is discarded silently); RFC 6864 (identification).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import TypeAlias

from netif.wire import Buffer, Malformed

HEADER = Struct("!BBHHHBBH4s4s")  # version and IHL, TOS, length, ident, fragment, TTL, protocol, checksum, src, dst
ICMP, IGMP, TCP, UDP, ICMPV6 = 1, 2, 6, 17, 58
DF, MF, OFFSET_MASK = 0x4000, 0x2000, 0x1FFF  # of the 16-bit fragment field; the offset counts units of 8 bytes
_OCTETS = {str(octet): octet for octet in range(256)}
ANY, BROADCAST = b"\0\0\0\0", b"\xff\xff\xff\xff"

IpHeader: TypeAlias = tuple[int, int, int, int, int, int, bytes, bytes, int]


def parse(frame: Buffer, offset: int) -> IpHeader:
    """(header_len, total_len, ident, fragment, ttl, protocol, src, dst, tos); checks lengths and the checksum."""
    available = len(frame) - offset
    if available < 20:
        raise Malformed("ip_header_short")
    version, tos, total_len, ident, fragment, ttl, protocol, _, src, dst = HEADER.unpack_from(frame, offset)
    if version == 0x45:
        header_len = 20
    elif version >> 4 != 4:
        raise Malformed("ip_version")
    else:
        header_len = (version & 15) << 2
        if header_len < 20 or header_len > available:
            raise Malformed("ip_header_length")
    if total_len < header_len or total_len > available:
        raise Malformed("ip_total_length")
    if int.from_bytes(frame[offset : offset + header_len], "big") % 65535:
        raise Malformed("ip_checksum")
    return header_len, total_len, ident, fragment, ttl, protocol, src, dst, tos


def emit(
    src: bytes,
    dst: bytes,
    protocol: int,
    payload_length: int,
    *,
    ident: int,
    ttl: int = 64,
    tos: int = 0,
    fragment: int = DF,
    options: bytes = b"",
) -> bytes:
    """A header with its options (whole words), checksum complete."""
    first = 0x45 + len(options) // 4
    total_len = 20 + len(options) + payload_length
    words = (first << 8) + tos + total_len + ident + fragment + (ttl << 8) + protocol
    words += int.from_bytes(src + dst + options, "big")
    return HEADER.pack(first, tos, total_len, ident, fragment, ttl, protocol, -words % 65535, src, dst) + options


def parse_address(address: str | bytes | int | IPv4Address) -> bytes:
    """Four bytes, from text, four bytes, a 32-bit int or an IPv4Address."""
    if isinstance(address, str):
        packed = bytes([_OCTETS.get(part, 0) for part in address.split(".")])
        if len(packed) == 4 and format_address(packed) == address:
            return packed
    elif isinstance(address, IPv4Address):
        return address.packed
    elif isinstance(address, (bytes, bytearray)) and len(address) == 4:
        return bytes(address)
    elif isinstance(address, int) and 0 <= address < 1 << 32:
        return address.to_bytes(4, "big")
    raise ValueError(f"{address!r} is not an IPv4 address: write it as in 192.168.5.1")


def format_address(address: bytes) -> str:
    """Dotted decimal for 4 bytes, RFC 5952 for 16."""
    if len(address) == 4:
        a, b, c, d = address
        return f"{a}.{b}.{c}.{d}"
    return str(IPv6Address(bytes(address)))


def mask_of(prefix_length: int) -> bytes:
    """The netmask of this many leading ones."""
    if not 0 <= prefix_length <= 32:
        raise ValueError(f"{prefix_length} is not a prefix length: write 0 to 32")
    return ((1 << 32) - (1 << (32 - prefix_length))).to_bytes(4, "big")


def prefix_length_of(mask: bytes) -> int:
    """How many leading ones this netmask has; ValueError if the ones are not all in front."""
    length = int.from_bytes(mask, "big").bit_count()
    if len(mask) != 4 or mask_of(length) != mask:
        raise ValueError(f"{mask!r} is not a netmask: its ones must come first, as in 255.255.255.0")
    return length


def parse_prefix(text: str) -> tuple[bytes, bytes]:
    """(address, mask) of "192.168.5.100/24" or "192.168.5.100/255.255.255.0"; host bits are kept."""
    address, slash, length = text.partition("/")
    parse_address(address)
    if not slash:
        raise ValueError(f"{text!r} has no prefix length: write it as in {address}/24")
    if length.isascii() and length.isdigit() and len(length) <= 2 and int(length) <= 32:
        return parse_address(address), mask_of(int(length))
    if "." not in length:
        raise ValueError(f"{text!r} has no valid prefix length: write 0 to 32, as in {address}/24")
    mask = parse_address(length)
    prefix_length_of(mask)
    return parse_address(address), mask
