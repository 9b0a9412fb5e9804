"""What one Ethernet interface could use of the frames that are for many, told to its driver as it changes.

A driver that looks at a broadcast for many hosts at once (a switch in memory) leaves out those who would drop it
without a word. What counts here is whatever the engines look a frame up by: the MACs that pass the filter; for ARP our
addresses, those that we should like to have and our neighbours'; the UDP ports that are bound. Who looks at raw frames
or packets has everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Hears

if TYPE_CHECKING:
    from stack.arp import ArpEntry
    from stack.ethernet import EthernetInterface

Heard: TypeAlias = tuple[Hears, bytes]


class Hearing:
    def __init__(self, interface: EthernetInterface) -> None:
        self.interface = interface
        self._wanted: dict[Heard, int] = {}  # by how many
        self._own: frozenset[bytes] = frozenset()
        self._mac = b""
        self._told = False  # the driver is open, and hears of each change

    def begin(self) -> None:
        """The link is up: the driver is told all, perhaps once more."""
        stack, netif = self.interface.stack, self.interface.netif
        self._told = True
        for what, key in self._all():
            netif.hears(what, key, True)
        netif.hears_all(bool(stack.overhearing))

    def end(self) -> None:
        """The interface goes; its driver may stay open."""
        for what, key in self._all():
            self._tell(what, key, False)
        self._told = False

    def _all(self) -> Iterable[tuple[Hears, bytes | int]]:
        yield from self._wanted
        yield from ((Hears.PORT, port) for port in self.interface.stack.udp.ports)

    def _tell(self, what: Hears, key: bytes | int, add: bool) -> None:
        if self._told:
            self.interface.netif.hears(what, key, add)

    def everything(self, wanted: bool) -> None:
        if self._told:
            self.interface.netif.hears_all(wanted)

    def port(self, port: int, add: bool) -> None:
        """Somebody is bound to it, or nobody any more."""
        self._tell(Hears.PORT, port, add)

    def hear(self, entry: ArpEntry) -> None:
        """Something is known of a neighbour, or nothing any more."""
        before, entry.heard = entry.heard, entry.concern()
        if before != entry.heard:
            if entry.heard is not None:
                self.add(*entry.heard)
            if before is not None:
                self.remove(*before)

    def moved(self, mac: bytes) -> None:
        """Our own MAC is this one now."""
        before, self._mac = self._mac, mac
        if mac != before:
            self.add(Hears.STATION, mac)
            if before:
                self.remove(Hears.STATION, before)

    def owns(self, addresses: frozenset[bytes]) -> None:
        """These are ours now, and no others."""
        before, self._own = self._own, addresses
        for address in addresses - before:
            self.add(Hears.ADDRESS, address)
        for address in before - addresses:
            self.remove(Hears.ADDRESS, address)

    def add(self, what: Hears, key: bytes) -> None:
        count = self._wanted.get((what, key), 0)
        self._wanted[what, key] = count + 1
        if not count:
            self._tell(what, key, True)

    def remove(self, what: Hears, key: bytes) -> None:
        self._wanted[what, key] -= 1
        if not self._wanted[what, key]:
            del self._wanted[what, key]
            self._tell(what, key, False)
