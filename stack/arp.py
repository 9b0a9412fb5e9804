"""ARP: which MAC is behind a next hop. One table an Ethernet interface.

A neighbour is learned when we asked for it, when we know it already, or when it asks for us; packets wait while it is
looked for, bounded. RFC 826; RFC 1122 2.3.2; states after RFC 4861 7.3.2, without its DELAY; conflicts are counted,
and answered once in a while, or given way to (RFC 5227 2.4).
"""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Buffer, Hears, Offload
from netif.wire import arp as wire
from netif.wire import ethernet
from netif.wire.ip import format_address
from stack.acd import DEFEND_INTERVAL, Claim, Told
from stack.link_local import is_link_local
from stack.routing import Neighbour, Route

if TYPE_CHECKING:
    from stack.ethernet import EthernetInterface
    from stack.hearing import Heard

logger = logging.getLogger(__name__)

TRIES = 3  # requests before giving up
RETRY_INTERVAL = 1.0  # seconds between requests (RFC 1122 2.3.2.1: at most one a second)
REACHABLE_TIME = 30.0  # seconds, times 0.5 to 1.5: after it the next use asks again
STALE_TIME = 600.0  # seconds without use until a neighbour is forgotten
LOCK_TIME = 1.0  # seconds in which the first of several answers counts (Linux: locktime)

_NOBODY = bytes(6)


Waiting: TypeAlias = "tuple[Route, list[tuple[Buffer, ...]], Offload | None]"  # one packet, or its fragments


def _size(packets: list[tuple[Buffer, ...]]) -> int:
    return sum(len(buffer) for packet in packets for buffer in packet)


def _is_no_host(address: bytes) -> bool:
    return address[0] >= 224 or address[0] == 127


class State(enum.Enum):
    FREE = "free"  # not in the table
    INCOMPLETE = "incomplete"  # asked for; packets wait
    REACHABLE = "reachable"
    STALE = "stale"  # believed, but the next use asks again
    PROBE = "probe"  # used meanwhile, asked by unicast


FREE, INCOMPLETE, REACHABLE, STALE, PROBE = State
TRANSITIONS: dict[State, frozenset[State]] = {
    FREE: frozenset((INCOMPLETE, REACHABLE)),
    INCOMPLETE: frozenset((REACHABLE, FREE)),
    REACHABLE: frozenset((REACHABLE, STALE, FREE)),
    STALE: frozenset((REACHABLE, PROBE, FREE)),
    PROBE: frozenset((REACHABLE, INCOMPLETE, FREE)),
}


class ArpEntry(Neighbour):
    """One neighbour. `link` is None in every state in which a packet may not simply be sent."""

    __slots__ = ("address", "confirmed_at", "heard", "mac", "queue", "queued_bytes", "state", "table", "tries")

    def __init__(self, table: Arp, address: bytes) -> None:
        super().__init__()
        self.table = table
        self.address = address
        self.state = FREE
        self.mac = _NOBODY
        self.heard: Heard | None = None  # what the interface's driver was told of it
        self.confirmed_at = 0.0
        self.tries = 0
        self.queue: list[Waiting] = []
        self.queued_bytes = 0

    def __repr__(self) -> str:
        return f"<Neighbour {format_address(self.address)} {self.state.value} at {ethernet.format_mac(self.mac)}>"

    def become(self, state: State, deadline: float | None) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        if state is INCOMPLETE:
            self.table.searches[self] = None
        elif self.state is INCOMPLETE:
            del self.table.searches[self]
        self.state = state
        self.table.interface.hearing.hear(self)
        usable = state is REACHABLE or state is PROBE
        self.link = self.table.header(self.mac) if usable else None
        self.maintenance = state is REACHABLE or state is STALE
        self.deadline = deadline
        stack = self.table.interface.stack
        if deadline is not None:
            stack.arm(self)
        if stack.trace is not None:
            stack.trace("neighbour", self.table.interface, self)

    def is_known_as(self, mac: bytes) -> bool:
        """What it asks others then is no news: that it sends does not show that it hears us (RFC 4861 7.3.1), and
        Linux does not take it for that either."""
        return self.mac == mac and self.state is not INCOMPLETE

    def concern(self) -> Heard | None:
        """By what its ARP is of use."""
        if self.state is FREE:
            return None
        if self.state is INCOMPLETE:
            return Hears.ADDRESS, self.address
        return Hears.NEIGHBOUR, self.address + self.mac

    def expire(self, now: float) -> None:
        if self.state is REACHABLE:
            self.become(STALE, now + STALE_TIME)
        elif self.state is STALE:
            self.table.forget(self)
        elif self.tries < TRIES:
            self.ask(now)
        elif self.state is PROBE:  # it may have a new MAC: ask everybody
            self.tries = 0
            self.become(INCOMPLETE, None)
            self.ask(now)
        else:
            self.table.failed(self)

    def ask(self, now: float) -> None:
        self.tries += 1
        self.deadline = now + RETRY_INTERVAL
        self.table.request(self.address, self.mac if self.state is PROBE else ethernet.BROADCAST)
        self.table.interface.stack.arm(self)

    def use(self, now: float) -> None:
        """A packet is to go there, and `link` was None."""
        if self.state is FREE:
            self.tries = 0
            self.become(INCOMPLETE, None)
            self.ask(now)
        elif self.state is STALE:
            self.tries = 0
            self.become(PROBE, None)
            self.ask(now)

    def doubt(self, now: float) -> None:
        if self.state is REACHABLE:
            self.become(STALE, now + STALE_TIME)

    def hold(self, route: Route, packets: list[tuple[Buffer, ...]], offload: Offload | None) -> None:
        """Keep the newest packets (RFC 1122 2.3.2.2). The fragments of one stay together, and count as one."""
        limits = self.table.interface.stack.limits
        self.queue.append((route, packets, offload))
        self.queued_bytes += _size(packets)
        while len(self.queue) > limits.arp_queue_frames or (
            self.queued_bytes > limits.arp_queue_bytes and len(self.queue) > 1
        ):
            self.queued_bytes -= _size(self.queue.pop(0)[1])
            self.table.interface.drop("arp_queue_full")

    def take_queue(self) -> list[Waiting]:
        queue = self.queue
        self.queue = []
        self.queued_bytes = 0
        return queue


