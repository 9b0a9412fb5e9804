"""One attached link as the stack sees it: its address, its limits, and the queue in front of a driver that is full.

It knows no frame format: what a next hop needs in front of a packet is the subclass's (`ethernet`, `loopback`), as is
what comes in. RFC 1122 3.3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from errno import ECONNABORTED, ENETDOWN
from typing import TYPE_CHECKING

from netif.link import Buffer, LinkCaps, Offload, Waiter
from netif.wire.ip import format_address, prefix_length_of
from stack.failure import failure
from stack.routing import Neighbour, Route

if TYPE_CHECKING:
    from stack.endpoint import Endpoint
    from stack.stack import Stack


class Interface:
    """A StackInterface. While it is `blocked` an endpoint sends nothing, joins `waiting` and is owed a flush when there
    is room again; what is sent all the same (answers by the stack itself) waits in the queue."""

    is_loopback = False
    link_length = 0  # bytes before the IP header

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name
        self.mac = b""
        self.mtu = 1500  # of an IP packet
        self.gso_max = 1500
        self.tx_checksum = False
        self.address = b""  # 4 bytes, or empty: none
        self.prefix_length = 0
        self.gateway = b""  # 4 bytes, or empty
        self.broadcast = b""  # the subnet's, or empty
        self.groups: dict[bytes, int] = {}  # joined multicast groups: by how many
        self.is_up = False
        self.blocked = False
        self.waiting: dict[Endpoint, None] = {}
        self._send: Callable[[tuple[Buffer, ...], Offload | None], bool] = self._discard
        self._queue: deque[tuple[tuple[Buffer, ...], Offload | None]] = deque()
        self._queued_bytes = 0

    def __repr__(self) -> str:
        address = f"{format_address(self.address)}/{self.prefix_length}" if self.address else "without address"
        return f"<{type(self).__name__} {self.name} {address} {'up' if self.is_up else 'down'}>"

    # what a subclass knows

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
        """Tell the link who we are now."""

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
        if (address, prefix_length, gateway) == (self.address, self.prefix_length, self.gateway):
            return
        renamed = address != self.address
        if renamed and self.address:
            self._abort(failure(ECONNABORTED))
        self.address = address
        self.prefix_length = prefix_length
        self.gateway = gateway
        self.broadcast = b""
        if address and prefix_length < 31:  # RFC 3021: a /31 has none
            hosts = (1 << 32 - prefix_length) - 1
            self.broadcast = (int.from_bytes(address, "big") | hosts).to_bytes(4, "big")
        self.stack.ip.rebuild()
        if renamed:
            self.announce()

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
        self.address = self.gateway = self.broadcast = b""
        self.prefix_length = 0
        if self in self.stack.interfaces:
            self.stack.interfaces.remove(self)
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
        """Within this interface's subnet."""
        shift = 32 - self.prefix_length
        mine = int.from_bytes(self.address, "big")
        return bool(self.address) and int.from_bytes(address, "big") >> shift == mine >> shift

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

    def _abort(self, error: OSError) -> None:
        """End the connections that live by this interface, while their farewell can still be sent."""
        self.stack.tcp.abort(self, error)
        self.stack.flush(self.stack.now)
