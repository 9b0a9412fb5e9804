"""UDP of one host: who gets which datagram, and the sockets that send and queue them.

A connected socket is found by both addresses, another by its own, bound to one address before bound to any; what is
sent to a group goes to every socket that fits. Keys are addresses of 4 or 16 bytes. RFC 768; RFC 1122 4.1.
"""

from __future__ import annotations

from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EMSGSIZE
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from netif.link import NONE, Buffer, Offload
from netif.wire import Malformed, icmp
from netif.wire.checksum import pseudo_header, verify
from netif.wire.ip import UDP, format_address
from netif.wire.udp import CHECKSUM_OFFSET, HEADER_LENGTH, emit, parse
from stack.failure import failure
from stack.mailbox import Mailbox
from stack.multicast import is_multicast
from stack.path_mtu import DONT, forbids_fragments
from stack.reports import Report, path_narrowed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.routing import Route
    from stack.stack import Stack

Address: TypeAlias = tuple[bytes, int]
Queued: TypeAlias = "tuple[bytes, Address, tuple[bytes, Interface] | None]"  # data, source, IP header and interface
Key = TypeVar("Key")

_ANY = {4: bytes(4), 16: bytes(16)}
_EPHEMERAL_FIRST, _EPHEMERAL_COUNT = 49152, 16384  # RFC 6335 6
_ONE_PIECE = 4096  # up to this size a copy behind the header costs less than a second buffer
_COMPLETE = 256 - 42  # payload up to which frames always carry a complete checksum
LARGEST = 65535 - 20 - HEADER_LENGTH  # bytes of payload


