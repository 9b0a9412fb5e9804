"""The Internet checksum (RFC 1071): ones' complement sums of big-endian 16-bit words, as plain ints.

A sum may be kept unfolded and added to others: 2**16 is congruent to 1 modulo 65535, so 32-bit fields are added as they
are, and a sum that starts at an odd offset counts 256-fold. The folded sum of anything but zeros is never 0: 0xffff.
"""

from __future__ import annotations

from collections.abc import Iterable

from netif.link import Buffer

_SLICE = 4096  # bytes read into one int at a time: it stays in the cache
_MASK_16384, _MASK_8192, _MASK_4096, _MASK_2048 = ((1 << bits) - 1 for bits in (16384, 8192, 4096, 2048))


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
        view = memoryview(buffer)
        total = 0
        for start in range(0, length - _SLICE, _SLICE):
            total += int.from_bytes(view[start : start + _SLICE], "big")
        tail = int.from_bytes(view[(length - 1) // _SLICE * _SLICE :], "big")
        total += tail << 8 if length & 1 else tail
    if length > 512:  # halving by shifts and masks first is cheaper than dividing it all
        total = (total >> 16384) + (total & _MASK_16384)
        total = (total >> 8192) + (total & _MASK_8192)
        total = (total >> 4096) + (total & _MASK_4096)
        total = (total >> 2048) + (total & _MASK_2048)
    return total and (total % 65535 or 65535)


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
