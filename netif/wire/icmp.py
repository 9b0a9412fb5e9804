"""ICMP for IPv4: the 8-byte header, types and codes, and the datagram that an error quotes.

RFC 792; RFC 1122 3.2.2; RFC 1191 4 (next-hop MTU in the low half of `rest`). Whether to answer is the stack's business.
"""

from __future__ import annotations

from struct import Struct

from netif.wire import Buffer, Malformed
from netif.wire.checksum import partial_sum, verify

HEADER = Struct("!BBHI")  # type, code, checksum, the rest: echo's ident and sequence, or an error's parameter
HEADER_LENGTH = 8
ECHO_REPLY, UNREACHABLE, SOURCE_QUENCH, REDIRECT, ECHO, TIME_EXCEEDED, PARAMETER_PROBLEM = 0, 3, 4, 5, 8, 11, 12
TIMESTAMP, TIMESTAMP_REPLY = 13, 14
ERRORS = frozenset((UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM))  # they quote a datagram
NET_UNREACHABLE, HOST_UNREACHABLE, PROTOCOL_UNREACHABLE, PORT_UNREACHABLE, FRAGMENTATION_NEEDED = 0, 1, 2, 3, 4
SOURCE_ROUTE_FAILED, ADMINISTRATIVELY_PROHIBITED = 5, 13  # codes of UNREACHABLE, like those above
REDIRECT_HOST = 1  # code of REDIRECT
TTL_EXCEEDED, REASSEMBLY_TIME_EXCEEDED = 0, 1  # codes of TIME_EXCEEDED


def parse(frame: Buffer, start: int, end: int) -> tuple[int, int, int, int]:
    """(type, code, rest, offset of the payload); checks the checksum."""
    if end - start < HEADER_LENGTH:
        raise Malformed("icmp_header_short")
    if not verify(frame, start, end):
        raise Malformed("icmp_checksum")
    kind, code, _, rest = HEADER.unpack_from(frame, start)
    return kind, code, rest, start + HEADER_LENGTH


def emit(kind: int, code: int, rest: int, payload: Buffer) -> bytes:
    """The whole message, checksum complete."""
    words = (kind << 8) + code + rest + partial_sum(payload)
    return HEADER.pack(kind, code, -words % 65535 if words else 65535, rest) + payload


def parse_quote(frame: Buffer, start: int, end: int) -> tuple[bytes, bytes, int, int]:
    """(src, dst, protocol, offset of the layer 4 header) of the quoted datagram; 8 bytes or more follow the offset.

    A quote is cut short, and its lengths and checksum may have been changed on the way: they are not checked.
    """
    if end - start < 28:
        raise Malformed("icmp_quote")
    version = frame[start]
    offset = start + ((version & 15) << 2)
    if version >> 4 != 4 or offset < start + 20 or offset + 8 > end:
        raise Malformed("icmp_quote")
    return bytes(frame[start + 12 : start + 16]), bytes(frame[start + 16 : start + 20]), frame[start + 9], offset
