"""Sequence numbers: 32 bits on the wire, unbounded ints inside.

The only module that knows 2**32. Whatever arrives is unwrapped once, at the door, next to a number that is already
known; from then on everything compares with plain `<`. RFC 9293 section 3.4, without its modular comparisons.
"""

from __future__ import annotations

MASK = 0xFFFFFFFF
_HALF = 0x80000000


def unwrap(wire: int, near: int) -> int:
    """The number that reads `wire` in its low 32 bits and lies closest to `near`; a tie falls below it."""
    return near + ((wire - near + _HALF) & MASK) - _HALF


def wrap(number: int) -> int:
    """What goes on the wire."""
    return number & MASK
