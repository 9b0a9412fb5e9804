"""UDP's attempts, and those of the ping socket (SOCK_DGRAM with IPPROTO_ICMP, as Linux has it).

A datagram is sent or received whole: what does not fit the caller's buffer is cut off, as recv(2) says. A ping socket
speaks ICMP echo messages with their 8-byte header; ident and checksum are the stack's to fill in.
"""

from __future__ import annotations

import errno
from socket import (
    IPPROTO_ICMP,
    IPPROTO_IP,
    IPPROTO_UDP,
    MSG_OOB,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_DGRAM,
    SOCK_RAW,
    SOL_SOCKET,
)
from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire import icmp
from stack.echo import Echo, EchoEndpoint
from stack.socket import ip_level, options, resolver
from stack.socket.attempts import Attempts, Message, fail, octets
from stack.socket.linux import SO_NO_CHECK
from stack.socket.packets import FACTS, Packets
from stack.udp import LARGEST, UdpEndpoint

if TYPE_CHECKING:
    from stack.stack import Stack

UDP_CORK, UDP_SEGMENT = 1, 103  # udp(7); not in the stdlib's module
_ECHO = Struct("!BBHHH")  # type, code, checksum, identifier, sequence number


def datagram_for(stack: Stack, kind: int, protocol: int) -> Attempts:
    """Raises OSError(EPROTONOSUPPORT, ESOCKTNOSUPPORT)."""
    if kind == SOCK_RAW:
        from stack.socket.raw import Raw

        return Raw(stack, protocol)
    if kind != SOCK_DGRAM:
        raise fail(errno.ESOCKTNOSUPPORT)
    if protocol in (0, IPPROTO_UDP):
        return Datagram(stack)
    if protocol == IPPROTO_ICMP:
        return Ping(stack)
    raise fail(errno.EPROTONOSUPPORT)


class Datagram(Packets):
    """A UDP socket."""

    __slots__ = ("cork", "pieces", "plain", "to", "udp")
    kind = SOCK_DGRAM
    protocol = IPPROTO_UDP
    levels = (SOL_SOCKET, IPPROTO_IP, IPPROTO_UDP)
    facts = {
        **FACTS,
        (SOL_SOCKET, SO_REUSEADDR): lambda core: int(core.udp.reuse),
        (SOL_SOCKET, SO_REUSEPORT): lambda core: int(core.udp.shares),
        (SOL_SOCKET, SO_NO_CHECK): lambda core: int(core.udp.no_checksum),
        (IPPROTO_UDP, UDP_CORK): lambda core: int(core.cork),
        (IPPROTO_UDP, UDP_SEGMENT): lambda core: core.udp.segment,
    }

    def __init__(self, stack: Stack) -> None:
        self.udp = UdpEndpoint(stack)
        super().__init__(stack, self.udp)
        self.cork = False  # UDP_CORK
        self.pieces: list[bytes] | None = None  # of a datagram that waits for more
        self.to: tuple[bytes, int] | None = None  # where its first piece is to go
        self.plain = True  # what is sent is a datagram, and goes at once

    def bind(self, address: object) -> None:
        self.udp.bind(*resolver.parse_endpoint(address, self.stack.hosts, "bind"))

    def connect(self, address: object) -> bool:
        host, port = resolver.parse_endpoint(address, self.stack.hosts, "connect")
        self.udp.connect(resolver.LOOPBACK if host == resolver.ANY else host, port)
        return True

    def receive_from(self, count: int, peek: bool) -> tuple[bytes, tuple[bytes, int]] | None:
        datagram = self.udp.first() if peek else self.udp.take()
        if datagram is None:
            return (b"", self.udp.remote or (resolver.ANY, 0)) if self.read_shut else None
        data = datagram[0]
        return (data if len(data) <= count else data[:count]), datagram[1]

    def receive_message(self, count: int, peek: bool) -> Message | None:
        queued = self.udp.first()
        got = self.receive_from(count, peek)
        if got is None or queued is None or queued[2] is None:
            return None if got is None else (*got, [], queued is not None and len(queued[0]) > count)
        header, interface = queued[2]
        dst = header[16:20]
        here = dst if self.stack.ip.is_local(dst) else interface.source_for(header[12:16])
        return *got, ip_level.ancillary(self.udp.wants, header, interface.index, here), len(queued[0]) > count

    def send_to(self, data: Buffer, address: object) -> int | None:
        if type(data) is not bytes:
            data = octets(data)
        to = resolver.numeric(address) or self._to(address, "sendto")
        return self.udp.send_to(data, to) if self.plain else self._send_piece(data, to)

    def write(self, data: Buffer) -> int | None:
        if type(data) is not bytes:
            data = octets(data)
        return self.udp.send_to(data) if self.plain else self._send_piece(data, self.udp.remote)

    def _send_piece(self, data: Buffer, to: tuple[bytes, int] | None) -> int | None:
        """Of a datagram that is made of what several calls hand over (MSG_MORE, UDP_CORK: udp(7)); the first says
        where it goes. OSError: EPIPE, EDESTADDRREQ, EMSGSIZE."""
        if self.write_shut:
            raise fail(errno.EPIPE)
        if to is None:
            raise fail(errno.EDESTADDRREQ)
        pieces = [*(self.pieces or ()), bytes(data)]
        if sum(map(len, pieces)) > LARGEST:
            self._keep(None)
            raise fail(errno.EMSGSIZE)
        if self.pieces is None:
            self.to = to
        if not (self.more or self.cork) and self.udp.send_to(b"".join(pieces), self.to) is None:
            return None
        self._keep(pieces if self.more or self.cork else None)
        return len(data)

    def hold_back(self, more: bool) -> None:
        self.more = more
        self._keep(self.pieces)

    def set_cork(self, cork: bool) -> None:
        self.cork = cork
        if not cork and self.pieces is not None:
            self.udp.send_to(b"".join(self.pieces), self.to)
            self.pieces = None
        self._keep(self.pieces)

    def _keep(self, pieces: list[bytes] | None) -> None:
        self.pieces = pieces
        self.plain = not (pieces is not None or self.more or self.cork or self.write_shut)

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        self._keep(self.pieces)

    def _to(self, address: object, call: str) -> tuple[bytes, int]:
        host, port = resolver.parse_endpoint(address, self.stack.hosts, call)
        return resolver.LOOPBACK if host == resolver.ANY else host, port

    def send_message(self, data: Buffer, address: object, said: list[tuple[int, int, Buffer]]) -> int | None:
        if self.write_shut:
            raise fail(errno.EPIPE)
        to = None if address is None else self._to(address, "sendmsg")
        return self.udp.send_by(data, to, *ip_level.directions(said, self.stack))

    def local_address(self) -> tuple[bytes, int]:
        return self.udp.local

    def peer_address(self) -> tuple[bytes, int]:
        if self.udp.remote is None:
            raise fail(errno.ENOTCONN)
        return self.udp.remote

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == (SOL_SOCKET, SO_REUSEADDR):
            self.udp.reuse = bool(options.as_int(value))
        elif (level, option) == (SOL_SOCKET, SO_REUSEPORT):
            self.udp.shares = bool(options.as_int(value))
        elif (level, option) == (SOL_SOCKET, SO_NO_CHECK):
            self.udp.no_checksum = bool(options.as_int(value))
            self.udp.reshaped()
        elif (level, option) == (IPPROTO_UDP, UDP_CORK):
            self.set_cork(bool(options.as_int(value)))
        elif (level, option) == (IPPROTO_UDP, UDP_SEGMENT):
            size = options.as_int(value)
            if not 0 <= size <= 0xFFFF:
                raise options.invalid()
            self.udp.segment = size
            self.udp.reshaped()
        else:
            super().set_option(level, option, value)


