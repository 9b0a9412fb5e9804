"""A stream from nothing to a listener or a connection, and back: bind, listen, accept, connect, shutdown, as in Linux.

Knows which call is allowed when (EISCONN, ENOTCONN, EALREADY, EINVAL), and what stays when an attempt has failed.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from socket import IPPROTO_TCP, SHUT_RD, SHUT_WR, SOCK_STREAM
from typing import TYPE_CHECKING, Any

import attrs

from netif.link import Buffer
from stack.socket import resolver
from stack.socket.attempts import Attempts, fail
from stack.tcp.states import CLOSED, SYN_SENT, TIME_WAIT

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack
    from stack.tcp.config import TcpConfig
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.listener import Listener

_ENDED = (CLOSED, TIME_WAIT)


class Opening(Attempts):
    __slots__ = (
        "bound",
        "changes",
        "chosen",
        "connecting",
        "connection",
        "impatient",
        "interface",
        "linger",
        "listener",
        "observer",
        "put_off",
        "read_shut",
        "reuse",
        "reuse_port",
    )
    kind = SOCK_STREAM
    protocol = IPPROTO_TCP

    def __init__(self, stack: Stack, connection: Connection | None = None) -> None:
        super().__init__(stack)
        self.endpoint = self.connection = connection
        self.listener: Listener | None = None
        self.bound: tuple[bytes, int] | None = None  # reserved by bind, until a listener or a connection has it
        self.put_off: tuple[bytes, int] | None = None  # whom to connect to with the first data
        self.chosen: tuple[bytes, int] | None = None  # by bind, with a port
        self.changes: dict[str, Any] | None = None  # to the stack's TcpConfig, by setsockopt
        self.interface: Interface | None = None  # the one it is bound to
        self.linger: float | None = None
        self.connecting = False
        self.read_shut = False
        self.reuse = self.reuse_port = False
        self.impatient = False  # a read takes what there is (SO_RCVLOWAT)
        self.observer: Hook | None = None

    def readable(self) -> bool:
        return self.read_shut or (self.endpoint is not None and self.endpoint.readable())

    def bind(self, address: object) -> None:
        if self.bound or self.endpoint is not None:
            raise fail(errno.EINVAL)
        local = resolver.parse_endpoint(address, self.stack.hosts, "bind")
        self.bound = self.stack.tcp.bind(local, self.reuse or self.reuse_port)
        self.chosen = local if local[1] else None

    def listen(self, backlog: int) -> None:
        if self.connection is not None:
            raise fail(errno.EINVAL)
        if self.listener is not None:
            self.listener.backlog = max(backlog, 0)
            return
        local = self.bound or self.stack.tcp.bind((resolver.ANY, 0), self.reuse)
        self.listener = self.stack.tcp.listen(
            local, max(backlog, 0), self._config(), interface=self.interface, shares=self.reuse_port
        )
        self.listener.on_event = self.observer
        self.bound = None
        self.endpoint = self.listener

    def accept(self) -> Connection | None:
        listener = self.listener
        if listener is None:
            raise fail(errno.EINVAL)
        connection = listener.accept()
        if connection is None and listener.readable():  # its stack has closed it
            raise listener.take_error() or self.stack.runtime.ended() or fail(errno.EINVAL)
        return connection

    def connect(self, address: object) -> bool:
        if self.listener is not None:
            raise fail(errno.EISCONN)
        if self.connection is not None:
            if not self.connecting:
                raise fail(errno.EISCONN)
            try:
                if self.connected() is None:
                    raise fail(errno.EALREADY)
            finally:
                self.settle()
            return True
        remote = resolver.parse_endpoint(address, self.stack.hosts, "connect")
        if not remote[1]:
            raise fail(errno.ECONNREFUSED)  # Linux asks, and is told so
        config = self._config()
        if config.fast_open_connect and self.stack.tcp.fast_open.recall(remote[0]) is not None:
            self.put_off = remote  # until there is something to send with the SYN (TCP_FASTOPEN_CONNECT)
            return True
        self._open(remote, None)
        return False

    def _open(self, remote: tuple[bytes, int], early: Buffer | None) -> Connection:
        if remote[0] == resolver.ANY:
            remote = (resolver.LOOPBACK, remote[1])  # as in Linux: this host
        tcp, config = self.stack.tcp, self._config()
        self.put_off = None
        self.connection = tcp.connect(self.bound, remote, config, self.interface, self.observer, early)
        self.bound = None
        self.endpoint = self.connection
        self.connecting = True
        return self.connection

    def open_with(self, data: Buffer, address: object) -> int | None:
        """MSG_FASTOPEN: connect, and send as much of `data` with the SYN as goes. None: none did; wait, then write."""
        if self.endpoint is not None:
            raise fail(errno.EALREADY if self.connecting else errno.EISCONN)
        if not self._config().fast_open:
            raise fail(errno.EOPNOTSUPP)
        remote = resolver.parse_endpoint(address, self.stack.hosts, "connect")
        return self._open(remote, data).sender.buffered or None

    def connected(self) -> bool | None:
        connection = self.connection
        if connection is None:
            raise fail(errno.ENOTCONN)
        if connection.connected():
            return True
        if (error := connection.take_error()) is not None:
            raise error
        if connection.all_acknowledged():  # another thread has closed it
            raise fail(errno.ECONNABORTED)
        return None

    def settle(self) -> None:
        """Whoever began to connect knows how it has ended, if it has."""
        connection = self.connection
        if connection is None or not self.connecting or connection.state is SYN_SENT:
            return
        self.connecting = False
        if not connection.connected() and connection.state is CLOSED:
            self.endpoint = self.connection = None  # the socket may try again
            self._bind_again()

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

    def _config(self) -> TcpConfig:
        config: TcpConfig = self.stack.tcp.config
        changed: TcpConfig = attrs.evolve(config, **self.changes) if self.changes else config
        return changed
