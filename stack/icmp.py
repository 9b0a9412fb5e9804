"""ICMP of one host: answers echo requests, reports what nobody takes, hands reports to those they concern.

Never answers a broadcast, a group, or an error; keeps to a rate. What reports mean is `reports`' to know; source quench
is ignored (RFC 6633). RFC 792; RFC 1122 3.2.2; RFC 1812 4.3.2.3 (how much is quoted).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import ip as wire_ip
from netif.wire.icmp import (
    ECHO,
    ECHO_REPLY,
    PARAMETER_PROBLEM,
    REDIRECT,
    TIME_EXCEEDED,
    TIMESTAMP,
    TIMESTAMP_REPLY,
    UNREACHABLE,
    emit,
    parse,
)
from netif.wire.ip_options import for_reply
from stack.limits import Rate, Rates
from stack.reports import act_upon, path_narrowed, read

if TYPE_CHECKING:
    from stack.echo import EchoEndpoint
    from stack.interface import Interface
    from stack.reports import Report
    from stack.routing import Route
    from stack.stack import Stack

_QUOTED = 576 - 20 - 8  # bytes of the datagram that an error quotes: the whole error is to stay within 576
_REPORTS = (UNREACHABLE, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM)  # but not source quench: RFC 6633
_HEADER = Struct("!BBHI")  # type, code, checksum, rest
_WORD = Struct("!I")
_TIMES = Struct("!III")  # originate, receive, transmit
_QUERIES = frozenset((ECHO_REPLY, ECHO, TIMESTAMP, TIMESTAMP_REPLY))  # no error among them: they may be reported
_WAYS_BACK = 1024  # kept, until they are found anew
_PRECEDENCE = 0xC0  # RFC 1812 4.3.2.5 and Linux: internetwork control


class Icmp:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sockets: dict[int, EchoEndpoint] = {}  # by ident
        self.ways_back: dict[bytes, Route] = {}  # of replies, by src and dst of the request; of the fast path
        self._rate = Rate(stack.limits.icmp_errors)
        self._rate_to_host = Rates(stack.limits.icmp_errors_per_host)
        self._clock_base = stack.dice.getrandbits(31)  # of timestamps: our uptime is nobody's business
        stack.ip.handlers[wire_ip.ICMP] = self.receive
        stack.ip.group_handlers[wire_ip.ICMP] = self.receive_group

    # in

    def receive(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        kind, code, rest, payload = parse(frame, start, end)
        if kind == ECHO:
            self._reply(interface, src, dst, rest, frame, start, end)
        elif kind == ECHO_REPLY:
            socket = self.sockets.get(rest >> 16)
            if socket is None or not socket.takes(src, dst):
                interface.drop("icmp_echo_unknown")
            else:
                ttl = frame[interface.link_length + 8]
                socket.arrived(kind, code, src, rest & 0xFFFF, bytes(frame[payload:end]), ttl)
        elif kind == TIMESTAMP and end - payload >= _TIMES.size:
            self._tell_time(interface, src, dst, rest, frame, start, payload)
        elif kind in _REPORTS:
            act_upon(self.stack, read(interface, kind, code, rest, src, frame, payload, end))
        else:
            interface.drop("icmp_type")

    def receive_group(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        """RFC 1122 3.2.2.6: an echo request to a broadcast may be ignored silently, and the rest means nothing."""
        kind, _, _, _ = parse(frame, start, end)
        interface.drop("icmp_broadcast_echo" if kind == ECHO else "icmp_type")

    def _reply(
        self, interface: Interface, src: bytes, dst: bytes, rest: int, frame: Buffer, start: int, end: int
    ) -> None:
        route = self.stack.ip.route_back(src, dst)
        if route is None:
            interface.drop("icmp_no_route")
            return
        if not interface.is_loopback:
            if len(self.ways_back) >= _WAYS_BACK:
                self.ways_back.clear()
            self.ways_back[src + dst] = route
        checksum = int.from_bytes(frame[start + 2 : start + 4], "big") + (ECHO << 8)  # RFC 1624: only the type changes
        header = _HEADER.pack(ECHO_REPLY, 0, (checksum & 0xFFFF) + (checksum >> 16), rest)
        self.stack.stats.count("echo_replied")
        self._send_back(route, interface, frame, start, header + bytes(frame[start + 8 : end]))

    def _send_back(self, route: Route, interface: Interface, frame: Buffer, start: int, message: bytes) -> None:
        """An answer, with the TOS of the request (RFC 1349 5.1) and what its options ask for (RFC 1122 3.2.2.6)."""
        at = interface.link_length
        tos = frame[at + 1] & 0xFC
        if start - at > 20:
            said = for_reply(bytes(frame[at + 20 : start]), route.src, self.time())
            if said:
                self.stack.ip.send_apart(route, wire_ip.ICMP, (message,), len(message), tos=tos, options=said)
                return
        self.stack.ip.send(route, wire_ip.ICMP, message, (), len(message), tos=tos, df=False)

    def time(self) -> int:
        """Milliseconds. They are not of the day, as the first bit says (RFC 792, RFC 791 3.1)."""
        return 1 << 31 | int(self.stack.now * 1000) + self._clock_base & 0x7FFFFFFF

    def _tell_time(
        self, interface: Interface, src: bytes, dst: bytes, rest: int, frame: Buffer, start: int, payload: int
    ) -> None:
        """RFC 1122 3.2.2.8"""
        ours = self.time()
        (originate,) = _WORD.unpack_from(frame, payload)
        message = emit(TIMESTAMP_REPLY, 0, rest, _TIMES.pack(originate, ours, ours))
        route = self.stack.ip.route_back(src, dst)
        if route is not None:
            self._send_back(route, interface, frame, start, message)

    def quoted(self, report: Report) -> bool:
        """About an echo request. False: none of ours."""
        socket = self.sockets.get(report.third >> 16) if report.first >> 8 == ECHO else None
        if socket is None or not socket.takes(report.dst, report.src):
            return False
        if report.is_too_big:
            path_narrowed(self.stack, report)
        if not report.is_redirect:
            socket.arrived(report.kind, report.code, report.reporter, report.third & 0xFFFF, b"", 0)
        return True

    # out

    def unreachable(self, interface: Interface, code: int, src: bytes, dst: bytes, frame: Buffer, offset: int) -> None:
        """The datagram whose IP header stands at `offset` cannot be delivered."""
        self._report(interface, UNREACHABLE, code, src, dst, frame, offset)

    def time_exceeded(
        self, interface: Interface, code: int, src: bytes, dst: bytes, frame: Buffer, offset: int
    ) -> None:
        """The datagram's time to live, or the time to put it together, is over."""
        self._report(interface, TIME_EXCEEDED, code, src, dst, frame, offset)

    def parameter_problem(
        self, interface: Interface, pointer: int, src: bytes, dst: bytes, frame: Buffer, offset: int
    ) -> None:
        """The byte at `pointer` of its IP header is wrong."""
        self._report(interface, PARAMETER_PROBLEM, 0, src, dst, frame, offset, pointer << 24)

    def report_transit(
        self, interface: Interface, kind: int, code: int, frame: Buffer, offset: int, rest: int = 0
    ) -> None:
        """About a packet that was to be sent on, its IP header at `offset`; it may be cut short. From our address
        towards its sender (RFC 1812 4.3.2.4)."""
        src, dst = bytes(frame[offset + 12 : offset + 16]), bytes(frame[offset + 16 : offset + 20])
        self._report(interface, kind, code, src, dst, frame, offset, rest, ours=b"")

    def _report(
        self,
        interface: Interface,
        kind: int,
        code: int,
        src: bytes,
        dst: bytes,
        frame: Buffer,
        offset: int,
        rest: int = 0,
        ours: bytes | None = None,
    ) -> None:
        """RFC 1122 3.2.2: not about an error, a group's datagram, a later fragment, or a source that is no host. From
        where it was sent to, or from `ours`; empty: from any address of ours."""
        first, _, total_len, _, fragment, _, protocol, _, _, _ = wire_ip.HEADER.unpack_from(frame, offset)
        header_len = (first & 15) << 2
        ip = self.stack.ip
        if fragment & wire_ip.OFFSET_MASK or src == wire_ip.ANY or ip.is_group(dst) or ip.is_group(src):
            return
        if protocol == wire_ip.ICMP and (total_len == header_len or frame[offset + header_len] not in _QUERIES):
            return
        now = self.stack.now
        if not (self._rate_to_host.allows(src, now) and self._rate.allows(now)):
            interface.drop("icmp_error_rate")
            return
        route = ip.route_back(src, dst if ours is None else ours)
        if route is not None:
            message = emit(kind, code, rest, bytes(frame[offset : offset + min(total_len, _QUOTED)]))
            self.stack.stats.count("icmp_sent")
            ip.send(route, wire_ip.ICMP, message, (), len(message), tos=_PRECEDENCE, df=False)
