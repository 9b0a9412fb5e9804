"""The UDP header (RFC 768; RFC 1122 4.1.3). A checksum field of 0 means that the sender made none."""

from __future__ import annotations

from struct import Struct

from netif.wire import Buffer, Malformed, checksum

HEADER = Struct("!HHHH")  # source port, destination port, length, checksum
HEADER_LENGTH = 8
CHECKSUM_OFFSET = 6
PROTOCOL = 17


def parse(frame: Buffer, start: int, end: int) -> tuple[int, int, int, int]:
    """(sport, dport, length, checksum); the payload is frame[start + 8 : start + length]."""
    if end - start < HEADER_LENGTH:
        raise Malformed("udp_header_short")
    sport, dport, length, field = HEADER.unpack_from(frame, start)
    if length < HEADER_LENGTH or length > end - start:
        raise Malformed("udp_length")
    return sport, dport, length, field


def emit(src: bytes, dst: bytes, sport: int, dport: int, payload: Buffer, *, partial: bool = False) -> bytes:
    """The 8-byte header; with `partial` its checksum field holds the folded pseudo-header sum alone."""
    length = HEADER_LENGTH + len(payload)
    pseudo = int.from_bytes(src + dst, "big") + PROTOCOL + length
    if partial:
        return HEADER.pack(sport, dport, length, pseudo % 65535 or 65535)
    words = pseudo + sport + dport + length + checksum.partial_sum(payload)
    return HEADER.pack(sport, dport, length, -words % 65535 or 65535)
