"""Raw sockets (SOCK_RAW), as raw(7) has them: what is read is an IP packet with its header.

What is written is a payload, or with IP_HDRINCL (always with IPPROTO_RAW) a packet. Nobody needs a privilege here.
"""

from __future__ import annotations

import errno
from socket import (
    IPPROTO_IP,
    MSG_OOB,
    SOCK_RAW,
    SOL_SOCKET,
)
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire.ip import ICMP
from stack.raw import RawEndpoint
from stack.socket import ip_level, options, resolver
from stack.socket.attempts import Message, fail, octets
from stack.socket.linux import IP_HDRINCL
from stack.socket.packets import FACTS, Packets

if TYPE_CHECKING:
    from stack.stack import Stack


class Raw(Packets):
    __slots__ = ("protocol", "raw")
    kind = SOCK_RAW
    levels = (SOL_SOCKET, IPPROTO_IP, ip_level.SOL_RAW)
    refused_in = int(MSG_OOB)
    facts = {
        **FACTS,
        (IPPROTO_IP, IP_HDRINCL): lambda core: int(core.raw.header_included),
        (ip_level.SOL_RAW, ip_level.ICMP_FILTER): lambda core: core.raw.icmp_filter,
    }

    def __init__(self, stack: Stack, protocol: int) -> None:
        if not 0 < protocol < 256:
            raise fail(errno.EPROTONOSUPPORT)
        self.protocol = protocol
        self.raw = RawEndpoint(stack, protocol)
        super().__init__(stack, self.raw)

    def bind(self, address: object) -> None:
        self.raw.bind(self._host(address, "bind"))

    def connect(self, address: object) -> bool:
        host = self._host(address, "connect")
        self.raw.connect(resolver.LOOPBACK if host == resolver.ANY else host)
        return True

    def _host(self, address: object, call: str) -> bytes:
        return resolver.parse_endpoint(address, self.stack.hosts, call)[0]

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

    def send_to(self, data: Buffer, address: object) -> int | None:
        if self.write_shut:
            raise fail(errno.EPIPE)
        host = self._host(address, "sendto")
        return self.raw.send_to(octets(data), resolver.LOOPBACK if host == resolver.ANY else host)

    def local_address(self) -> tuple[bytes, int]:
        return self.raw.local or resolver.ANY, self.protocol

    def peer_address(self) -> tuple[bytes, int]:
        if not self.raw.remote:
            raise fail(errno.ENOTCONN)
        return self.raw.remote, 0

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == (IPPROTO_IP, IP_HDRINCL):
            self.raw.header_included = bool(options.as_int(value))
        elif (level, option) == (ip_level.SOL_RAW, ip_level.ICMP_FILTER) and self.protocol == ICMP:
            self.raw.icmp_filter = options.as_int(value) & 0xFFFFFFFF
        else:
            super().set_option(level, option, value)
