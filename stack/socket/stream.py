"""TCP's attempts: from an unconnected socket to a listener or a connection, with the errors of Linux.

Knows which call is allowed when (EISCONN, ENOTCONN, EALREADY, EINVAL), and which options were set before there was a
connection to set them on. What the options and the segments do is TCP's.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from socket import (
    AF_INET,
    IPPROTO_IP,
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
    TCP_INFO,
    TCP_MAXSEG,
    TCP_QUICKACK,
    TCP_WINDOW_CLAMP,
)
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from netif.link import Buffer
from stack.socket import options, resolver
from stack.socket.attempts import Attempts, fail
from stack.socket.ip_level import IP_MTU
from stack.tcp.config import WITH_SYN
from stack.tcp.info import TcpInfo
from stack.tcp.states import CLOSED, SYN_SENT, TIME_WAIT

if TYPE_CHECKING:
    from stack.stack import Stack
    from stack.tcp.config import TcpConfig
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.listener import Listener


T = TypeVar("T")


class Stream(Attempts):
    __slots__ = (
        "bound",
        "changes",
        "chosen",
        "connecting",
        "connection",
        "impatient",
        "linger",
        "listener",
        "observer",
        "read_shut",
        "reuse",
    )
    kind = SOCK_STREAM
    protocol = IPPROTO_TCP

    def __init__(self, stack: Stack, connection: Connection | None = None) -> None:
        super().__init__(stack)
        self.endpoint = self.connection = connection
        self.listener: Listener | None = None
        self.bound: tuple[bytes, int] | None = None  # reserved by bind, until a listener or a connection has it
        self.chosen: tuple[bytes, int] | None = None  # by bind, with a port
        self.changes: dict[str, Any] | None = None  # to the stack's TcpConfig, by setsockopt
        self.linger: float | None = None
        self.connecting = False
        self.read_shut = False
        self.reuse = False
        self.impatient = False  # a read takes what there is (SO_RCVLOWAT)
        self.observer: Hook | None = None

    def bind(self, address: object) -> None:
        if self.bound or self.endpoint is not None:
            raise fail(errno.EINVAL)
        local = resolver.parse_endpoint(address, self.stack.hosts, "bind")
        self.bound = self.stack.tcp.bind(local, self.reuse)
        self.chosen = local if local[1] else None

    def listen(self, backlog: int) -> None:
        if self.connection is not None:
            raise fail(errno.EINVAL)
        if self.listener is not None:
            self.listener.backlog = max(backlog, 0)
            return
        local = self.bound or self.stack.tcp.bind((resolver.ANY, 0), self.reuse)
        self.listener = self.stack.tcp.listen(local, max(backlog, 0), self._config())
        self.listener.on_event = self.observer or self.listener.on_event
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
        self.connection = self.stack.tcp.connect(self.bound, remote, self._config(), on_event=self.observer)
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
            self._bind_again()
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
        """As in Linux: a listener stops, an attempt to connect ends, what has ended is not connected."""
        if self.listener is not None:
            if how != SHUT_WR:
                self._stop_listening(self.listener)
            return
        connection = self._live()
        if connection.state in _ENDED:
            raise fail(errno.ENOTCONN)
        if connection.state is SYN_SENT:
            connection.abort(fail(errno.ECONNRESET))
            connection.wake_writers()
            return
        if how != SHUT_WR:
            self.read_shut = True
            connection.shutdown_read()
        if how != SHUT_RD:
            connection.shutdown_write()

    def _stop_listening(self, listener: Listener) -> None:
        self.listener = self.endpoint = None
        listener.close()
        listener.wake_readers()
        self._bind_again()

    def _bind_again(self) -> None:
        """The address that the application has chosen stays its own when an attempt has failed, if it can."""
        if self.chosen is not None:
            with suppress(OSError):
                self.bound = self.stack.tcp.bind(self.chosen, True)

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

    def write(self, data: Buffer) -> int | None:
        connection = self.connection
        if connection is None:
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
        if (level, option) == _QUICKACK:
            self._change("quickack", self.stack.tcp.config.quickack or 16 if number else 0)
            return
        if (level, option) == _CLAMP and not number and self.endpoint is not None:
            raise options.invalid()  # as Linux: it may be taken back only while there is no connection
        field = options.STREAM.get((level, option))
        if field is None:
            raise options.unsupported()
        name, meaning, _ = field
        self._change(name, meaning(number))

    def configure(self, settings: dict[str, Any]) -> None:
        """Any field of TcpConfig. OSError(EISCONN) for what went out with the SYN."""
        attrs.evolve(self._config(), **settings)
        if self.connection is not None and WITH_SYN & settings.keys():
            raise fail(errno.EISCONN)
        for name, value in settings.items():
            self._change(name, value)

    def info(self) -> TcpInfo:
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
        if (level, option) == (IPPROTO_IP, IP_MTU):
            return self.stack.ip.route(self.peer_address()[0]).mtu
        if (level, option) == _CONGESTION:
            config = self.connection.config if self.connection is not None else self._config()
            return options.emit_congestion(config.congestion)
        if (level, option) == _INFO:
            return self.info().pack()
        if (level, option) == _QUICKACK:
            return int((self._config().quickack if self.connection is None else self.connection.quick) > 0)
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
_CLAMP = (IPPROTO_TCP, TCP_WINDOW_CLAMP)
_INFO = (IPPROTO_TCP, TCP_INFO)
_ENDED = (CLOSED, TIME_WAIT)
_MAXSEG = (IPPROTO_TCP, TCP_MAXSEG)
_CONGESTION = (IPPROTO_TCP, TCP_CONGESTION)
_QUICKACK = (IPPROTO_TCP, TCP_QUICKACK)
_FACTS: dict[int, Callable[[Stream], int | bytes]] = {
    SO_TYPE: lambda core: int(SOCK_STREAM),
    SO_DOMAIN: lambda core: int(AF_INET),
    SO_PROTOCOL: lambda core: IPPROTO_TCP,
    SO_ACCEPTCONN: lambda core: int(core.listener is not None),
    SO_REUSEADDR: lambda core: int(core.reuse),
    SO_LINGER: lambda core: options.emit_linger(core.linger),
    SO_ERROR: Stream.take_error,
}
