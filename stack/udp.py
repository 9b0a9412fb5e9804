"""The UDP sockets: what they send, and the queue of what came for them (RFC 768; RFC 1122 4.1).

Addresses are 4 or 16 bytes. Who gets which datagram is the layer's to know (`udp_layer`), what small ones have in front
of them to one destination the header's (`udp_header`).
"""

from __future__ import annotations

from errno import EACCES, EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EMSGSIZE
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Buffer, Offload
from netif.wire.ip import UDP, format_address
from netif.wire.udp import CHECKSUM_OFFSET, HEADER_LENGTH, emit
from stack.failure import failure
from stack.ip import VOUCHED
from stack.mailbox import Mailbox
from stack.multicast import is_multicast
from stack.path_mtu import DONT, forbids_fragments
from stack.udp_header import HeaderMade

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.routing import Route
    from stack.stack import Stack

Address: TypeAlias = tuple[bytes, int]
Queued: TypeAlias = "tuple[bytes, Address, tuple[bytes, Interface] | None]"  # data, source, IP header and interface

_ANY = {4: bytes(4), 16: bytes(16)}
_ONE_PIECE = 4096  # up to this size a copy behind the header costs less than a second buffer
_COMPLETE = 256 - 42  # payload up to which frames always carry a complete checksum
_SEGMENTS = 128  # of one call; Linux's UDP_MAX_SEGMENTS
_DESTINATIONS = 64  # of one socket, whose headers are kept
LARGEST = 65535 - 20 - HEADER_LENGTH  # bytes of payload


