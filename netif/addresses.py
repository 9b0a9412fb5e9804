"""An interface's addresses: what is configured, what its stack was told, which was the last that was valid.

Knows when an address is news. Refuses to know whether the link is up: it is asked only while it is.
"""

from __future__ import annotations

import enum

from netif.config import DnsInfo, DnsType, IpInfo
from netif.link import StackInterface

NOTHING = (bytes(4), bytes(4), bytes(4))


class News(enum.Enum):
    GOT = "got"
    LOST = "lost"
    MISSING = "missing"  # there is none, and there was none
    NONE = "none"


class Addresses:
    """`info` is what is wanted; it reaches the interface by `apply`."""

    def __init__(self, info: IpInfo) -> None:
        self.info = info
        self.changed = False  # whether the last GOT was of another address than the one before
        self._valid = info  # as esp_netif has it: the configured address is no change
        self._told = NOTHING
        self._servers: dict[DnsType, DnsInfo] = {}

    def apply(self, interface: StackInterface, *, always: bool) -> News:
        """Tell the interface; `always`: an address is news even if it was told before."""
        packed, told = self.info.packed(), self._told
        if packed != told:
            self._told = packed
            interface.set_addresses(*packed)
        elif not always:
            return News.NONE
        if self.info:
            self.changed = self.info != self._valid
            self._valid = self.info
            return News.GOT
        return News.MISSING if told[0] == bytes(4) else News.LOST

    def withdraw(self) -> News:
        """The interface is gone, and with it what it was told."""
        told, self._told = self._told, NOTHING
        return News.NONE if told[0] == bytes(4) else News.LOST

    def set_server(self, kind: DnsType, info: DnsInfo) -> None:
        self._servers[kind] = info

    def server(self, kind: DnsType) -> DnsInfo | None:
        return self._servers.get(kind)

    def servers(self) -> tuple[bytes, ...]:
        """The name servers, the one to ask first in front."""
        return tuple(self._servers[kind].ip.packed for kind in sorted(self._servers))
