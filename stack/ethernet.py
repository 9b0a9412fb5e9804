"""Ethernet II: the input filter and the link-layer headers of one interface.

Takes what is addressed to its own MAC, to everybody, or to a group that it joined; the rest is counted and dropped,
and never answered. RFC 894; RFC 1112 6.4 (a group's MAC).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Attachment, Buffer, Hears, LinkCaps, Medium, Offload
from netif.wire import Malformed, ethernet
from stack.acd import Told
from stack.arp import Arp
from stack.attached import AttachedInterface
from stack.fast import FAST
from stack.hearing import Hearing
from stack.l2tap import kind_of
from stack.multicast import NOBODY, Filter, is_multicast
from stack.routing import Neighbour, Route
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.stack import Stack

_FILTER = Struct("!6s6xH")  # destination and ethertype
_DOOR = Struct("!6s6xH9xB")  # and IP's protocol
_IP = ethernet.IP
_ARP = ethernet.ARP
# the stack's names, by how the if_key begins; "en" for the rest
_LETTERS = {"WIFI_STA": "st", "WIFI_AP": "ap", "WIFI_NAN": "na", "TAP": "tp", "PAIR": "pr"}


def group_mac(group: bytes) -> bytes:
    """RFC 1112 6.4: 23 bits of the group address."""
    return bytes((0x01, 0x00, 0x5E, group[1] & 0x7F, group[2], group[3]))


class Announcer(Timed):
    """Gratuitous ARP, again and again: who lost us from a table finds us, and switches know our port."""

    def __init__(self, interface: EthernetInterface) -> None:
        super().__init__()
        self.maintenance = True
        self.interface = interface
        self.interval = 0.0  # seconds; 0: not at all

    def every(self, seconds: float) -> None:
        stack = self.interface.stack
        self.interval = seconds
        stack.timers.forget(self)
        if seconds > 0:
            self.deadline = stack.runtime.now() + seconds
            stack.arm(self)

    def expire(self, now: float) -> None:
        self.interface.announce()
        self.deadline = now + self.interval


class EthernetInterface(AttachedInterface):
    medium = Medium.ETHERNET
    link_length = 14

    def __init__(self, stack: Stack, netif: Attachment) -> None:
        letters = (letters for stem, letters in _LETTERS.items() if netif.if_key.startswith(stem))
        super().__init__(stack, netif, next(letters, "en"))
        self.group_macs: dict[bytes, int] = {ethernet.BROADCAST: 1}  # taken: by how many groups
        for mac in [mac for tap in stack.l2taps.values() if tap.name == netif.if_key for mac in tap.groups_taken]:
            self.group_macs[mac] = self.group_macs.get(mac, 0) + 1
        self._filtered: dict[bytes, None] = {}  # those that the driver was told of
        self.hearing = Hearing(self)
        self.arp = Arp(self)
        self.announcer = Announcer(self)
        self.yields: Callable[[bytes], None] | None = None  # told, by which MAC, when the address is to be given up
        self._unresolved = Neighbour()

    def link_up(self, caps: LinkCaps) -> None:
        super().link_up(caps)
        for mac in self.group_macs:
            self._filter(mac)
        self.hearing.begin()

    def relinked(self) -> None:
        self.hearing.moved(self.mac)
        self.arp.clear()
        super().relinked()

    def _readdressed(self) -> None:
        super()._readdressed()
        self.hearing.owns(frozenset(one.address for one in self.subnets()))

    def announce_every(self, seconds: float) -> None:
        self.announcer.every(seconds)

    def detach(self) -> None:
        self.announcer.every(0)
        super().detach()
        self.hearing.end()

    def announce(self) -> None:
        if self.is_up:
            for one in self.subnets():
                self.arp.announce(one.address)
        super().announce()

    def announce_one(self, address: bytes) -> None:
        if self.is_up:
            self.arp.announce(address)
        super().announce_one(address)

    def input(self, frame: Buffer, offload: Offload | None = None) -> None:
        """The door: whatever the bytes are, no exception leaves but for our own mistakes."""
        stack = self.stack
        stack.current = None
        if stack.overhearing and stack.forward is not None and stack.forward(self, frame, offload):
            return
        if len(frame) > 23:
            dst, ethertype, protocol = _DOOR.unpack_from(frame)
        elif len(frame) > 13:
            dst, ethertype, protocol = *_FILTER.unpack_from(frame), 0
        else:
            self.drop("ethernet_header_short")
            return
        try:
            if dst == self.mac:
                if ethertype == _IP:
                    arrives = None if stack.overhearing else FAST.get(protocol)
                    if arrives is None or not arrives(stack, frame, 14, offload):
                        self._ip_receive(self, frame, 14, offload, False)
                    return
            elif dst not in self.group_macs:
                self.drop("ethernet_other_host")
                return
            elif ethertype == _IP:
                self._ip_receive(self, frame, 14, offload, True)
                return
            if ethertype == _ARP:
                self.arp.receive(frame, 14)
            else:
                self._other(frame, offload, ethertype)
        except Malformed as malformed:
            self.drop(malformed.reason)

    def _other(self, frame: Buffer, offload: Offload | None, ethertype: int) -> None:
        """Neither IPv4 nor ARP: for whoever has asked for it."""
        taps = self.stack.l2taps
        tap = taps.get((self.name, kind_of(ethertype))) if taps else None
        if tap is None:
            self.drop("ethernet_type")
        else:
            tap.arrived(frame, offload)

    def heard(self, port: int, add: bool) -> None:
        self.hearing.port(port, add)

    def overheard(self, everything: bool) -> None:
        self.hearing.everything(everything)

    def neighbour(self, next_hop: bytes) -> Neighbour:
        if next_hop in self.broadcasts:
            return Neighbour(self.arp.header(ethernet.BROADCAST))
        if is_multicast(next_hop):
            return Neighbour(self.arp.header(group_mac(next_hop)))
        return self.arp.entries.get(next_hop) or self._unresolved

    def claim_address(self, ip: bytes, mask: bytes, told: Told) -> None:
        """As `add_address`, once nobody is found to have it (RFC 5227 2.1). `told` None: it is ours now."""
        refusal = self._refusal(ip)
        if refusal is not None:
            raise refusal

        def settled(mac: bytes | None) -> None:
            if mac is None and self._refusal(ip) is not None:
                mac = self.mac  # we have come to use it ourselves
            elif mac is None:
                self.add_address(ip, mask)
            told(mac)

        self.arp.claim(ip, settled)

    def resolve(self, route: Route, packets: list[tuple[Buffer, ...]], offload: Offload | None) -> None:
        self.arp.output(route, packets, offload)

    def probe(self, address: bytes) -> None:
        self.arp.probe(address)

    def confirmed_since(self, address: bytes, when: float) -> bool:
        return self.arp.confirmed_since(address, when)

    def address_of(self, mac: bytes) -> bytes | None:
        """The IPv4 address of a neighbour that we have heard of, by its MAC."""
        return self.arp.address_of(mac)

    def regrouped(self, group: bytes, old: Filter, new: Filter) -> None:
        if old == NOBODY:
            self.take_group(group_mac(group))
        elif new == NOBODY:
            self.leave_group(group_mac(group))
        super().regrouped(group, old, new)

    def take_group(self, mac: bytes) -> None:
        """Frames to this MAC pass, until `leave_group` is called as often."""
        self.group_macs[mac] = self.group_macs.get(mac, 0) + 1
        self._filter(mac)

    def leave_group(self, mac: bytes) -> None:
        self.group_macs[mac] -= 1
        if not self.group_macs[mac]:
            del self.group_macs[mac]
            self._filter(mac)

    def _filter(self, mac: bytes) -> None:
        """Tell the driver, whose filter may be in hardware, what has changed since it was told last."""
        wanted = mac in self.group_macs
        if mac == ethernet.BROADCAST or self not in self.stack.interfaces or wanted == (mac in self._filtered):
            return
        if wanted:
            self._filtered[mac] = None
        else:
            del self._filtered[mac]
        if wanted:
            self.hearing.add(Hears.STATION, mac)
        else:
            self.hearing.remove(Hears.STATION, mac)
        self.netif.mac_filter(mac, wanted)
