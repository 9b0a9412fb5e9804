"""What UDP's and raw sockets attempt alike: a packet is read or written whole, and these are the options of both."""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import AF_INET, IPPROTO_IP, SHUT_WR, SO_BROADCAST, SO_ERROR, SO_RCVBUF, SO_TYPE, SOL_SOCKET
from typing import TYPE_CHECKING, Any, ClassVar

from netif.link import Buffer
from stack.raw import RawEndpoint
from stack.socket import ip_level, kept, options
from stack.socket.attempts import Attempts, fail, octets
from stack.socket.linux import SO_DOMAIN, SO_PROTOCOL
from stack.udp import UdpEndpoint

if TYPE_CHECKING:
    from stack.stack import Stack

Facts = dict[tuple[int, int], Callable[[Any], int | bytes]]


class Packets(Attempts):
    __slots__ = ("buffer_asked", "mailbox", "read_shut", "write_shut")
    keeps = kept.OF_PACKETS
    facts: ClassVar[Facts]  # what getsockopt answers, but for IP's options

    def __init__(self, stack: Stack, mailbox: UdpEndpoint | RawEndpoint) -> None:
        super().__init__(stack)
        self.endpoint = self.mailbox = mailbox
        self.read_shut = self.write_shut = False
        self.buffer_asked = False  # for SO_RCVBUF, which answers twice what it was given, as Linux' does

    def readable(self) -> bool:
        return self.read_shut or self.mailbox.readable()

    def writable(self) -> bool:
        return self.write_shut or self.mailbox.writable()

    def shutdown(self, how: int) -> None:
        if not self.mailbox.remote:
            raise fail(errno.ENOTCONN)
        self.read_shut |= how != SHUT_WR
        self.write_shut |= how != 0
        self.mailbox.wake_readers()

    def read(self, count: int) -> bytes | None:
        got = self.receive_from(count, False)
        return None if got is None else got[0]

    def peek(self, count: int) -> bytes | None:
        got = self.receive_from(count, True)
        return None if got is None else got[0]

    def write(self, data: Buffer) -> int | None:
        if self.write_shut:
            raise fail(errno.EPIPE)
        return self.mailbox.send_to(data if type(data) is bytes else octets(data))

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == options.DEVICE:
            self.mailbox.bind_device(options.parse_device(value, self.stack))
            return
        if level == IPPROTO_IP and (level, option) not in self.keeps:
            ip_level.set_option(self.mailbox, option, value)
            self.mailbox.reshaped()
            return
        if (level, option) == (SOL_SOCKET, SO_BROADCAST):
            self.mailbox.allow_broadcast(bool(options.as_int(value)))
        elif (level, option) == (SOL_SOCKET, SO_RCVBUF):
            number = options.as_int(value)
            self.buffer_asked = True
            self.mailbox.queue_limit = options.buffer_size(option, number, self.stack.limits, self.stack.stats)
        else:
            kept.keep(self, level, option, value)

    def get_option(self, level: int, option: int) -> int | bytes:
        fact = self.facts.get((level, option))
        if fact is not None:
            return fact(self)
        if level != IPPROTO_IP or (level, option) in self.keeps:
            return kept.recall(self, level, option)
        return ip_level.get_option(self.mailbox, option)

    def take_error(self) -> int:
        error = self.mailbox.take_error()
        return (error.errno or errno.EIO) if error is not None else 0

    def close(self) -> None:
        self.mailbox.close()


FACTS: Facts = {
    options.DEVICE: lambda core: options.emit_device(core.mailbox.interface),
    (SOL_SOCKET, SO_BROADCAST): lambda core: int(core.mailbox.broadcast),
    (SOL_SOCKET, SO_RCVBUF): lambda core: core.mailbox.queue_limit << core.buffer_asked,
    (SOL_SOCKET, SO_TYPE): lambda core: int(core.kind),
    (SOL_SOCKET, SO_DOMAIN): lambda core: int(AF_INET),
    (SOL_SOCKET, SO_PROTOCOL): lambda core: core.protocol,
    (SOL_SOCKET, SO_ERROR): Packets.take_error,
}
