"""Whose address is whose, in one subnet: the pool of a DHCP server, and what it remembers of each client.

Times are the stack's. Knows nothing of messages: the server asks for an address, and says what became of it. An
address that is offered, leased or declined has a Binding; one that is free for all has none. RFC 2131 4.3.1.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from math import inf
from typing import TYPE_CHECKING

from netif.dhcp import GivenLease
from netif.wire import ethernet
from netif.wire.ip import format_address
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.stack import Stack

OFFER_TIME = 10.0  # seconds for which an offer holds; short, for anybody may ask for one


class State(enum.Enum):
    FREE = "free"  # not in the pool's tables
    OFFERED = "offered"
    BOUND = "bound"
    SPARE = "spare"  # the lease is over: kept for its client until another needs it
    DECLINED = "declined"  # some other host has it: nobody's for a while


FREE, OFFERED, BOUND, SPARE, DECLINED = State
TRANSITIONS: dict[State, frozenset[State]] = {
    FREE: frozenset((OFFERED, BOUND, SPARE)),
    OFFERED: frozenset((FREE, BOUND, SPARE, DECLINED)),
    BOUND: frozenset((BOUND, SPARE, DECLINED, FREE)),  # FREE: its client has come for another
    SPARE: frozenset((FREE, OFFERED, BOUND)),
    DECLINED: frozenset((FREE,)),
}


class Binding(Timed):
    """One address, and the client that has, had or may have it."""

    __slots__ = ("address", "client", "expires", "hostname", "mac", "pool", "state")

    def __init__(self, pool: Pool, address: bytes, client: bytes, mac: bytes) -> None:
        super().__init__()
        self.maintenance = True
        self.pool = pool
        self.address = address
        self.client = client
        self.mac = mac
        self.hostname = ""
        self.state = FREE
        self.expires: float | None = None  # when the latest lease ends or ended; None: there was none

    def __repr__(self) -> str:
        return f"<Binding {format_address(self.address)} {self.state.value} {ethernet.format_mac(self.mac)}>"

    def become(self, state: State, deadline: float | None) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        self.state = state
        self.deadline = deadline
        stack = self.pool.stack
        if deadline is not None:
            stack.arm(self)
        if stack.trace is not None:
            stack.trace("lease", self.pool, self)

    def expire(self, now: float) -> None:
        if self.state is BOUND or (self.state is OFFERED and self.expires is not None):
            self.pool.spare(self)
        else:
            self.pool.forget(self)


class Pool:
    def __init__(
        self,
        stack: Stack,
        network: IPv4Network,
        first: IPv4Address,
        last: IPv4Address,
        reservations: Mapping[bytes, IPv4Address],
        never: frozenset[bytes],
    ) -> None:
        """`never`: addresses of others."""
        self.stack = stack
        self.network = network
        self.bindings: dict[bytes, Binding] = {}  # by address
        self._clients: dict[bytes, Binding] = {}
        self._reserved = {mac: ip.packed for mac, ip in reservations.items() if ip in network}
        self._whose = {address: mac for mac, address in self._reserved.items()}
        self._never = never
        self._first, self._last = int(first), int(last)
        self._next = self._first  # from here on nobody ever had one, unless by its own wish
        self._returned: dict[bytes, None] = {}  # free, and known to be
        self._spares: dict[Binding, None] = {}  # the one that has been spare longest comes first

    def __repr__(self) -> str:
        return f"<Pool {IPv4Address(self._first)} to {IPv4Address(self._last)} of {self.stack.name}>"

    def holds(self, address: bytes) -> bool:
        return IPv4Address(address) in self.network

    def of(self, client: bytes) -> Binding | None:
        """What this client has, had or was offered, if it may have it still."""
        binding = self._clients.get(client)
        return binding if binding is not None and self._fits(binding.address, binding.mac) else None

    def choose(self, client: bytes, mac: bytes, wanted: bytes) -> Binding | None:
        """RFC 2131 4.3.1: the client's reservation, its address of now or before, the one that it wants, a free one,
        or whichever has been spare longest. None: there is none."""
        reserved = self._reserved.get(mac)
        if reserved is not None and (found := self.take(client, mac, reserved)) is not None:
            return found
        found = self.of(client)
        if found is not None:
            return found
        for address in self._candidates(wanted):
            if (found := self.take(client, mac, address)) is not None:
                return found
        return None

    def take(self, client: bytes, mac: bytes, address: bytes) -> Binding | None:
        """A binding of just this address, if `client` may have it."""
        if not self._fits(address, mac):
            return None
        held = self.bindings.get(address)
        if held is not None:
            if held.client == client and held.state is not DECLINED:
                return held
            is_its_own = held.mac == mac and address in self._whose  # its firmware, or the system before this one
            if held.state is not SPARE and not (is_its_own and held.state is BOUND):
                return None
            self.forget(held)
        elif len(self.bindings) >= self.stack.limits.dhcp_leases:
            self.stack.stats.count("dhcps_leases_full")
            return None
        return self._add(client, mac, address)

    def offer(self, binding: Binding, now: float, seconds: float) -> None:
        """Nobody else gets it for so long."""
        if binding.state is not BOUND:
            self._leave_spares(binding)
            if binding.state is not OFFERED:
                binding.become(OFFERED, now + seconds)
            elif binding.deadline is None or binding.deadline < now + seconds:
                binding.deadline = now + seconds

    def bind(self, binding: Binding, now: float, lease_time: float) -> None:
        self._leave_spares(binding)
        binding.expires = now + lease_time
        binding.become(BOUND, None if lease_time == inf else binding.expires)

    def release(self, binding: Binding, now: float) -> None:
        """Kept for its client, who may come again."""
        binding.expires = now
        self.spare(binding)

    def decline(self, binding: Binding, now: float, seconds: float) -> None:
        """Another host has this address."""
        self._clients.pop(binding.client, None)
        binding.become(DECLINED, now + seconds)

    def spare(self, binding: Binding) -> None:
        binding.become(SPARE, None)
        self._spares[binding] = None

    def forget(self, binding: Binding) -> None:
        self._leave_spares(binding)
        binding.become(FREE, None)
        self.stack.timers.forget(binding)
        del self.bindings[binding.address]
        if self._clients.get(binding.client) is binding:
            del self._clients[binding.client]
        if self._first <= int.from_bytes(binding.address, "big") <= self._last:
            self._returned[binding.address] = None

    # what outlives the pool

    def leases(self) -> Iterator[GivenLease]:
        for binding in self.bindings.values():
            if binding.expires is not None and binding.state is not DECLINED:
                address = IPv4Address(binding.address)
                yield GivenLease(binding.client, binding.mac, address, binding.expires, binding.hostname)

    def restore(self, lease: GivenLease, now: float) -> None:
        """What another pool, or the same one before, had given. What does not fit any more is left out."""
        address = lease.ip.packed
        binding = None if address in self.bindings else self.take(lease.client, lease.mac, address)
        if binding is not None:
            binding.hostname = lease.hostname
            if lease.expires > now:
                self.bind(binding, now, lease.expires - now)
            else:
                binding.expires = lease.expires
                self.spare(binding)

    def close(self) -> None:
        """No more deadlines."""
        for binding in self.bindings.values():
            self.stack.timers.forget(binding)

    def _add(self, client: bytes, mac: bytes, address: bytes) -> Binding:
        """In place of whatever the client had; the caller says at once what it becomes."""
        former = self._clients.get(client)
        if former is not None:
            self.forget(former)
        self._returned.pop(address, None)
        binding = self.bindings[address] = self._clients[client] = Binding(self, address, client, mac)
        return binding

    def _candidates(self, wanted: bytes) -> Iterator[bytes]:
        if self._first <= int.from_bytes(wanted, "big") <= self._last:
            yield wanted
        full = len(self.bindings) >= self.stack.limits.dhcp_leases
        if not full:
            if not self._returned:
                self._open_one()
            yield from self._returned
        yield from (spare.address for spare in self._spares)
        if full:
            self.stack.stats.count("dhcps_leases_full")

    def _open_one(self) -> None:
        """One address more that nobody ever had."""
        while self._next <= self._last and not self._returned:
            address = self._next.to_bytes(4, "big")
            self._next += 1
            if address not in self.bindings and self._fits(address, b""):
                self._returned[address] = None

    def _fits(self, address: bytes, mac: bytes) -> bool:
        """Configured so: it is reserved for this client, or of the pool and nobody's. Whoever has a reservation gets no
        other, unless that is in another's hands."""
        reserved = self._reserved.get(mac)
        if reserved is not None and (reserved == address or reserved not in self.bindings):
            return reserved == address
        inside = self._first <= int.from_bytes(address, "big") <= self._last
        return inside and not (address in self._whose or address in self._never or self.stack.ip.is_local(address))

    def _leave_spares(self, binding: Binding) -> None:
        self._spares.pop(binding, None)
