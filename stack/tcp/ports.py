"""Which local ports are in use, and by whom; a free one for those who do not care which (RFC 6056 3.3.1).

Counts, so that taking and giving back costs the same whatever else is open.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from netif.link import Dice
from stack.failure import failure

FIRST, COUNT = 49152, 16384  # RFC 6335 6
_TRIES = 32  # random draws; then every port in order


class Ports:
    __slots__ = ("_dice", "held", "reserved")

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self.held: dict[int, int] = {}  # connections and TIME-WAITs, by local port
        self.reserved: dict[tuple[bytes, int], tuple[int, bool]] = {}  # bound: (how often, all of them reuse)

    def hold(self, port: int) -> None:
        held = self.held
        held[port] = held.get(port, 0) + 1

    def unhold(self, port: int) -> None:
        held = self.held
        count = held[port]
        if count == 1:
            del held[port]
        else:
            held[port] = count - 1

    def reserve(self, address: bytes, port: int, reuse: bool) -> tuple[bytes, int]:
        """OSError(EADDRINUSE): bound by another, or without `reuse` used by a connection that still lingers."""
        if not port:
            port = self.ephemeral(lambda port: self._free(address, port, False))
        elif not self._free(address, port, reuse):
            raise failure(errno.EADDRINUSE)
        count, _ = self.reserved.get((address, port), (0, reuse))
        self.reserved[address, port] = (count + 1, reuse)
        return address, port

    def release(self, local: tuple[bytes, int]) -> None:
        count, reuse = self.reserved[local]
        if count == 1:
            del self.reserved[local]
        else:
            self.reserved[local] = (count - 1, reuse)

    def ephemeral(self, free: Callable[[int], bool]) -> int:
        """A port that is `free`, drawn at random. OSError(EADDRNOTAVAIL) when there is none."""
        for _ in range(_TRIES):
            port = self._dice.randrange(FIRST, FIRST + COUNT)
            if free(port):
                return port
        for port in range(FIRST, FIRST + COUNT):
            if free(port):
                return port
        raise failure(errno.EADDRNOTAVAIL)

    def _free(self, address: bytes, port: int, reuse: bool) -> bool:
        if port in self.held and not reuse:
            return False
        anywhere = bytes(len(address))
        if address == anywhere:
            clash = [
                entry for (other, its), entry in self.reserved.items() if its == port and len(other) == len(address)
            ]
        else:
            clash = [self.reserved[key] for key in ((address, port), (anywhere, port)) if key in self.reserved]
        return all(reuse and theirs for _, theirs in clash)