class UdpEndpoint(Mailbox[Queued]):
    """One UDP socket. `local` has port 0 until it is bound; `remote` is None unless it is connected."""

    __slots__ = ("_chosen", "_made", "local", "no_checksum", "remote", "reuse", "segment", "shares")
    queue_full = "udp_queue_full"

    def __init__(self, stack: Stack, *, address_length: int = 4) -> None:
        super().__init__(stack)
        self.local: Address = (_ANY[address_length], 0)
        self.remote: Address | None = None
        self.reuse = False
        self.shares = False  # SO_REUSEPORT: each sender's datagrams go to one of those that share an address
        self.no_checksum = False  # send none (RFC 1122 4.1.3.4 MAY)
        self.segment = 0  # bytes of each datagram into which what is sent at once is cut; 0: it is one
        self._chosen = self.local[0]  # the address that `bind` was given
        self._made: dict[Address, HeaderMade] | None = None  # what goes in front of small ones, by destination

    def __repr__(self) -> str:
        local, remote = self.local, self.remote
        peer = f" -> {format_address(remote[0])}:{remote[1]}" if remote is not None else ""
        return f"<UdpEndpoint {format_address(local[0])}:{local[1]}{peer} of {self.stack.name}>"

    # what the application does

    def bind(self, address: bytes, port: int) -> None:
        """All zero: any of our addresses; port 0: an ephemeral one. OSError: EINVAL, EADDRINUSE, EADDRNOTAVAIL."""
        self._check()
        if self.local[1]:
            raise failure(EINVAL)
        ip = self.stack.ip
        if any(address) and not ip.is_local(address) and not ip.is_group(address):
            raise failure(EADDRNOTAVAIL)
        self.local = self.stack.udp.hold(self, (address, port))
        self._chosen = address

    def connect(self, address: bytes, port: int) -> None:
        """From now on send to and receive from there alone. OSError: no route, EACCES for a broadcast."""
        self._check()
        route = self._find(address)
        self.local = self.stack.udp.pair(self, (route.src, self.local[1]), (address, port))
        self.remote = (address, port)
        self.reshaped()
        self._route = None if is_multicast(address) else route

    def disconnect(self) -> None:
        if self.remote is not None:
            self.stack.udp.unhold(self)
            self.remote = None
            self.local = self.stack.udp.hold(self, (self._chosen, self.local[1]))
            self.reshaped()

    def send_to(self, data: Buffer, destination: Address | None = None) -> int | None:
        """One datagram, at once. The bytes sent; None: would block. OSError: a pending error, no route, EMSGSIZE ..."""
        if destination is None:
            destination = self.remote
            if destination is None:
                self._check()
                raise failure(EDESTADDRREQ)
        made = None if self._made is None else self._made.get(destination)
        if made is not None and self.error is None and not made.interface.blocked:
            if type(data) is not bytes:
                data = bytes(data)
            if len(data) <= _COMPLETE:
                frame = made.frame(data)
                if frame is not None:
                    made.interface.transmit((frame,), VOUCHED)
                    return len(data)
        sent = self._send(data, destination)
        if sent is not None and sent <= _COMPLETE:
            self._remember(destination)
        return sent

    def _send(self, data: Buffer, destination: Address) -> int | None:
        """In any shape."""
        self._check()
        address, port = destination
        ip = self.stack.ip
        route = self._route
        if route is None or route.generation != ip.generation or route.dst != address:
            route = self._find(address)
            if is_multicast(address):
                if 0 < self.segment < len(data):
                    raise failure(EINVAL)
                return self._send_to_group(route, port, data)
            self._route = route
        if route.interface.blocked:
            route.interface.waiting[self] = None
            return None
        if not self.local[1]:
            self.bind(self.local[0], 0)
        if not port:
            raise failure(EINVAL)
        if type(data) is not bytes:
            data = bytes(data)  # it may change while the datagram waits
        size = len(data)
        if size > LARGEST:
            raise failure(EMSGSIZE)
        if 0 < self.segment < size:
            return self._send_segments(route, port, data)
        df = forbids_fragments(self.discover, route, size + 28 + len(self.options))
        if self.options or self.no_checksum:
            return self._send_unusual(route, port, data, df)
        partial = size > _COMPLETE and route.tx_checksum and (df or size + 28 <= route.mtu)
        header = emit(route.src, address, self.local[1], port, data, partial=partial)
        payload: tuple[Buffer, ...] = ()
        if size < _ONE_PIECE:
            header += data
        else:
            payload = (data,)
        at = CHECKSUM_OFFSET if partial else None
        ip.send(route, UDP, header, payload, size + HEADER_LENGTH, partial_at=at, ttl=self.ttl, tos=self.tos, df=df)
        return size

    def _send_segments(self, route: Route, port: int, data: bytes) -> int:
        """Datagrams of `segment` bytes, the last one perhaps shorter, in one super-frame where the link takes it. As
        Linux has it, none of them in fragments. OSError: EINVAL: too many, or to be made one by one; EMSGSIZE."""
        ip, size, segment = self.stack.ip, len(data), self.segment
        if size > segment * _SEGMENTS or self.options or self.no_checksum:
            raise failure(EINVAL)
        if segment + 28 > route.mtu:
            raise failure(EMSGSIZE)
        df = self.discover != DONT
        whole = df and route.df and route.tx_checksum and _COMPLETE < size <= route.gso_max - 28
        for piece in (data,) if whole else (data[at : at + segment] for at in range(0, size, segment)):
            header = emit(route.src, route.dst, self.local[1], port, piece, partial=whole)
            at, gso_size = (CHECKSUM_OFFSET, segment) if whole else (None, 0)
            length = len(piece) + HEADER_LENGTH
            ip.send(
                route, UDP, header, (piece,), length,
                partial_at=at, gso_size=gso_size, ttl=self.ttl, tos=self.tos, df=df,
            )  # fmt: skip
        return size

    def send_by(
        self, data: Buffer, destination: Address | None, src: bytes | None, interface: Interface | None
    ) -> int | None:
        """As `send_to`, for once from this address of ours, and by this interface, where they are given."""
        to = destination or self.remote
        if to is None or (src is None and interface is None):
            return self.send_to(data, destination)
        self._check()
        ip, usual, own = self.stack.ip, self._route, self._source()
        route = ip.route(to[0], src or (own if any(own) else None), interface or self.interface)
        route.owner = self
        if not self.broadcast and ip.is_broadcast(to[0]):
            raise failure(EACCES)
        if is_multicast(to[0]):
            return self._send_to_group(route, to[1], data)
        self._route = route
        try:
            return self._send(data, to)
        finally:
            self._route = usual

    def _remember(self, destination: Address) -> None:
        """What has just been sent was small and nothing out of the ordinary: the next may have the same header."""
        route = self._route
        if route is None or route.dst != destination[0] or self.options or self.no_checksum or self.discover == DONT:
            return
        if self.segment:
            return
        if route.neighbour.link is None or not route.df or route.mtu < _COMPLETE + 28:
            return
        if self._made is None or len(self._made) >= _DESTINATIONS:
            self._made = {}
        self._made[destination] = HeaderMade(route, self.local[1], destination[1], self.ttl, self.tos)

    def reshaped(self) -> None:
        self._made = None
        self.stack.udp.readdressed()

    def receive(self) -> tuple[bytes, Address] | None:
        """The oldest datagram and whose it is; None: would block. OSError: a pending error."""
        datagram = self.take()
        return None if datagram is None else datagram[:2]

    def path_mtu(self) -> int | None:
        """Of the way to where it is connected."""
        return self._find(self.remote[0]).mtu if self.remote is not None else None

    def _send_unusual(self, route: Route, port: int, data: bytes, df: bool) -> int:
        """With options, or without a checksum."""
        body, length = self._body(route, port, data)
        ip, options = self.stack.ip, self.options
        ip.send_apart(route, UDP, body, length, ttl=self.ttl, tos=self.tos, df=df, options=options)
        return len(data)

    def _send_to_group(self, route: Route, port: int, data: Buffer) -> int | None:
        groups = self.multicast()
        if not groups.has_room(route.interface):
            return None
        if not self.local[1]:
            self.bind(self.local[0], 0)
        if not port:
            raise failure(EINVAL)
        body, length = self._body(route, port, bytes(data))
        df = forbids_fragments(self.discover, route, length + 20 + len(self.options))
        groups.send(route, UDP, body, length, df)
        return length - HEADER_LENGTH

    def _body(self, route: Route, port: int, data: bytes) -> tuple[tuple[bytes, bytes], int]:
        """Header and payload, and the length of both. OSError: EMSGSIZE."""
        if len(data) > LARGEST - len(self.options):
            raise failure(EMSGSIZE)
        header = emit(route.src, route.dst, self.local[1], port, data, partial=self.no_checksum)
        if self.no_checksum:
            header = header[:CHECKSUM_OFFSET] + b"\0\0"
        return (header, data), len(data) + HEADER_LENGTH

    # what happens to it

    def arrived(
        self, interface: Interface, frame: Buffer, start: int, end: int, source: Address, offload: Offload | None
    ) -> None:
        """Behind the header at `start` is the payload of one datagram, or of several of gso_size each."""
        origin = (bytes(frame[interface.link_length : start]), interface) if self.wants else None
        start += HEADER_LENGTH
        if offload is not None and 0 < offload[3] < end - start:
            for at in range(start, end, offload[3]):
                self.keep((bytes(frame[at : min(at + offload[3], end)]), source, origin))
        else:
            self.keep((bytes(frame[start:end]), source, origin))

    def takes_group(self, interface: Interface, dst: bytes, source: Address) -> bool:
        """A datagram to the group or broadcast `dst` that came by `interface` is for this socket too."""
        return (
            (self.interface is None or self.interface.name == interface.name)
            and (self.remote is None or self.remote == source)
            and (self._chosen == dst or not any(self._chosen))
            and (self.groups is None or self.groups.admits(interface, dst, source[0]))
        )

    def _leave(self) -> None:
        self._made = None
        if self.local[1]:
            self.stack.udp.unhold(self)

    def _source(self) -> bytes:
        return self._chosen if self.remote is None else self.local[0]
