"""What one Ethernet interface could use of the frames that are for many, told to its driver as it changes.

A driver that looks at a broadcast for many hosts at once (a switch in memory) leaves out those who would drop it
without a word. What counts here is whatever the engines look a frame up by: the MACs that pass the filter; for ARP our
addresses, those that we should like to have and our neighbours'; the UDP ports that are bound. Who looks at raw frames
or packets has everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netif.link import Hears

if TYPE_CHECKING:
    from stack.ethernet import EthernetInterface


class Hearing:
    def __init__(self, interface: EthernetInterface) -> None:
        self.interface = interface
        self._addresses: dict[bytes, int] = {}  # by how many it is looked for
        self._macs: dict[bytes, None] = {}  # taken
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
        yield from ((Hears.STATION, mac) for mac in self._macs)
        yield from ((Hears.ADDRESS, address) for address in self._addresses)
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

    def mac(self, mac: bytes, add: bool) -> None:
        if add:
            self._macs[mac] = None
        else:
            self._macs.pop(mac, None)
        self._tell(Hears.STATION, mac, add)

    def moved(self, mac: bytes) -> None:
        """Our own MAC is this one now."""
        if mac != self._mac:
            self.mac(self._mac, False)
            self._mac = mac
            self.mac(mac, True)

    def owns(self, addresses: frozenset[bytes]) -> None:
        """These are ours now, and no others."""
        before, self._own = self._own, addresses
        for address in addresses - before:
            self.add(address)
        for address in before - addresses:
            self.remove(address)

    def add(self, address: bytes) -> None:
        count = self._addresses.get(address, 0)
        self._addresses[address] = count + 1
        if not count:
            self._tell(Hears.ADDRESS, address, True)

    def remove(self, address: bytes) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
            self._tell(Hears.ADDRESS, address, False)
