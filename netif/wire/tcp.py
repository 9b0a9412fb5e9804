"""The TCP header (RFC 9293 3.1; RFC 3168 6.1 for ECE and CWR). Options are `options.py`'s; state is the stack's.

Sequence numbers are the 32 bits of the wire here.
"""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

from netif.wire import Buffer, Malformed
from netif.wire.checksum import partial_sum, sum_buffers

HEADER = Struct("!HHIIHHHH")  # sport, dport, seq, ack, data offset and flags, window, checksum, urgent pointer
HEADER_LENGTH = 20
CHECKSUM_OFFSET = 16
PROTOCOL = 6
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128

TcpHeader: TypeAlias = tuple[int, int, int, int, int, int, int, int]


def parse(frame: Buffer, start: int, end: int) -> TcpHeader:
    """(sport, dport, seq, ack, header_len, flags, window, urgent).

    The options are frame[start + 20 : start + header_len].
    The checksum is not checked: the wire may have vouched for it (`checksum.verify` otherwise).
    """
    if end - start < 20:
        raise Malformed("tcp_header_short")
    sport, dport, seq, ack, offset_flags, window, _, urgent = HEADER.unpack_from(frame, start)
    header_len = offset_flags >> 12 << 2
    if header_len < 20 or header_len > end - start:
        raise Malformed("tcp_data_offset")
    return sport, dport, seq, ack, header_len, offset_flags & 0xFF, window, urgent


def emit(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    options: bytes = b"",
    *,
    checksum: int,
    urgent: int = 0,
) -> bytes:
    """Header and options (whole words) with this checksum: for PARTIAL frames the folded pseudo-header sum."""
    offset_flags = (5 + (len(options) >> 2)) << 12 | flags
    return HEADER.pack(sport, dport, seq, ack, offset_flags, window, checksum, urgent) + options


def emit_complete(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    options: bytes = b"",
    payload: tuple[Buffer, ...] = (),
    *,
    pseudo: int,
    urgent: int = 0,
) -> bytes:
    """Header and options, not the payload, with the complete checksum.

    `pseudo` is the connection's constant: `checksum.pseudo_header(src, dst, PROTOCOL, 0)`; the length is added here.
    """
    header_len = 20 + len(options)
    offset_flags = header_len << 10 | flags
    words = pseudo + header_len + sport + dport + seq + ack + offset_flags + window + urgent
    if options:
        words += int.from_bytes(options, "big")
    if payload:
        if len(payload) == 1:
            words += len(payload[0]) + partial_sum(payload[0])
        else:
            words += sum(map(len, payload)) + sum_buffers(payload)
    return HEADER.pack(sport, dport, seq, ack, offset_flags, window, -words % 65535, urgent) + options
