"""ICMP of one host: answers echo requests, reports what nobody takes, hands reports to those they concern.

Never answers a broadcast, a group, or an error; keeps to a rate. Redirects and source quench are ignored (RFC 1122
3.2.2 lets a host; RFC 6633). RFC 792; RFC 1122 3.2.2; RFC 1812 4.3.2.3 (how much is quoted).
"""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import ip as wire_ip
from netif.wire.icmp import (
    ECHO,
    ECHO_REPLY,
    ERRORS,
    FRAGMENTATION_NEEDED,
    PARAMETER_PROBLEM,
    TIME_EXCEEDED,
    UNREACHABLE,
    emit,
    parse,
    parse_quote,
)
from stack.limits import Rate

if TYPE_CHECKING:
    from stack.echo import EchoEndpoint
    from stack.interface import Interface
    from stack.stack import Stack

_QUOTED = 576 - 20 - 8  # bytes of the datagram that an error quotes: the whole error is to stay within 576
_PORTS_AND_SEQ = Struct("!HHI")  # the first 8 bytes of TCP; of UDP the two ports; of an echo the last two words
_REPORTS = (UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM)  # what concerns a socket
_HEADER = Struct("!BBHI")  # type, code, checksum, rest

# What an error means for a socket, by the code of "unreachable": the kernel's table
_UNREACHABLE_ERRNO = {
    0: errno.ENETUNREACH,
    2: errno.ENOPROTOOPT,
    3: errno.ECONNREFUSED,
    4: errno.EMSGSIZE,
    5: errno.EOPNOTSUPP,
    6: errno.ENETUNREACH,
    9: errno.ENETUNREACH,
    11: errno.ENETUNREACH,
}


def errno_of(kind: int, code: int) -> int:
    """The errno that stands for an ICMP error."""
    if kind == UNREACHABLE:
        return _UNREACHABLE_ERRNO.get(code, errno.EHOSTUNREACH)
    return errno.EPROTO if kind == PARAMETER_PROBLEM else errno.EHOSTUNREACH


class Icmp:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sockets: dict[int, EchoEndpoint] = {}  # by ident
        self._rate = Rate(stack.limits.icmp_errors)
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
        elif kind in _REPORTS:
            self._error(interface, kind, code, rest, src, frame, payload, end)
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
        checksum = int.from_bytes(frame[start + 2 : start + 4], "big") + (ECHO << 8)  # RFC 1624: only the type changes
        header = _HEADER.pack(ECHO_REPLY, 0, (checksum & 0xFFFF) + (checksum >> 16), rest)
        self.stack.stats.count("echo_replied")
        self.stack.ip.send(route, wire_ip.ICMP, header + bytes(frame[start + 8 : end]), (), end - start, df=False)

    def _error(
        self,
        interface: Interface,
        kind: int,
        code: int,
        rest: int,
        reporter: bytes,
        frame: Buffer,
        start: int,
        end: int,
    ) -> None:
        """Hand it to whoever sent the datagram that it quotes."""
        src, dst, protocol, offset = parse_quote(frame, start, end)
        stack = self.stack
        first, second, third = _PORTS_AND_SEQ.unpack_from(frame, offset)
        if not stack.ip.is_local(src):
            interface.drop("icmp_quote_not_ours")
        elif protocol == wire_ip.TCP or protocol == wire_ip.UDP:
            layer = stack.tcp if protocol == wire_ip.TCP else stack.udp
            mtu = rest & 0xFFFF if kind == UNREACHABLE and code == FRAGMENTATION_NEEDED else 0
            layer.icmp_error(kind, code, src, dst, first, second, third, mtu)
        else:
            socket = self.sockets.get(third >> 16) if protocol == wire_ip.ICMP and first >> 8 == ECHO else None
            if socket is None or not socket.takes(dst, src):
                interface.drop("icmp_quote_not_ours")
            else:
                socket.arrived(kind, code, reporter, third & 0xFFFF, b"", 0)

    # out

    def unreachable(self, interface: Interface, code: int, src: bytes, dst: bytes, frame: Buffer, offset: int) -> None:
        """The datagram whose IP header stands at `offset` cannot be delivered."""
        self._report(interface, UNREACHABLE, code, src, dst, frame, offset)

    def time_exceeded(
        self, interface: Interface, code: int, src: bytes, dst: bytes, frame: Buffer, offset: int
    ) -> None:
        """The datagram's time to live, or the time to put it together, is over."""
        self._report(interface, TIME_EXCEEDED, code, src, dst, frame, offset)

    def _report(
        self, interface: Interface, kind: int, code: int, src: bytes, dst: bytes, frame: Buffer, offset: int
    ) -> None:
        """RFC 1122 3.2.2: not about an error, a group's datagram, a later fragment, or a source that is no host."""
        header_len, total_len, _, fragment, _, protocol, _, _, _ = wire_ip.parse(frame, offset)
        ip = self.stack.ip
        if fragment & wire_ip.OFFSET_MASK or src == wire_ip.ANY or ip.is_group(dst) or ip.is_group(src):
            return
        if protocol == wire_ip.ICMP and (total_len == header_len or frame[offset + header_len] in ERRORS):
            return
        if not self._rate.allows(self.stack.now):
            interface.drop("icmp_error_rate")
            return
        route = ip.route_back(src, dst)
        if route is not None:
            message = emit(kind, code, 0, bytes(frame[offset : offset + min(total_len, _QUOTED)]))
            self.stack.stats.count("icmp_sent")
            ip.send(route, wire_ip.ICMP, message, (), len(message), df=False)
