"""TCP's attempts to read and write, and its options: what they mean for a connection, or keep until there is one.

How a stream comes to a connection is in `opening`; what the options and the segments do is TCP's.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import (
    AF_INET,
    IPPROTO_IP,
    IPPROTO_TCP,
    SO_ACCEPTCONN,
    SO_ERROR,
    SO_LINGER,
    SO_RCVBUF,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_TYPE,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_MAXSEG,
)
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from netif.link import Buffer
from stack.socket import kept, options, resolver
from stack.socket.attempts import Attempts, fail, octets
from stack.socket.linux import IP_MTU, SO_DOMAIN, SO_PROTOCOL, TCP_CONGESTION, TCP_INFO, TCP_QUICKACK, TCP_WINDOW_CLAMP
from stack.socket.opening import Opening
from stack.tcp.config import WITH_SYN
from stack.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.info import TcpInfo


T = TypeVar("T")


_RECEIVING = (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)


class Stream(Opening):
    __slots__ = ()
    levels = (SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP)
    keeps = kept.OF_STREAMS
    refused_out = 0

    def accepted(self, connection: Connection) -> Attempts:
        made = Stream(self.stack, connection)
        made.linger = self.linger
        made.interface = self.interface
        return made

    def read(self, count: int) -> bytes | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        if connection.config.rcvlowat > 1 and self._too_little(count):
            return None
        data = connection.read(count)
        return b"" if data is None and self.read_shut else data

    def read_into(self, view: memoryview) -> int | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        if connection.config.rcvlowat > 1 and self._too_little(len(view)):
            return None
        count = connection.read_into(view)
        return 0 if count is None and self.read_shut else count

    def peek(self, count: int) -> bytes | None:
        data = self._live().peek(count)
        return b"" if data is None and self.read_shut else data

    def peek_all(self, count: int) -> bytes | None:
        data = self.peek(count)
        if data is None or len(data) >= count or self.read_shut or self._live().state not in _RECEIVING:
            return data
        return None

    def write(self, data: Buffer) -> int | None:
        if type(data) is not bytes:
            data = octets(data)
        connection = self.connection
        if connection is None:
            if self.put_off is not None:
                return self._open(self.put_off, data).sender.buffered or None
            raise fail(errno.EPIPE)
        if connection.sender.cork is not (self.more or connection.config.cork):
            connection.hold_back(self.more or connection.config.cork)
        count = connection.write(data)
        return None if not count and len(data) else count

    def _too_little(self, count: int) -> bool:
        """SO_RCVLOWAT asks to wait for more, if the caller may wait at all."""
        connection = self._live()
        return connection.receiver.queued > 0 and not self.impatient and not connection.enough(count)

    def hurried(self, attempt: Callable[[], T | None]) -> T | None:
        connection = self.connection
        if connection is None or connection.config.rcvlowat <= 1:
            return None
        self.impatient = True
        try:
            return attempt()
        finally:
            self.impatient = False

    def write_urgent(self, data: Buffer) -> int | None:
        if self.connection is None:
            raise fail(errno.EPIPE)
        data = octets(data)
        count = self.connection.write_urgent(data)
        return None if not count and len(data) else count

    def read_urgent(self, peek: bool) -> bytes | None:
        return self._live().read_urgent(peek)

    def at_mark(self) -> bool:
        return self.connection is not None and self.connection.at_mark()

    def send_to(self, data: Buffer, address: object) -> int | None:
        return self.write(data)  # as in Linux, a connected stream ignores the address

    def local_address(self) -> tuple[bytes, int]:
        if self.connection is not None:
            return self.connection.local
        if self.listener is not None:
            return self.listener.local
        return self.bound or (resolver.ANY, 0)

    def peer_address(self) -> tuple[bytes, int]:
        connection = self._live()
        if not connection.connected():
            raise fail(errno.ENOTCONN)
        return connection.remote

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == (SOL_SOCKET, SO_LINGER):
            self.linger = options.parse_linger(value)
            return
        if (level, option) == options.DEVICE:
            self._bind_device(options.parse_device(value, self.stack))
            return
        if (level, option) == _CONGESTION:
            self._change("congestion", options.parse_congestion(value, self.stack.tcp.controls))
            return
        if (level, option) not in _SET and (level, option) not in options.STREAM:
            kept.keep(self, level, option, value)
            return
        number = options.as_number(value) if level == IPPROTO_IP else options.as_int(value)
        if (level, option) == (SOL_SOCKET, SO_REUSEADDR):
            self.reuse = bool(number)
            return
        if (level, option) == (SOL_SOCKET, SO_REUSEPORT):
            self.reuse_port = bool(number)
            return
        if level == SOL_SOCKET and option in _BUFFERS:
            size = options.buffer_size(option, number, self.stack.limits, self.stack.stats)
            self._change(_BUFFERS[option], size)
            return
        if (level, option) == _QUICKACK:
            self._change("quickack", self.stack.tcp.config.quickack or 16 if number else 0)
            return
        if (level, option) == _CLAMP and not number and self.endpoint is not None:
            raise options.invalid()  # as Linux: it may be taken back only while there is no connection
        name, meaning, _ = options.STREAM[level, option]
        self._change(name, meaning(number))

    def configure(self, settings: dict[str, Any]) -> None:
        """Any field of TcpConfig. OSError(EISCONN) for what went out with the SYN."""
        attrs.evolve(self._config(), **settings)
        if self.connection is not None and WITH_SYN & settings.keys():
            raise fail(errno.EISCONN)
        for name, value in settings.items():
            self._change(name, value)

    def info(self) -> TcpInfo:
        from stack.tcp.info import TcpInfo

        if self.connection is not None:
            return TcpInfo.of(self.connection)
        return TcpInfo(state=CLOSED) if self.listener is None else TcpInfo.of_listener(self.listener)

    def observe(self, hook: Hook | None) -> None:
        """Of a listener: for the connections that will come to it."""
        self.observer = hook
        if self.connection is not None:
            self.connection.on_event = hook
        elif self.listener is not None:
            self.listener.on_event = hook

    def _bind_device(self, interface: Interface | None) -> None:
        if self.listener is not None:
            self.listener.bind_device(interface)
        elif self.connection is not None:
            self.connection.emitter.route.via = interface
            self.connection.rerouted()
        self.interface = interface

    def _change(self, name: str, value: Any) -> None:
        if self.changes is None:
            self.changes = {}
        self.changes[name] = value
        if self.connection is not None:
            self.connection.configure(**{name: value})
        elif self.listener is not None:
            self.listener.config = self._config()

    def get_option(self, level: int, option: int) -> int | bytes:
        if level == SOL_SOCKET and option in _FACTS:
            return _FACTS[option](self)
        if level == SOL_SOCKET and option in _BUFFERS:
            return self._buffer(_BUFFERS[option])
        if (level, option) == options.DEVICE:
            return options.emit_device(self.interface)
        if (level, option) == (IPPROTO_IP, IP_MTU):
            return self.stack.ip.route(self.peer_address()[0], None, self.interface).mtu
        if (level, option) == _CONGESTION:
            config = self.connection.config if self.connection is not None else self._config()
            return options.emit_congestion(config.congestion)
        if (level, option) == _INFO:
            return self.info().pack()
        if (level, option) == _QUICKACK:
            return int((self._config().quickack if self.connection is None else self.connection.quick) > 0)
        field = options.STREAM.get((level, option))
        if field is None:
            return kept.recall(self, level, option)
        if (level, option) == _MAXSEG and self.connection is not None:
            return self.connection.sender.mss
        config = self.connection.config if self.connection is not None else self._config()
        to_application = field[2]
        return to_application(getattr(config, field[0]))

    def _buffer(self, name: str) -> int:
        """What SO_RCVBUF and SO_SNDBUF answer: twice what was asked for, or what tuning has come to."""
        connection = self.connection
        config = self._config() if connection is None else connection.config
        fixed: int | None = getattr(config, name)
        if fixed is not None:
            return 2 * fixed
        if connection is not None:
            return connection.receive_room if name == "receive_buffer" else connection.send_room
        return int(getattr(config, name + "_initial"))

    def take_error(self) -> int:
        error = self.endpoint.take_error() if self.endpoint is not None else None
        return (error.errno or errno.EIO) if error is not None else 0

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close(self.linger)
        elif self.listener is not None:
            self.listener.close()
        elif self.bound is not None:
            self.stack.tcp.release(self.bound)

    def abort(self) -> None:
        if self.connection is not None:
            self.connection.abort(fail(errno.ECONNABORTED))

    def lingers(self) -> float:
        return self.linger or 0.0 if self.connection is not None else 0.0

    def ended(self) -> bool:
        return self.connection is None or self.connection.all_acknowledged()

    def describe(self) -> str:
        return repr(self.endpoint) if self.endpoint is not None else "TCP unconnected"


_BUFFERS = {SO_RCVBUF: "receive_buffer", SO_SNDBUF: "send_buffer"}
_SET = {
    (SOL_SOCKET, SO_REUSEADDR),
    (SOL_SOCKET, SO_REUSEPORT),
    (SOL_SOCKET, SO_RCVBUF),
    (SOL_SOCKET, SO_SNDBUF),
    (IPPROTO_TCP, TCP_QUICKACK),
}
_CLAMP = (IPPROTO_TCP, TCP_WINDOW_CLAMP)
_INFO = (IPPROTO_TCP, TCP_INFO)
_MAXSEG = (IPPROTO_TCP, TCP_MAXSEG)
_CONGESTION = (IPPROTO_TCP, TCP_CONGESTION)
_QUICKACK = (IPPROTO_TCP, TCP_QUICKACK)
_FACTS: dict[int, Callable[[Stream], int | bytes]] = {
    SO_TYPE: lambda core: int(SOCK_STREAM),
    SO_DOMAIN: lambda core: int(AF_INET),
    SO_PROTOCOL: lambda core: IPPROTO_TCP,
    SO_ACCEPTCONN: lambda core: int(core.listener is not None),
    SO_REUSEPORT: lambda core: int(core.reuse_port),
    SO_REUSEADDR: lambda core: int(core.reuse),
    SO_LINGER: lambda core: options.emit_linger(core.linger),
    SO_ERROR: Stream.take_error,
}
