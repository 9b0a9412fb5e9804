"""Raw sockets: whole IP packets of one protocol, beside whoever else speaks it.

Each gets a copy of what fits its addresses, IP header included; who listens keeps "protocol unreachable" from being
said. What it sends has a header of ours, or of its own (`header_included`). After Linux's raw(7); RFC 1122 3.4.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EMSGSIZE
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import icmp
from netif.wire.ip import ICMP, format_address
from stack.failure import failure
from stack.mailbox import Mailbox
from stack.multicast import is_multicast
from stack.path_mtu import DONT, forbids_fragments
from stack.reports import Report, path_narrowed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.ip import Handler
    from stack.routing import Route
    from stack.stack import Stack
    from stack.subscriptions import Subscriptions

RAW = 255  # IPPROTO_RAW: for sending alone, headers included


class Raw:
    """Who listens to which protocol. Where nobody does, packets take their way as if this were not here."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.listeners: dict[int, list[RawEndpoint]] = {}

    def add(self, endpoint: RawEndpoint) -> None:
        protocol = endpoint.protocol
        held = self.listeners.setdefault(protocol, [])
        held.append(endpoint)
        self.stack.overhear(self, True)
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
            self.stack.overhear(self, bool(self.listeners))
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


class RawEndpoint(Mailbox[tuple[bytes, bytes]]):
    """One raw socket. `local` and `remote` are empty until it is bound and connected."""

    __slots__ = ("header_included", "icmp_filter", "local", "protocol", "remote")
    queue_full = "raw_queue_full"

    def __init__(self, stack: Stack, protocol: int) -> None:
        super().__init__(stack)
        self.protocol = protocol
        self.local = b""
        self.remote = b""
        self.header_included = protocol == RAW
        self.icmp_filter = 0  # a bit for each type that it does not want
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
        route = self._find(address)
        self._route = None if is_multicast(address) else route
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
            route = self._find(address)
            if not is_multicast(address):
                self._route = route
        groups = self.groups if is_multicast(address) else None
        if groups is not None and not groups.has_room(route.interface):
            return None
        if route.interface.blocked:
            route.interface.waiting[self] = None
            return None
        data = bytes(data)
        if self.header_included:
            self._send_whole(route, data, groups)
            return len(data)
        size = len(data) + len(self.options)
        if size + 20 > 0xFFFF:
            raise failure(EMSGSIZE)
        df = forbids_fragments(self.discover, route, size + 20)
        where = (route, self.protocol, (data,), len(data))
        if groups is not None:
            groups.send(*where, df)
        else:
            self.stack.ip.send_apart(*where, ttl=self.ttl, tos=self.tos, df=df, options=self.options)
        return len(data)

    def _send_whole(self, route: Route, packet: bytes, groups: Subscriptions | None) -> None:
        """The header is the application's but for length and checksum; and for what it left zero: source and ident."""
        header_len = (packet[0] & 15) << 2 if packet else 0
        if not 20 <= header_len <= len(packet):
            raise failure(EINVAL)
        if len(packet) > route.interface.mtu:
            raise failure(EMSGSIZE)
        made = self.stack.ip.made(route, packet[:header_len], packet[header_len:])
        if groups is not None:
            groups.send_made(route, made)
        else:
            self.stack.ip.send_packets(route, [(made,)])

    def receive(self) -> tuple[bytes, bytes] | None:
        """The oldest packet, its header included, and its source; None: would block. OSError: a pending error."""
        return self.take()

    def peek(self) -> tuple[bytes, bytes] | None:
        """As `receive`, and it stays."""
        return self.first()

    def path_mtu(self) -> int | None:
        """Of the way to where it is connected."""
        return self._find(self.remote).mtu if self.remote else None

    def takes(self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int) -> bool:
        if (
            self.local not in (b"", dst)
            or self.remote not in (b"", src)
            or (self.interface is not None and self.interface.name != interface.name)
            or (self.groups is not None and not self.groups.admits(interface, dst, src))
        ):
            return False
        if self.protocol == ICMP and self.icmp_filter and start < len(frame):
            kind = frame[start]
            return kind > 31 or not self.icmp_filter >> kind & 1
        return True

    def arrived(self, packet: bytes, src: bytes) -> None:
        self.keep((packet, src))

    def _leave(self) -> None:
        self.stack.raw.remove(self)

    def _source(self) -> bytes:
        return self.local
