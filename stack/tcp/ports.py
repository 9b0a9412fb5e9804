"""Which local ports are in use, and by whom; a free one for those who do not care which (RFC 6056 3.3.1).

Counts, so that taking and giving back costs the same whatever else is open.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from netif.link import Dice
from stack.failure import failure

_TRIES = 32  # random draws; then every port in order


Key = TypeVar("Key")


def _take_one(counts: dict[Key, int], key: Key) -> None:
    count = counts[key]
    if count == 1:
        del counts[key]
    else:
        counts[key] = count - 1


class Ports:
    __slots__ = ("_dice", "_held_at", "_range", "held", "reserved")

    def __init__(self, dice: Dice, first: int, last: int) -> None:
        self._dice = dice
        self._range = range(first, last + 1)  # to choose from
        self.held: dict[int, int] = {}  # connections and TIME-WAITs, by local port
        self._held_at: dict[tuple[bytes, int], int] = {}  # and by local address and port
        self.reserved: dict[tuple[bytes, int], tuple[int, bool]] = {}  # bound: (how often, all of them reuse)

    def hold(self, local: tuple[bytes, int]) -> None:
        self.held[local[1]] = self.held.get(local[1], 0) + 1
        self._held_at[local] = self._held_at.get(local, 0) + 1

    def unhold(self, local: tuple[bytes, int]) -> None:
        _take_one(self.held, local[1])
        _take_one(self._held_at, local)

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

    def is_used(self, port: int) -> bool:
        """At any address."""
        return port in self.held or any(its == port for _, its in self.reserved)

    def ephemeral(self, free: Callable[[int], bool], among: tuple[int, int] | None = None) -> int:
        """A port that is `free`, drawn at random. OSError(EADDRNOTAVAIL) when there is none."""
        ports = self._range if among is None else range(among[0], among[1] + 1)
        for _ in range(_TRIES):
            port = self._dice.randrange(ports.start, ports.stop)
            if free(port):
                return port
        for port in ports:
            if free(port):
                return port
        raise failure(errno.EADDRNOTAVAIL)

    def _free(self, address: bytes, port: int, reuse: bool) -> bool:
        anywhere = bytes(len(address))
        if not reuse and (port in self.held if address == anywhere else (address, port) in self._held_at):
            return False
        if address == anywhere:
            clash = [
                entry for (other, its), entry in self.reserved.items() if its == port and len(other) == len(address)
            ]
        else:
            clash = [self.reserved[key] for key in ((address, port), (anywhere, port)) if key in self.reserved]
        return all(reuse and theirs for _, theirs in clash)
