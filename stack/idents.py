"""Identifications of datagrams that may be fragmented: none repeats among the last 65536 to one destination.

Each destination and protocol has a beginning and an odd stride of its own, so that what one host sees tells it nothing
of what others are sent. RFC 6864 4.3; RFC 7739 (what a predictable one is good for).
"""

from __future__ import annotations

from netif.link import Dice


class Idents:
    __slots__ = ("_dice", "_kept", "_walks")

    def __init__(self, dice: Dice, kept: int) -> None:
        self._dice = dice
        self._kept = kept  # destinations until the oldest is forgotten
        self._walks: dict[tuple[bytes, int], tuple[int, int]] = {}  # the next, and the stride

    def next(self, dst: bytes, protocol: int) -> int:
        walk = self._walks.get((dst, protocol))
        if walk is None:
            while len(self._walks) >= self._kept:
                del self._walks[next(iter(self._walks))]
            walk = self._dice.getrandbits(16), self._dice.getrandbits(16) | 1
        ident, stride = walk
        self._walks[dst, protocol] = ident + stride & 0xFFFF, stride
        return ident
