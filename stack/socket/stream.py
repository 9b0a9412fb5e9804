"""TCP's attempts: from an unconnected socket to a listener or a connection, with the errors of Linux.

Knows which call is allowed when (EISCONN, ENOTCONN, EALREADY, EINVAL), and which options were set before there was a
connection to set them on. What the options and the segments do is TCP's.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import (
    AF_INET,
    IPPROTO_TCP,
    SHUT_RD,
    SHUT_WR,
    SO_ACCEPTCONN,
    SO_DOMAIN,
    SO_ERROR,
    SO_LINGER,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_REUSEADDR,
    SO_SNDBUF,
    SO_TYPE,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_CONGESTION,
    TCP_MAXSEG,
)
from typing import TYPE_CHECKING, Any

import attrs

from netif.link import Buffer
from stack.socket import options, resolver
from stack.socket.attempts import Attempts, fail

if TYPE_CHECKING:
    from stack.stack import Stack
    from stack.tcp.config import TcpConfig
    from stack.tcp.connection import Connection
    from stack.tcp.listener import Listener


class Stream(Attempts):
    __slots__ = ("bound", "changes", "connecting", "connection", "linger", "listener", "read_shut", "reuse")
    kind = SOCK_STREAM
    protocol = IPPROTO_TCP

    def __init__(self, stack: Stack, connection: Connection | None = None) -> None:
        super().__init__(stack)
        self.endpoint = self.connection = connection
        self.listener: Listener | None = None
        self.bound: tuple[bytes, int] | None = None  # reserved by bind, until a listener or a connection has it
        self.changes: dict[str, Any] | None = None  # to the stack's TcpConfig, by setsockopt
        self.linger: float | None = None
        self.connecting = False
        self.read_shut = False
        self.reuse = False

    def bind(self, address: object) -> None:
        if self.bound or self.endpoint is not None:
            raise fail(errno.EINVAL)
        local = resolver.parse_endpoint(address, self.stack.hosts, "bind")
        self.bound = self.stack.tcp.bind(local, self.reuse)

    def listen(self, backlog: int) -> None:
        if self.connection is not None:
            raise fail(errno.EINVAL)
        if self.listener is not None:
            self.listener.backlog = max(backlog, 0)
            return
        local = self.bound or self.stack.tcp.bind((resolver.ANY, 0), self.reuse)
        self.listener = self.stack.tcp.listen(local, max(backlog, 0), self._config())
        self.bound = None
        self.endpoint = self.listener

    def accept(self) -> Connection | None:
        listener = self.listener
        if listener is None:
            raise fail(errno.EINVAL)
        connection = listener.accept()
        if connection is None and listener.readable():  # its stack has closed it
            raise listener.take_error() or fail(errno.EINVAL)
        return connection

    def accepted(self, connection: Connection) -> Attempts:
        made = Stream(self.stack, connection)
        made.linger = self.linger
        return made

    def connect(self, address: object) -> bool:
        if self.listener is not None:
            raise fail(errno.EISCONN)
        if self.connection is not None:
            if not self.connecting:
                raise fail(errno.EISCONN)
            if self.connected():
                return True
            raise fail(errno.EALREADY)
        remote = resolver.parse_endpoint(address, self.stack.hosts, "connect")
        if remote[0] == resolver.ANY:
            remote = (resolver.LOOPBACK, remote[1])  # as in Linux: this host
        self.connection = self.stack.tcp.connect(self.bound, remote, self._config())
        self.bound = None
        self.endpoint = self.connection
        self.connecting = True
        return False

    def connected(self) -> bool | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        if connection.connected():
            self.connecting = False
            return True
        if (error := connection.take_error()) is not None:
            self.connecting = False
            self.endpoint = self.connection = None  # the socket may try again
            raise error
        if connection.all_acknowledged():  # another thread has closed it
            raise fail(errno.ECONNABORTED)
        return None

    def _live(self) -> Connection:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        return connection

    def shutdown(self, how: int) -> None:
        connection = self._live()
        if not connection.connected():
            raise fail(errno.ENOTCONN)
        if how != SHUT_WR:
            self.read_shut = True
            connection.wake_readers()
        if how != SHUT_RD:
            connection.shutdown_write()

    def read(self, count: int) -> bytes | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        data = connection.read(count)
        return b"" if data is None and self.read_shut else data

    def read_into(self, view: memoryview) -> int | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        count = connection.read_into(view)
        return 0 if count is None and self.read_shut else count

    def peek(self, count: int) -> bytes | None:
        data = self._live().peek(count)
        return b"" if data is None and self.read_shut else data

    def write(self, data: Buffer) -> int | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.EPIPE)
        count = connection.write(data)
        return None if not count and len(data) else count

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

    def _config(self) -> TcpConfig:
        config: TcpConfig = self.stack.tcp.config
        changed: TcpConfig = attrs.evolve(config, **self.changes) if self.changes else config
        return changed

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        if (level, option) == (SOL_SOCKET, SO_LINGER):
            self.linger = options.parse_linger(value)
            return
        if (level, option) == _CONGESTION:
            self._change("congestion", options.parse_congestion(value, self.stack.tcp.controls))
            return
        number = options.as_int(value)
        if (level, option) == (SOL_SOCKET, SO_REUSEADDR):
            self.reuse = bool(number)
            return
        if level == SOL_SOCKET and option in _BUFFERS:
            size = options.buffer_size(option, number, self.stack.limits, self.stack.stats)
            self._change(_BUFFERS[option], size)
            return
        field = options.STREAM.get((level, option))
        if field is None:
            raise options.unsupported()
        name, meaning, _ = field
        self._change(name, meaning(number))

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
        if (level, option) == _CONGESTION:
            config = self.connection.config if self.connection is not None else self._config()
            return options.emit_congestion(config.congestion)
        field = options.STREAM.get((level, option))
        if field is None:
            raise options.unsupported()
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
_MAXSEG = (IPPROTO_TCP, TCP_MAXSEG)
_CONGESTION = (IPPROTO_TCP, TCP_CONGESTION)
_FACTS: dict[int, Callable[[Stream], int | bytes]] = {
    SO_TYPE: lambda core: int(SOCK_STREAM),
    SO_DOMAIN: lambda core: int(AF_INET),
    SO_PROTOCOL: lambda core: IPPROTO_TCP,
    SO_ACCEPTCONN: lambda core: int(core.listener is not None),
    SO_REUSEADDR: lambda core: int(core.reuse),
    SO_LINGER: lambda core: options.emit_linger(core.linger),
    SO_ERROR: Stream.take_error,
}