class Ping(Attempts):
    """A ping socket: what is written is an echo request, what is read its reply, header included."""

    __slots__ = ("echo",)
    kind = SOCK_DGRAM
    protocol = IPPROTO_ICMP
    refused_in = int(MSG_OOB)

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.endpoint = self.echo = EchoEndpoint(stack)

    def bind(self, address: object) -> None:
        host, ident = resolver.parse_endpoint(address, self.stack.hosts, "bind")
        self.echo.bind(host, ident)

    def connect(self, address: object) -> bool:
        self.echo.connect(resolver.parse_endpoint(address, self.stack.hosts, "connect")[0])
        return True

    def receive_from(self, count: int, peek: bool) -> tuple[bytes, tuple[bytes, int]] | None:
        if peek:
            raise fail(errno.EOPNOTSUPP)
        answer = self.echo.receive()
        if answer is None:
            return None
        return self._message(answer)[:count], (answer.address, 0)

    def _message(self, answer: Echo) -> bytes:
        rest = self.echo.ident << 16 | answer.sequence
        return icmp.emit(answer.kind, answer.code, rest, answer.payload)

    def read(self, count: int) -> bytes | None:
        got = self.receive_from(count, False)
        return None if got is None else got[0]

    def write(self, data: Buffer) -> int | None:
        return self._send(data, None)

    def send_to(self, data: Buffer, address: object) -> int | None:
        return self._send(data, resolver.parse_endpoint(address, self.stack.hosts, "sendto")[0])

    def _send(self, data: Buffer, address: bytes | None) -> int:
        if len(data) < _ECHO.size or data[0] != icmp.ECHO or data[1]:
            raise fail(errno.EINVAL)
        sequence = _ECHO.unpack_from(data)[4]
        self.echo.send_echo(sequence, memoryview(data)[_ECHO.size :], address)
        return len(data)

    def local_address(self) -> tuple[bytes, int]:
        return self.echo.local or resolver.ANY, self.echo.ident

    def peer_address(self) -> tuple[bytes, int]:
        if not self.echo.remote:
            raise fail(errno.ENOTCONN)
        return self.echo.remote, 0

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == options.DEVICE:
            self.echo.bind_device(options.parse_device(value, self.stack))
            return
        if level != IPPROTO_IP:
            raise options.unsupported()
        ip_level.set_option(self.echo, option, value)

    def get_option(self, level: int, option: int) -> int | bytes:
        if (level, option) == options.DEVICE:
            return options.emit_device(self.echo.interface)
        if level != IPPROTO_IP:
            raise options.unsupported()
        return ip_level.get_option(self.echo, option)

    def close(self) -> None:
        self.echo.close()
