"""Raw sockets (SOCK_RAW), as raw(7) has them: what is read is an IP packet with its header.

What is written is a payload, or with IP_HDRINCL (always with IPPROTO_RAW) a packet. Nobody needs a privilege here.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import (
    AF_INET,
    IPPROTO_IP,
    SHUT_WR,
    SO_BROADCAST,
    SO_DOMAIN,
    SO_ERROR,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_TYPE,
    SOCK_RAW,
    SOL_SOCKET,
)
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire.ip import ICMP
from stack.raw import RawEndpoint
from stack.socket import ip_level, options, resolver
from stack.socket.attempts import Attempts, Message, fail

if TYPE_CHECKING:
    from stack.stack import Stack


class Raw(Attempts):
    __slots__ = ("buffer_asked", "protocol", "raw", "read_shut", "write_shut")
    kind = SOCK_RAW

    def __init__(self, stack: Stack, protocol: int) -> None:
        super().__init__(stack)
        if not 0 < protocol < 256:
            raise fail(errno.EPROTONOSUPPORT)
        self.protocol = protocol
        self.endpoint = self.raw = RawEndpoint(stack, protocol)
        self.read_shut = self.write_shut = False
        self.buffer_asked = False  # for SO_RCVBUF, which answers twice what it was given, as Linux' does

    def bind(self, address: object) -> None:
        self.raw.bind(self._host(address, "bind"))

    def connect(self, address: object) -> bool:
        host = self._host(address, "connect")
        self.raw.connect(resolver.LOOPBACK if host == resolver.ANY else host)
        return True

    def _host(self, address: object, call: str) -> bytes:
        return resolver.parse_endpoint(address, self.stack.hosts, call)[0]

    def shutdown(self, how: int) -> None:
        if not self.raw.remote:
            raise fail(errno.ENOTCONN)
        self.read_shut |= how != SHUT_WR
        self.write_shut |= how != 0
        self.raw.wake_readers()

    def receive_from(self, count: int, peek: bool) -> tuple[bytes, tuple[bytes, int]] | None:
        packet = self.raw.peek() if peek else self.raw.receive()
        if packet is None:
            return (b"", (resolver.ANY, 0)) if self.read_shut else None
        return packet[0][:count], (packet[1], 0)

    def receive_message(self, count: int, peek: bool) -> Message | None:
        first = self.raw.peek()
        got = self.receive_from(count, peek)
        if got is None or first is None:
            return None if got is None else (*got, [], False)
        packet = first[0]
        header = packet[: (packet[0] & 15) << 2]
        return *got, ip_level.ancillary(self.raw.wants, header, 0, header[16:20]), len(packet) > count

    def read(self, count: int) -> bytes | None:
        got = self.receive_from(count, False)
        return None if got is None else got[0]

    def peek(self, count: int) -> bytes | None:
        got = self.receive_from(count, True)
        return None if got is None else got[0]

    def write(self, data: Buffer) -> int | None:
        if self.write_shut:
            raise fail(errno.EPIPE)
        return self.raw.send_to(data)

    def send_to(self, data: Buffer, address: object) -> int | None:
        if self.write_shut:
            raise fail(errno.EPIPE)
        host = self._host(address, "sendto")
        return self.raw.send_to(data, resolver.LOOPBACK if host == resolver.ANY else host)

    def local_address(self) -> tuple[bytes, int]:
        return self.raw.local or resolver.ANY, self.protocol

    def peer_address(self) -> tuple[bytes, int]:
        if not self.raw.remote:
            raise fail(errno.ENOTCONN)
        return self.raw.remote, 0

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        raw = self.raw
        if level == IPPROTO_IP and option != ip_level.IP_HDRINCL:
            ip_level.set_option(raw, option, value)
            return
        number = options.as_int(value)
        if (level, option) == (IPPROTO_IP, ip_level.IP_HDRINCL):
            raw.header_included = bool(number)
        elif (level, option) == (SOL_SOCKET, SO_BROADCAST):
            raw.broadcast = bool(number)
        elif (level, option) == (SOL_SOCKET, SO_RCVBUF):
            self.buffer_asked = True
            raw.queue_limit = options.buffer_size(option, number, self.stack.limits, self.stack.stats)
        elif (level, option) == (ip_level.SOL_RAW, ip_level.ICMP_FILTER) and raw.protocol == ICMP:
            raw.icmp_filter = number & 0xFFFFFFFF
        else:
            raise options.unsupported()

    def get_option(self, level: int, option: int) -> int | bytes:
        fact = _FACTS.get((level, option))
        if fact is not None:
            return fact(self)
        if level != IPPROTO_IP:
            raise options.unsupported()
        return ip_level.get_option(self.raw, option)

    def take_error(self) -> int:
        error = self.raw.take_error()
        return (error.errno or errno.EIO) if error is not None else 0

    def close(self) -> None:
        self.raw.close()


_FACTS: dict[tuple[int, int], Callable[[Raw], int]] = {
    (SOL_SOCKET, SO_BROADCAST): lambda core: int(core.raw.broadcast),
    (SOL_SOCKET, SO_RCVBUF): lambda core: core.raw.queue_limit << core.buffer_asked,
    (SOL_SOCKET, SO_TYPE): lambda core: int(SOCK_RAW),
    (SOL_SOCKET, SO_DOMAIN): lambda core: int(AF_INET),
    (SOL_SOCKET, SO_PROTOCOL): lambda core: core.protocol,
    (SOL_SOCKET, SO_ERROR): Raw.take_error,
    (IPPROTO_IP, ip_level.IP_HDRINCL): lambda core: int(core.raw.header_included),
    (ip_level.SOL_RAW, ip_level.ICMP_FILTER): lambda core: core.raw.icmp_filter,
}