class Arp:
    def __init__(self, interface: EthernetInterface) -> None:
        self.interface = interface
        self.entries: dict[bytes, ArpEntry] = {}  # the one confirmed longest ago comes first
        self.searches: dict[ArpEntry, None] = {}  # those that are INCOMPLETE, the oldest first
        self.claims: dict[bytes, Claim] = {}  # addresses that we should like to have
        self.lost_claims = 0  # in a row
        self._defended_at: dict[bytes, float] = {}  # by our address

    def header(self, mac: bytes) -> bytes:
        return ethernet.emit(mac, self.interface.mac, ethernet.IP)

    def receive(self, frame: Buffer, offset: int) -> None:
        """RFC 826 "packet reception", with the checks that it lacks."""
        operation, sha, spa, _, tpa = wire.parse(frame, offset)
        interface = self.interface
        if sha[0] & 1 or sha == interface.mac or sha == _NOBODY or _is_no_host(spa) or spa in interface.broadcasts:
            interface.drop("arp_sender")
            return
        for claim in list(self.claims.values()):
            claim.heard(operation, sha, spa, tpa)
        if interface.owns(spa):
            self._conflict(spa, sha)
            return
        for_us = interface.owns(tpa)  # not another interface's: a neighbour is to use that one's link
        if interface.proxy_arp and not for_us and operation == wire.REQUEST:
            for_us = interface.stack.forwarding.proxies(interface, spa, tpa)
        entry = self.entries.get(spa)
        if entry is not None:
            if self._is_second(entry, sha) and spa != tpa:
                interface.drop("arp_second")
                return
            if for_us or operation != wire.REQUEST or not entry.is_known_as(sha):
                self._confirm(entry, sha)
        elif for_us and operation == wire.REQUEST and interface.on_link(spa):
            entry = self._new(spa, ours=False)
            if entry is not None:
                self._confirm(entry, sha)
        if for_us and operation == wire.REQUEST:
            self.send(sha, wire.REPLY, tpa, sha, spa)
        elif entry is None:
            interface.drop("arp_not_for_us")

    def output(self, route: Route, packets: list[tuple[Buffer, ...]], offload: Offload | None) -> None:
        """Send an IP packet, or its fragments, whose neighbour had no link-layer header at hand."""
        entry = self.entries.get(route.next_hop) or self._new(route.next_hop, ours=True)
        if entry is None:
            return
        route.neighbour = entry
        if entry.link is None:
            entry.use(self.interface.stack.now)
        if entry.link is None:
            entry.hold(route, packets, offload)
            return
        for packet in packets:
            self.interface.transmit((entry.link + bytes(packet[0]), *packet[1:]), offload)

    def claim(self, address: bytes, told: Told) -> Claim:
        """Ask whether anybody has this address (RFC 5227 2.1), and tell; whoever sets it then announces it once, the
        claim a second time."""
        former = self.claims.get(address)
        if former is not None:
            former.cancel()
        claim = Claim(self, address, told)
        self.hold(claim)
        return claim

    def hold(self, claim: Claim) -> None:
        """Whoever says anything about its address is heard from now on."""
        self.claims[claim.address] = claim
        self.interface.hearing.add(Hears.ADDRESS, claim.address)

    def let_go(self, claim: Claim) -> None:
        if self.claims.pop(claim.address, None) is not None:
            self.interface.hearing.remove(Hears.ADDRESS, claim.address)

    def address_of(self, mac: bytes) -> bytes | None:
        """Of several neighbours with this MAC the one confirmed last."""
        known = [entry for entry in self.entries.values() if entry.mac == mac and entry.state is not INCOMPLETE]
        return known[-1].address if known else None

    def announce(self, address: bytes) -> None:
        """Gratuitous ARP: a request for an address of our own (RFC 5227 3)."""
        self.send(ethernet.BROADCAST, wire.REQUEST, address, _NOBODY, address)

    def request(self, address: bytes, to: bytes) -> None:
        self.send(to, wire.REQUEST, self.interface.source_for(address), _NOBODY, address)

    def probe(self, address: bytes) -> None:
        """Ask for a neighbour now, whatever is known of it."""
        entry = self.entries.get(address) or self._new(address, ours=True)
        if entry is not None and entry.state is FREE:
            entry.use(self.interface.stack.now)
        elif entry is not None:
            self.request(address, ethernet.BROADCAST)

    def confirmed_since(self, address: bytes, when: float) -> bool:
        """This neighbour has been heard since then."""
        entry = self.entries.get(address)
        return entry is not None and entry.state is not INCOMPLETE and entry.confirmed_at >= when

    def send(self, to: bytes, operation: int, spa: bytes, tha: bytes, tpa: bytes) -> None:
        mac = self.interface.mac
        if is_link_local(spa):
            to = ethernet.BROADCAST  # RFC 3927 2.5: so that a conflict is seen by whoever has it
        message = wire.emit(operation, mac, spa, tha, tpa)
        self.interface.transmit((ethernet.emit(to, mac, ethernet.ARP) + message,), None)

    def forget(self, entry: ArpEntry) -> None:
        self.entries.pop(entry.address, None)
        entry.become(FREE, None)
        self.interface.stack.timers.forget(entry)

    def failed(self, entry: ArpEntry) -> None:
        """Nobody answered: what waited is dropped, and whose it was is told."""
        queue = entry.take_queue()
        self.forget(entry)
        self.interface.stack.ip.redirects.failed(entry.address)
        for route, _, _ in queue:
            self.interface.drop("arp_unresolved")
            route.undelivered()

    def clear(self) -> None:
        """The link or our MAC has changed: nothing known holds any more."""
        for entry in list(self.entries.values()):
            for _ in entry.take_queue():
                self.interface.drop("link_down")
            self.forget(entry)
        for claim in self.claims.values():
            claim.begin()

    def _confirm(self, entry: ArpEntry, mac: bytes) -> None:
        stack = self.interface.stack
        self.entries[entry.address] = self.entries.pop(entry.address)  # now the last
        if entry.mac != mac:
            verb = "added" if entry.mac == _NOBODY else "changed"
            logger.info("ARP cache: %s %s @ %s", verb, format_address(entry.address), ethernet.format_mac(mac))
        entry.mac = mac
        entry.confirmed_at = stack.now
        entry.become(REACHABLE, stack.now + REACHABLE_TIME * (0.5 + stack.dice.random()))
        link = entry.link
        assert link is not None
        for _, packets, offload in entry.take_queue():
            for packet in packets:
                self.interface.transmit((link + bytes(packet[0]), *packet[1:]), offload)

    def _new(self, address: bytes, *, ours: bool) -> ArpEntry | None:
        """A free entry in the table; None if it is full of others that count more."""
        if len(self.entries) >= self.interface.stack.limits.arp_entries:
            victim = self._victim(ours)
            if victim is None:
                self.interface.drop("arp_table_full")
                return None
            for _ in victim.take_queue():
                self.interface.drop("arp_table_full")
            self.forget(victim)
        entry = self.entries[address] = ArpEntry(self, address)
        return entry

    def _victim(self, ours: bool) -> ArpEntry | None:
        """Whoever was confirmed longest ago. A stranger's request pushes out only what is stale; a search of our own
        anything, and an older search once those are half of the table: what strangers make us look for, by sending in
        many names, must not cost us the neighbours that we have."""
        if ours and 2 * len(self.searches) >= self.interface.stack.limits.arp_entries:
            return next(iter(self.searches), None)
        if ours:
            return next((entry for entry in self.entries.values() if entry.state is not INCOMPLETE), None)
        oldest = next(iter(self.entries.values()), None)
        return oldest if oldest is not None and oldest.state is STALE else None

    def _is_second(self, entry: ArpEntry, mac: bytes) -> bool:
        """Of two hosts, or of a host and its proxy, that answer one request: the first is believed."""
        return (
            entry.state is REACHABLE and entry.mac != mac and self.interface.stack.now - entry.confirmed_at < LOCK_TIME
        )

    def _conflict(self, address: bytes, mac: bytes) -> None:
        """RFC 5227 2.4: c) it stays ours, and is defended; or b) it is given up when that does not help."""
        stack, interface = self.interface.stack, self.interface
        stack.stats.count("arp_conflict")
        if stack.trace is not None:
            stack.trace("conflict", interface, ethernet.format_mac(mac))
        self._defended_at = {ours: at for ours, at in self._defended_at.items() if stack.now - at < DEFEND_INTERVAL}
        if address not in self._defended_at:
            self._defended_at[address] = stack.now
            stack.stats.count("arp_defended")
            self.announce(address)
        elif stack.ip_config.conflict_policy == "yield" or is_link_local(address):  # RFC 3927 2.5: MUST
            del self._defended_at[address]
            stack.stats.count("arp_yielded")
            if address != interface.address:
                interface.remove_address(address)
            elif interface.yields is not None:
                interface.yields(mac)
            else:
                interface.set_addresses(bytes(4), bytes(4), bytes(4))
                interface.netif.yielded()
