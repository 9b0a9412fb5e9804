"""The Internet checksum (RFC 1071): ones' complement sums of big-endian 16-bit words, as plain ints.

A sum may be kept unfolded and added to others: 2**16 is congruent to 1 modulo 65535, so 32-bit fields are added as they
are, and a sum that starts at an odd offset counts 256-fold. The folded sum of anything but zeros is never 0: 0xffff.
"""

from __future__ import annotations

from collections.abc import Iterable

from netif.wire import Buffer

_SLICE = 6144  # bytes read into one int at a time, so that it stays in the cache
_HALVES = (24576, 12288, 6144, 3072, 1536)  # bits: of a slice downwards; from 6144 on they fit an Ethernet MTU
_M24576, _M12288, _M6144, _M3072, _M1536 = ((1 << bits) - 1 for bits in _HALVES)


def fold(total: int) -> int:
    """A sum of any size as 16 bits; 0 only for 0."""
    return total and (total % 65535 or 65535)


def complete(total: int) -> int:
    """What the checksum field holds for this sum: folded and inverted."""
    return -total % 65535 if total else 65535


def partial_sum(buffer: Buffer) -> int:
    """The folded sum; an odd last byte counts as if a zero byte followed."""
    length = len(buffer)
    if length <= _SLICE:
        total = int.from_bytes(buffer, "big")
        if length & 1:
            total <<= 8
    else:
        total = _sum_of_slices(memoryview(buffer), length)
    if length > 800:  # from here on halving by shifts and masks is cheaper than dividing it all
        if length > 1536:
            total = (total >> 24576) + (total & _M24576)
            total = (total >> 12288) + (total & _M12288)
        total = (total >> 6144) + (total & _M6144)
        total = (total >> 3072) + (total & _M3072)
        total = (total >> 1536) + (total & _M1536)
    return total and (total % 65535 or 65535)


def _sum_of_slices(view: memoryview, length: int) -> int:
    total = 0
    for start in range(0, length - _SLICE, _SLICE):
        total += int.from_bytes(view[start : start + _SLICE], "big")
    tail = int.from_bytes(view[(length - 1) // _SLICE * _SLICE :], "big")
    return total + (tail << 8 if length & 1 else tail)


def sum_buffers(buffers: Iterable[Buffer]) -> int:
    """The folded sum of the buffers' concatenation; each may be of odd length."""
    total = 0
    odd = 0
    for buffer in buffers:
        total += partial_sum(buffer) << 8 if odd else partial_sum(buffer)
        odd ^= len(buffer) & 1
    return total and (total % 65535 or 65535)


def pseudo_header(src: bytes, dst: bytes, protocol: int, length: int) -> int:
    """The folded sum of the pseudo-header, for 4-byte (RFC 9293 3.1) and 16-byte (RFC 8200 8.1) addresses.

    With length 0 it is a connection's constant part: the length may be added later.
    """
    return (int.from_bytes(src + dst, "big") + protocol + length) % 65535 or 65535


def verify(frame: Buffer, start: int, end: int, pseudo: int = 0) -> bool:
    """Whether frame[start:end], its checksum field included, and `pseudo` (unfolded will do) sum up to 0xffff."""
    total = partial_sum(frame[start:end]) + pseudo
    return total != 0 and total % 65535 == 0
