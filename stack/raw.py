"""Raw sockets: whole IP packets of one protocol, beside whoever else speaks it.

Each gets a copy of what fits its addresses, IP header included; who listens keeps "protocol unreachable" from being
said. What it sends has a header of ours, or of its own (`header_included`). After Linux's raw(7); RFC 1122 3.4.
"""

from __future__ import annotations

from collections import deque
from errno import EACCES, EADDRNOTAVAIL, EBADF, EDESTADDRREQ, EINVAL, EMSGSIZE
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import icmp
from netif.wire.ip import ICMP, format_address
from stack.endpoint import Endpoint
from stack.failure import failure
from stack.limits import LITTLE
from stack.path_mtu import DONT, WANT, forbids_fragments
from stack.reports import Report, path_narrowed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.ip import Handler
    from stack.routing import Route
    from stack.stack import Stack

RAW = 255  # IPPROTO_RAW: for sending alone, headers included
_OVERHEAD = 256  # what a queued packet costs beside its bytes


class Raw:
    """Who listens to which protocol. Where nobody does, packets take their way as if this were not here."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.listeners: dict[int, list[RawEndpoint]] = {}

    def add(self, endpoint: RawEndpoint) -> None:
        protocol = endpoint.protocol
        held = self.listeners.setdefault(protocol, [])
        held.append(endpoint)
        if len(held) == 1:
            ip = self.stack.ip
            ip.handlers[protocol] = _Tap(self, protocol, ip.handlers.get(protocol))
            ip.group_handlers[protocol] = _Tap(self, protocol, ip.group_handlers.get(protocol), group=True)

    def remove(self, endpoint: RawEndpoint) -> None:
        protocol = endpoint.protocol
        held = self.listeners[protocol]
        held.remove(endpoint)
        if not held:
            del self.listeners[protocol]
            ip = self.stack.ip
            for handlers in (ip.handlers, ip.group_handlers):
                tap = handlers.pop(protocol)
                assert isinstance(tap, _Tap)
                if tap.inner is not None:
                    handlers[protocol] = tap.inner

    def icmp_error(self, report: Report) -> bool:
        """About a packet of this protocol. False: no raw socket can have sent it."""
        found = [
            endpoint
            for endpoint in self.listeners.get(report.protocol, ())
            if endpoint.local in (b"", report.src) and endpoint.remote in (b"", report.dst)
        ]
        if found and report.is_too_big:
            path_narrowed(self.stack, report)
        for endpoint in found:
            if endpoint.remote and not report.is_redirect and not (report.is_too_big and endpoint.discover == DONT):
                endpoint.unreachable(report.error)
        return bool(found)


class _Tap:
    """In front of a protocol's handler, while somebody listens."""

    __slots__ = ("group", "inner", "protocol", "raw")

    def __init__(self, raw: Raw, protocol: int, inner: Handler | None, *, group: bool = False) -> None:
        self.raw = raw
        self.protocol = protocol
        self.inner = inner
        self.group = group

    def __call__(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        at = interface.link_length
        taken = False
        for endpoint in tuple(self.raw.listeners.get(self.protocol, ())):
            if endpoint.takes(interface, src, dst, frame, start):
                endpoint.arrived(bytes(frame[at:end]), src)
                taken = True
        if self.inner is not None:
            self.inner(interface, src, dst, frame, start, end, offload)
        elif not taken:
            interface.drop("ip_protocol")
            if not self.group:
                self.raw.stack.icmp.unreachable(interface, icmp.PROTOCOL_UNREACHABLE, src, dst, frame, at)


class RawEndpoint(Endpoint):
    """One raw socket. `local` and `remote` are empty until it is bound and connected."""

    __slots__ = (
        "_queue",
        "_queued_bytes",
        "_route",
        "broadcast",
        "closed",
        "discover",
        "header_included",
        "icmp_filter",
        "interface",
        "local",
        "options",
        "protocol",
        "queue_limit",
        "remote",
        "tos",
        "ttl",
        "wants",
    )

    def __init__(self, stack: Stack, protocol: int) -> None:
        super().__init__(stack)
        self.protocol = protocol
        self.local = b""
        self.remote = b""
        self.interface: Interface | None = None  # the one it is bound to
        self.header_included = protocol == RAW
        self.broadcast = False  # may send to broadcast addresses
        self.discover = WANT  # IP_MTU_DISCOVER
        self.icmp_filter = 0  # a bit for each type that it does not want
        self.options = b""  # that its packets bear
        self.ttl = 64
        self.tos = 0
        self.wants = 0  # what recvmsg is to tell beside the packet, in bits that the socket knows
        self.queue_limit: int = stack.limits.udp_queue_bytes
        self.closed = False
        self._route: Route | None = None
        self._queue: deque[tuple[bytes, bytes]] | None = None
        self._queued_bytes = 0
        stack.raw.add(self)

    def __repr__(self) -> str:
        peer = f" -> {format_address(self.remote)}" if self.remote else ""
        here = format_address(self.local) if self.local else "any"
        return f"<RawEndpoint proto {self.protocol} {here}{peer} of {self.stack.name}>"

    def bind(self, address: bytes) -> None:
        """Hear only what is sent to this address of ours or group; all zero: to any. OSError: EADDRNOTAVAIL."""
        self._check()
        ip = self.stack.ip
        if any(address) and not ip.is_local(address) and not ip.is_group(address):
            raise failure(EADDRNOTAVAIL)
        self.local = address if any(address) else b""
        self._route = None

    def connect(self, address: bytes) -> None:
        """Send there, and hear from there alone. OSError: no route, EACCES for a broadcast."""
        self._check()
        self._route = self._find(address)
        self.remote = address

    def send_to(self, data: Buffer, address: bytes | None = None) -> int | None:
        """One packet: a payload, or a header and a payload. The bytes sent; None: would block. OSError: EMSGSIZE ..."""
        self._check()
        if address is None:
            address = self.remote
            if not address:
                raise failure(EDESTADDRREQ)
        route = self._route
        if route is None or route.generation != self.stack.ip.generation or route.dst != address:
            route = self._route = self._find(address)
        if route.interface.blocked:
            route.interface.waiting[self] = None
            return None
        data = bytes(data)
        if self.header_included:
            self._send_whole(route, data)
        else:
            size = len(data) + len(self.options)
            if size + 20 > 0xFFFF:
                raise failure(EMSGSIZE)
            df = forbids_fragments(self.discover, route, size + 20)
            ip, options = self.stack.ip, self.options
            where = (route, self.protocol, (data,), len(data))
            ip.send_apart(*where, ttl=self.ttl, tos=self.tos, df=df, options=options)
        return len(data)

    def _send_whole(self, route: Route, packet: bytes) -> None:
        """The header is the application's but for length and checksum; and for what it left zero: source and ident."""
        header_len = (packet[0] & 15) << 2 if packet else 0
        if not 20 <= header_len <= len(packet):
            raise failure(EINVAL)
        if len(packet) > route.interface.mtu:
            raise failure(EMSGSIZE)
        self.stack.ip.send_made(route, packet[:header_len], packet[header_len:])

    def receive(self) -> tuple[bytes, bytes] | None:
        """The oldest packet, its header included, and its source; None: would block. OSError: a pending error."""
        self._check()
        queue = self._queue
        if not queue:
            return None
        packet = queue.popleft()
        self._queued_bytes -= len(packet[0]) + _OVERHEAD
        self.stack.memory.charge(-len(packet[0]) - _OVERHEAD)
        return packet

    def peek(self) -> tuple[bytes, bytes] | None:
        self._check()
        return self._queue[0] if self._queue else None

    def path_mtu(self) -> int | None:
        """Of the way to where it is connected."""
        return self._find(self.remote).mtu if self.remote else None

    def close(self) -> None:
        if not self.closed:
            self.stack.raw.remove(self)
            self.closed = True
            self._queue = None
            self.stack.memory.charge(-self._queued_bytes)
            self._queued_bytes = 0
            self.stack.owe(self)

    def readable(self) -> bool:
        return bool(self._queue) or self.error is not None or self.closed

    def writable(self) -> bool:
        return self._route is None or not self._route.interface.blocked or self.error is not None or self.closed

    def takes(self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int) -> bool:
        if (
            self.local not in (b"", dst)
            or self.remote not in (b"", src)
            or (self.interface is not None and self.interface is not interface)
        ):
            return False
        if self.protocol == ICMP and self.icmp_filter and start < len(frame):
            kind = frame[start]
            return kind > 31 or not self.icmp_filter >> kind & 1
        return True

    def arrived(self, packet: bytes, src: bytes) -> None:
        if self._queued_bytes + len(packet) + _OVERHEAD > self.queue_limit:
            self.stack.drop("raw_queue_full", self)
            return
        memory = self.stack.memory
        if memory.pressed and self._queued_bytes + len(packet) > LITTLE:
            self.stack.drop("socket_memory_full", self)
            return
        memory.charge(len(packet) + _OVERHEAD)
        if self._queue is None:
            self._queue = deque()
        self._queue.append((packet, src))
        self._queued_bytes += len(packet) + _OVERHEAD
        self.stack.owe(self)

    def unreachable(self, error: OSError) -> None:
        if self.remote:
            self.error = error
            self.stack.owe(self)

    def abort(self, error: OSError) -> None:
        self.close()
        super().abort(error)

    def _check(self) -> None:
        error = self.take_error()
        if error is not None:
            raise error
        if self.closed:
            raise failure(EBADF)

    def _find(self, address: bytes) -> Route:
        ip = self.stack.ip
        src = self.local if self.local and not ip.is_group(self.local) else None
        route = ip.route(address, src, self.interface)
        if not self.broadcast and ip.is_broadcast(address):
            raise failure(EACCES)
        route.owner = self
        return route
