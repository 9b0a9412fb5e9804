"""One attached link as the stack sees it: its address, its limits, and the queue in front of a driver that is full.

It knows no frame format: what a next hop needs in front of a packet is the subclass's (`ethernet`, `loopback`), as is
what comes in. One address is the interface's own, beside it there may be aliases. RFC 1122 3.3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from errno import ECONNABORTED, ENETDOWN
from typing import TYPE_CHECKING

from netif.errors import InvalidParams, NetifError, NoMem, NotFound
from netif.link import Buffer, LinkCaps, Offload, StaticRoute, Waiter
from netif.wire.ip import ANY, BROADCAST, format_address, prefix_length_of
from stack.failure import failure
from stack.forwarding.counters import Tally, summed
from stack.multicast import Filter, Groups
from stack.routing import Neighbour, Route
from stack.subnet import Subnet, subnet

if TYPE_CHECKING:
    from netif.router import ForwardingCounters, NaptEntry
    from stack.endpoint import Endpoint
    from stack.igmp import Igmp
    from stack.ip import Handler
    from stack.stack import Stack


class Interface:
    """A StackInterface. While it is `blocked` an endpoint sends nothing, joins `waiting` and is owed a flush when there
    is room again; what is sent all the same (answers by the stack itself) waits in the queue."""

    is_loopback = False
    is_point_to_point = False  # whatever the next hop is, it is at the other end
    link_length = 0  # bytes before the IP header

    def __init__(self, stack: Stack, name: str, letters: str) -> None:
        """`letters`: the two with which the stack's own name for it begins."""
        self.stack = stack
        self.name = name  # the netif's if_key
        self.index, self.impl_name = stack.enlist(self, letters)
        self.mac = b""
        self.mtu = 1500  # of an IP packet
        self.gso_max = 1500
        self.tx_checksum = False
        self.address = b""  # 4 bytes, or empty: none
        self.prefix_length = 0
        self.gateway = b""  # 4 bytes, or empty
        self.withdrawn = b""  # an address that may come back: what uses it waits
        self.dns: tuple[bytes, ...] = ()  # of what is bound to this interface
        self.search: tuple[str, ...] = ()  # domains in which names are looked for
        self.broadcast = b""  # the subnet's, or empty
        self.broadcasts = frozenset((BROADCAST,))  # of all its subnets
        self.aliases: dict[bytes, Subnet] = {}  # further addresses
        self.routes: tuple[StaticRoute, ...] = ()
        self.groups = Groups(self)
        self.igmp: Igmp | None = None  # where there may be routers to tell
        self.bootstrap: Handler | None = None  # takes UDP to addresses not ours: a DHCP client's (RFC 2131 4.1)
        self.forwarding: bool | None = None  # send on what comes in for others; None: as the stack does
        self.proxy_arp = False  # answer for those to whom we send on by another link
        self.inside = False  # what leaves by another link, and came in by this one, is translated
        self.tally: Tally | None = None  # of what was sent on
        self.is_up = False
        self.blocked = False
        self.waiting: dict[Endpoint, None] = {}
        self._send: Callable[[tuple[Buffer, ...], Offload | None], bool] = self._discard
        self._queue: deque[tuple[tuple[Buffer, ...], Offload | None]] = deque()
        self._queued_bytes = 0
        self._router = b""  # the gateway that came with the address

    def __repr__(self) -> str:
        address = f"{format_address(self.address)}/{self.prefix_length}" if self.address else "without address"
        return f"<{type(self).__name__} {self.name} {address} {'up' if self.is_up else 'down'}>"

    # what a subclass knows

    @property
    def route_prio(self) -> int:
        """Of two interfaces that lead to the same place, the one with the higher is used."""
        return 0

    def input(self, frame: Buffer, offload: Offload | None) -> None:
        raise NotImplementedError

    def neighbour(self, next_hop: bytes) -> Neighbour:
        """What `Route.neighbour` is to be: its `link` goes in front of a packet, None means `resolve`."""
        raise NotImplementedError

    def resolve(self, route: Route, packets: list[tuple[Buffer, ...]], offload: Offload | None) -> None:
        """Send the packet, or the fragments of one, once its neighbour is found."""
        raise NotImplementedError

    def relinked(self) -> None:
        """The link has come or gone, or the MAC has changed: nothing known about neighbours holds."""

    def announce(self) -> None:
        """Tell the link who we are now, by all our addresses."""

    def announce_one(self, address: bytes) -> None:
        """By this address alone."""

    def heard(self, port: int, add: bool) -> None:
        """Somebody is bound to this UDP port now, or nobody any more."""

    def overheard(self, everything: bool) -> None:
        """Somebody looks at all that comes in, or nobody any more."""

    def regrouped(self, group: bytes, old: Filter, new: Filter) -> None:
        """Something else is wanted of a group than before."""

    # what the netif tells

    def link_up(self, caps: LinkCaps) -> None:
        self.mac = caps.mac
        self.mtu = caps.mtu
        self.gso_max = max(caps.gso_max, caps.mtu)
        self.tx_checksum = caps.tx_checksum
        self.is_up = True
        self.relinked()
        self.stack.ip.rebuild()
        self.announce()

    def link_down(self) -> None:
        """Connections stay: the link may come back (they end with the address, or by their own timers)."""
        self.is_up = False
        self._send = self._discard
        self.relinked()
        self.stack.ip.rebuild()
        self.writable()

    def set_addresses(self, ip: bytes, mask: bytes, gateway: bytes) -> None:
        address = ip if any(ip) else b""
        prefix_length = prefix_length_of(mask) if address else 0
        gateway = gateway if address and any(gateway) else b""
        if (address, prefix_length, gateway) == (self.held, self.prefix_length, self._router):
            return
        held, renamed = self.held, address != self.address
        if held and held != address:
            self._abort(failure(ECONNABORTED), held)
        self.withdrawn = b""
        self.aliases.pop(address, None)
        self._take(address, prefix_length, gateway)
        if renamed and address:
            self.announce_one(address)

    @property
    def held(self) -> bytes:
        """The address that connections live by, whether it may be used at present or not; or empty."""
        return self.address or self.withdrawn

    def withdraw(self) -> None:
        if self.address:
            self.withdrawn = self.address
            self._take(b"", 0, b"")

    def _take(self, address: bytes, prefix_length: int, gateway: bytes) -> None:
        self.address = address
        self.prefix_length = prefix_length
        self.broadcast = subnet(address, prefix_length).broadcast if address else b""
        self._router = gateway
        self._readdressed()

    def add_address(self, ip: bytes, mask: bytes) -> None:
        """An alias, 4 bytes each: announced, defended and heard like the first address; what goes to its subnet bears
        it. The first address may change, or be missing. InvalidParams: not a host's, or ours already; NoMem."""
        refusal = self._refusal(ip)
        if refusal is not None:
            raise refusal
        self.aliases[ip] = subnet(ip, prefix_length_of(mask))
        self._readdressed()
        self.announce_one(ip)

    def _refusal(self, ip: bytes) -> NetifError | None:
        """Why this cannot be a further address."""
        if len(ip) != 4 or not any(ip) or ip[0] >= 224 or ip[0] == 127:
            return InvalidParams(f"address: {ip.hex('.')} cannot be an interface's; take one as in 192.168.5.100")
        if self.stack.ip.is_local(ip):
            return InvalidParams(f"address: {format_address(ip)} is ours already; take another")
        if len(self.aliases) >= self.stack.limits.addresses:
            self.stack.stats.count("addresses_full")
            return NoMem(f"address: {self.name} has {len(self.aliases)} further addresses; raise Limits.addresses")
        return None

    def remove_address(self, ip: bytes) -> None:
        """An alias goes, and with it the connections that have it. NotFound."""
        if ip not in self.aliases:
            raise NotFound(f"address: {self.name} has no further address {format_address(ip)}; add_address gives one")
        self._abort(failure(ECONNABORTED), ip)
        del self.aliases[ip]
        self._readdressed()

    def set_routes(self, routes: tuple[StaticRoute, ...]) -> None:
        """Beside its subnets and its gateway; in place of those that it had. With a gateway of zeros the network is on
        the link (RFC 3442); a network of length 0 is the way out of this interface, ahead of the address's gateway."""
        if len(routes) > self.stack.limits.static_routes:
            self.stack.stats.count("static_routes_full")
            routes = routes[: self.stack.limits.static_routes]
        if routes != self.routes:
            self.routes = routes
            self._readdressed()

    def subnets(self) -> Iterator[Subnet]:
        """The first address, then the aliases."""
        if self.address:
            yield Subnet(self.address, self.prefix_length, self.broadcast)
        yield from self.aliases.values()

    def owns(self, address: bytes) -> bool:
        """One of its addresses."""
        return address == self.address or address in self.aliases

    def source_for(self, next_hop: bytes) -> bytes:
        """Our address towards this neighbour (RFC 1122 3.3.4.3): of its own subnet, or else the first one."""
        if not self.aliases:
            return self.address or ANY
        subnets = list(self.subnets())
        return next((one for one in subnets if one.holds(next_hop)), subnets[0]).address

    def _readdressed(self) -> None:
        """All that follows from our addresses and routes."""
        way_out = next((gateway for _, length, gateway in self.routes if not length and any(gateway)), self._router)
        self.gateway = way_out if self.address else b""
        self.broadcasts = frozenset((BROADCAST, *(one.broadcast for one in self.subnets() if one.broadcast)))
        self.stack.ip.rebuild()

    def set_forwarding(self, on: bool | None) -> None:
        """Send on what comes in by it for others, or not, whatever the stack does; None: as the stack does."""
        self.forwarding = on
        if on:
            self.stack.forwarding.hook()

    @property
    def forwarding_counters(self) -> ForwardingCounters:
        return summed((self.tally,))

    def set_proxy_arp(self, on: bool) -> None:
        """Answer who asks on its link for an address to which we send on by another one (RFC 1027)."""
        self.proxy_arp = on

    def set_napt(self, on: bool) -> None:
        """Its hosts go out under the address of whichever link they leave by; False: they go no longer."""
        forwarding = self.stack.forwarding
        self.inside = on
        if on:
            forwarding.translate()
        elif forwarding.napt is not None:
            forwarding.napt.table.forget(self)

    def add_portmap(self, protocol: int, port: int, address: bytes, inside_port: int) -> None:
        """What comes for `port` goes to that host. InvalidParams, NoMem."""
        from stack.napt.table import Portmap

        table = self.stack.forwarding.translate().table
        table.add_portmap(Portmap(self, port, (protocol, address, inside_port)))

    def remove_portmap(self, protocol: int, port: int) -> None:
        """NotFound."""
        self.stack.forwarding.translate().table.remove_portmap(protocol, port)

    def napt_table(self) -> tuple[NaptEntry, ...]:
        """Of its whole stack."""
        napt = self.stack.forwarding.napt
        return () if napt is None else tuple(napt.table.rows(self.stack.now))

    def set_dns(self, servers: tuple[bytes, ...], search: tuple[str, ...]) -> None:
        self.dns = servers
        self.search = search

    def announce_every(self, seconds: float) -> None:
        """Nothing to be told on a link without neighbours to find."""

    def set_mac(self, mac: bytes) -> None:
        if mac != self.mac:
            self.mac = mac
            self.relinked()
            self.stack.ip.rebuild()
            self.announce()

    def set_mtu(self, mtu: int) -> None:
        self.gso_max = max(self.gso_max, mtu) if self.gso_max > self.mtu else mtu
        self.mtu = mtu
        self.stack.ip.rebuild()

    def finish(self, waiter: Waiter) -> bool:
        return self.stack.tcp.finish(self, waiter)

    def detach(self) -> None:
        """Abort what is left and leave the stack; a later `link_up` joins it again."""
        self._abort(failure(ENETDOWN))
        self.stack.ip.fragments.clear(self)
        self.address = self.withdrawn = self.broadcast = self._router = b""
        self.prefix_length = 0
        self.aliases.clear()
        self.routes = ()
        self.set_napt(False)
        self.stack.delist(self)
        self._readdressed()
        self.link_down()

    # output

    def transmit(self, frame: tuple[Buffer, ...], offload: Offload | None) -> None:
        """Send a finished frame, or keep it until the driver has room; bounded."""
        if self.blocked:
            self._keep(frame, offload)
        elif not self._send(frame, offload):
            self.blocked = True
            self._keep(frame, offload)

    def writable(self) -> None:
        queue = self._queue
        while queue:
            frame, offload = queue[0]
            if not self._send(frame, offload):
                return
            queue.popleft()
            self._queued_bytes -= sum(map(len, frame))
        self.blocked = False
        if self.waiting:
            waiting, self.waiting = self.waiting, {}
            for endpoint in waiting:
                self.stack.owe(endpoint)

    def drop(self, reason: str) -> None:
        self.stack.drop(reason, self)

    def on_link(self, address: bytes) -> bool:
        """Within a subnet of this interface."""
        return any(one.holds(address) for one in self.subnets())

    def _keep(self, frame: tuple[Buffer, ...], offload: Offload | None) -> None:
        limits = self.stack.limits
        size = sum(map(len, frame))
        full = len(self._queue) >= limits.interface_queue_frames or (
            self._queued_bytes + size > limits.interface_queue_bytes
        )
        if full and self._queue:
            self.drop("interface_queue_full")
            return
        self._queue.append((frame, offload))
        self._queued_bytes += size

    def _discard(self, frame: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.drop("link_down")
        return True

    def _abort(self, error: OSError, address: bytes | None = None) -> None:
        """End the connections that live by this interface, or by this address, while their farewell can be sent."""
        self.stack.tcp.abort(self, error, address)
        self.stack.flush(self.stack.now)