class Udp:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ports: dict[int, list[UdpEndpoint]] = {}  # who holds a port, in order of binding
        self._bound: dict[Address, list[UdpEndpoint]] = {}  # not connected, in order of binding
        self._connected: dict[tuple[bytes, int, bytes, int], UdpEndpoint] = {}
        stack.ip.handlers[UDP] = self.receive
        stack.ip.group_handlers[UDP] = self.receive_group

    # in

    def receive(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        sport, dport, end = open_datagram(src, dst, frame, start, end, offload)
        endpoint = self._connected.get((dst, dport, src, sport))
        if endpoint is None:
            held = self._bound.get((dst, dport)) or self._bound.get((_ANY[len(dst)], dport))
            if held is not None:
                endpoint = held[0]
                if endpoint.interface is not None or len(held) > 1:
                    endpoint = self._among(interface, dst, dport)
        if endpoint is not None:
            endpoint.arrived(interface, frame, start, end, (src, sport), offload)
            return
        interface.drop("udp_no_socket")
        if len(dst) == 4:
            self.stack.icmp.unreachable(interface, icmp.PORT_UNREACHABLE, src, dst, frame, interface.link_length)

    def _among(self, interface: Interface, dst: bytes, dport: int) -> UdpEndpoint | None:
        """Bound to the address before bound to any; of those, bound to this interface before bound to none; the last
        one of those."""
        for address in (dst, _ANY[len(dst)]):
            held = self._bound.get((address, dport), ())
            here = [one for one in held if one.interface is not None and one.interface.name == interface.name]
            fits = here or [one for one in held if one.interface is None]
            if fits:
                return fits[-1]
        return None

    def receive_group(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        sport, dport, end = open_datagram(src, dst, frame, start, end, offload)
        source = (src, sport)
        taken = False
        for endpoint in self.ports.get(dport, ()):
            if endpoint.takes_group(interface, dst, source):
                endpoint.arrived(interface, frame, start, end, source, offload)
                taken = True
        if not taken:
            interface.drop("udp_no_socket")

    def icmp_error(self, report: Report) -> bool:
        """About a datagram. Only a connected socket is told, as the kernel does; False: nobody is."""
        src, sport = report.src, report.first
        endpoint = self._connected.get((src, sport, report.dst, report.second))
        if report.is_too_big or report.is_redirect:
            bound = self._bound.get((src, sport)) or self._bound.get((_ANY[len(src)], sport))
            if endpoint is None and not bound:
                return False
            if report.is_redirect:
                return True
            path_narrowed(self.stack, report)
            if endpoint is None or endpoint.discover == DONT:
                return True
        if endpoint is not None:
            endpoint.unreachable(report.error)
        return endpoint is not None

    # who holds what

    def hold(self, endpoint: UdpEndpoint, local: Address) -> Address:
        """Give `endpoint` this address, or an ephemeral port where the port is 0. OSError: EADDRINUSE."""
        address, port = local
        if not port:
            port = self._ephemeral()
        elif not self._free(endpoint, address, port):
            raise failure(EADDRINUSE)
        if port not in self.ports:
            self.ports[port] = []
            self.stack.heard(port, True)
        self.ports[port].append(endpoint)
        self._bound.setdefault((address, port), []).append(endpoint)
        return address, port

    def pair(self, endpoint: UdpEndpoint, local: Address, remote: Address) -> Address:
        """`endpoint` is to be found by both addresses from now on, and holds no other. OSError: EADDRINUSE."""
        if self._connected.get((*local, *remote), endpoint) is not endpoint:
            raise failure(EADDRINUSE)
        if endpoint.local[1]:
            self.unhold(endpoint)
        local = self.hold(endpoint, local)
        _remove(self._bound, local, endpoint)
        self._connected[(*local, *remote)] = endpoint
        return local

    def unhold(self, endpoint: UdpEndpoint) -> None:
        """Take back what `hold` or `connect` gave."""
        port = endpoint.local[1]
        if port in self.ports:
            _remove(self.ports, port, endpoint)
            if port not in self.ports:
                self.stack.heard(port, False)
        _remove(self._bound, endpoint.local, endpoint)
        if endpoint.remote is not None:
            self._connected.pop((*endpoint.local, *endpoint.remote), None)

    def _free(self, endpoint: UdpEndpoint, address: bytes, port: int) -> bool:
        """Nobody holds the port for an address that is the same or covers it; sockets that all reuse may share."""
        return all(
            other is endpoint
            or (endpoint.reuse and other.reuse)
            or (endpoint.interface and other.interface and endpoint.interface is not other.interface)
            or len(other.local[0]) != len(address)
            or (other.local[0] != address and any(other.local[0]) and any(address))
            for other in self.ports.get(port, ())
        )

    def _ephemeral(self) -> int:
        """RFC 6056 3.3.1: a random start, then the next that is free."""
        first = self.stack.dice.randrange(0, _EPHEMERAL_COUNT)
        for n in range(_EPHEMERAL_COUNT):
            port = _EPHEMERAL_FIRST + (first + n) % _EPHEMERAL_COUNT
            if port not in self.ports:
                return port
        raise failure(EADDRINUSE)


def _remove(table: dict[Key, list[UdpEndpoint]], key: Key, endpoint: UdpEndpoint) -> None:
    holders = table.get(key)
    if holders and endpoint in holders:
        holders.remove(endpoint)
        if not holders:
            del table[key]


def open_datagram(
    src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
) -> tuple[int, int, int]:
    """(sport, dport, end of the payload), once the checksum is right or vouched for."""
    sport, dport, length, checksum = parse(frame, start, end)
    end = start + length
    if (
        checksum
        and (offload is None or offload[0] == NONE)
        and not verify(frame, start, end, pseudo_header(src, dst, UDP, length))
    ):
        raise Malformed("udp_checksum")
    return sport, dport, end


class UdpEndpoint(Mailbox[Queued]):
    """One UDP socket. `local` has port 0 until it is bound; `remote` is None unless it is connected."""

    __slots__ = ("_chosen", "local", "no_checksum", "remote", "reuse")
    queue_full = "udp_queue_full"

    def __init__(self, stack: Stack, *, address_length: int = 4) -> None:
        super().__init__(stack)
        self.local: Address = (_ANY[address_length], 0)
        self.remote: Address | None = None
        self.reuse = False
        self.no_checksum = False  # send none (RFC 1122 4.1.3.4 MAY)
        self._chosen = self.local[0]  # the address that `bind` was given

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
        self._route = None if is_multicast(address) else route

    def disconnect(self) -> None:
        if self.remote is not None:
            self.stack.udp.unhold(self)
            self.remote = None
            self.local = self.stack.udp.hold(self, (self._chosen, self.local[1]))

    def send_to(self, data: Buffer, destination: Address | None = None) -> int | None:
        """One datagram, at once. The bytes sent; None: would block. OSError: a pending error, no route, EMSGSIZE ..."""
        self._check()
        if destination is None:
            destination = self.remote
            if destination is None:
                raise failure(EDESTADDRREQ)
        address, port = destination
        ip = self.stack.ip
        route = self._route
        if route is None or route.generation != ip.generation or route.dst != address:
            route = self._find(address)
            if is_multicast(address):
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
            return self.send_to(data, destination)
        finally:
            self._route = usual

    def receive(self) -> tuple[bytes, Address] | None:
        """The oldest datagram and whose it is; None: would block. OSError: a pending error."""
        datagram = self._take()
        return None if datagram is None else datagram[:2]

    def peek(self) -> tuple[bytes, Address] | None:
        """As `receive`, and it stays."""
        first = self.first()
        return None if first is None else first[:2]

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
                self._keep(frame[at : min(at + offload[3], end)], source, origin)
        else:
            self._keep(frame[start:end], source, origin)

    def takes_group(self, interface: Interface, dst: bytes, source: Address) -> bool:
        """A datagram to the group or broadcast `dst` that came by `interface` is for this socket too."""
        return (
            (self.interface is None or self.interface.name == interface.name)
            and (self.remote is None or self.remote == source)
            and (self._chosen == dst or not any(self._chosen))
            and (self.groups is None or self.groups.admits(interface, dst, source[0]))
        )

    def _leave(self) -> None:
        if self.local[1]:
            self.stack.udp.unhold(self)

    def _source(self) -> bytes:
        return self._chosen if self.remote is None else self.local[0]
