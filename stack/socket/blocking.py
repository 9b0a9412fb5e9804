"""The blocking face: a class with the stdlib's `socket` methods over one endpoint of our stack.

Every operation is one non-blocking attempt under the runtime's gate (`stream.py`, `datagram.py`), made again by the one
loop in `waiting.py`. `recv`, `recv_into`, `send` and `sendall` are written out, since they are the hot path of every
program; what knows addresses, `recvfrom` and its kin, is in `whole.py`.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from socket import AF_UNIX, IPPROTO_TCP, MSG_TRUNC, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM
from socket import socket as kernel_socket
from typing import TYPE_CHECKING, Any, TypeVar

from netif.link import Buffer, Runtime
from stack.socket import arguments, options, resolver
from stack.socket.attempts import READ, WRITE, Attempts, Sending
from stack.socket.files import Files
from stack.socket.linux import SOCK_CLOEXEC, SOCK_NONBLOCK
from stack.socket.waiting import closed

if TYPE_CHECKING:
    from stack.socket.feed import Fed, Feed
    from stack.stack import Stack
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.info import TcpInfo

T = TypeVar("T")
_TYPES, _PROTOCOLS = 11, 263  # Linux' SOCK_MAX, IPPROTO_MAX


class socket(Files):  # noqa: N801 - the stdlib's name
    """A socket of one of our hosts; `stack` names the host, the process's default stack without it.

    Methods, arguments and exceptions are the stdlib's. Raises OSError(EAFNOSUPPORT, EPROTONOSUPPORT); with `fileno`,
    which another socket's `fileno()` or `detach()` has answered, OSError(EBADF, ENOTSOCK).
    """

    __slots__ = ()
    __module__ = "stack.socket"

    def __new__(cls, family: int = -1, *arguments: Any, **options: Any) -> Any:
        """AF_UNIX has nothing to do with a network: the kernel's own socket."""
        if family == AF_UNIX and cls is socket:
            options.pop("stack", None)
            return kernel_socket(family, *arguments, **options)
        return super().__new__(cls)

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
        *,
        stack: Stack | None = None,
    ) -> None:
        self._closed = True  # until the endpoint exists
        if fileno is not None:
            self._adopt_descriptor(fileno)
            return
        resolver.refuse_family(family)
        nonblocking, kind = split_type(type)
        if stack is None:
            from stack import default_stack

            stack = default_stack()
        proto = 0 if proto == -1 else arguments.integer(proto)
        self._adopt(stack.runtime, attempts_for(stack, kind, proto), proto)
        if nonblocking:
            self._timeout = 0.0

    @classmethod
    def _of(cls, runtime: Runtime, core: Attempts, proto: int | None = None) -> socket:
        made: socket = cls.__new__(cls)
        made._adopt(runtime, core, proto)
        return made

    def bind(self, address: object, /) -> None:
        try:
            self._once(self._core.bind, address)
        except resolver.UnknownName as unknown:
            self._once(self._core.bind, self._resolved(unknown, address))

    def listen(self, backlog: int = 128, /) -> None:
        self._once(self._core.listen, arguments.integer(backlog))

    def accept(self) -> tuple[socket, resolver.Address]:
        connection: Connection = self._do("accept", READ, self._core.accept)
        made = socket._of(self._runtime, self._core.accepted(connection), self._proto)
        return made, resolver.format_endpoint(connection.remote)

    def connect(self, address: object, /) -> None:
        try:
            self._connect(address)
        except resolver.UnknownName as unknown:
            self._connect(self._resolved(unknown, address))

    def _connect(self, address: object) -> None:
        core, runtime = self._core, self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            if core.connect(address):
                return
            if self._timeout == 0.0:
                raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
            self._finish_connecting()
        finally:
            runtime.leave()

    def _finish_connecting(self) -> None:
        """The gate is held. Who has a time-out is told of the end as those who do not wait at all: by an error that was
        taken, so that as in Linux the socket still stands before it, and the next `connect` answers for it."""
        core = self._core
        try:
            self._complete("connect", WRITE, core.connected)
        finally:
            if self._timeout is None:
                core.settle()

    def connect_ex(self, address: object, /) -> int:
        try:
            socket.connect(self, address)
        except TimeoutError as error:
            return error.errno or errno.EAGAIN
        except OSError as error:
            if error.errno is None or error.errno < 0:
                raise
            return error.errno
        return 0

    def shutdown(self, how: int, /) -> None:
        if arguments.integer(how) not in (SHUT_RD, SHUT_WR, SHUT_RDWR):
            raise options.invalid()
        self._once(self._core.shutdown, how)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if flags or type(bufsize) is not int or bufsize <= 0:
            return self._recv_flags(bufsize, flags)
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            data = self._core.read(bufsize)
            if data is None:
                data = self._complete("recv", READ, partial(self._core.read, bufsize))
            return data
        finally:
            runtime.leave()

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        if nbytes or flags or view.readonly or not view:
            view = arguments.room(buffer, nbytes, "recv_into", "buffer too small for requested bytes")
            if flags or not view:
                return self._recv_into_flags(view, flags)
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            count = self._core.read_into(view)
            if count is None:
                count = self._complete("recv_into", READ, partial(self._core.read_into, view))
            return count
        finally:
            runtime.leave()

    def _recv_into_flags(self, view: memoryview, flags: int) -> int:
        data = self._recv_flags(len(view), flags)
        if not (flags & MSG_TRUNC and self._core.kind is SOCK_STREAM):
            view[: len(data)] = data[: len(view)]
        return len(data)

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        if flags:
            return self._send_flags(data, flags)
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            sent = self._core.write(data)
            if sent is None:
                sent = self._complete("send", WRITE, partial(self._core.write, data))
            return sent
        finally:
            runtime.leave()

    def configure(self, **settings: Any) -> None:
        """Set fields of TcpConfig, for this socket; a listener's connections begin with them. ValueError for what no
        field can be, OSError(EISCONN) for what went out with the SYN."""
        self._once(self._core.configure, settings)

    def tcp_info(self) -> TcpInfo:
        """The figures of Linux' TCP_INFO, as of now."""
        return self._once(self._core.info)

    def observe(self, hook: Hook | None) -> None:
        """Call `hook(TcpEvent)` for whatever happens to this connection from now on (stack/tcp/events.py). It is called
        under the gate: it may look and remember, but not enter a socket."""
        self._once(self._core.observe, hook)

    def feed(self, protocol: Fed) -> Feed:
        """From now on what arrives is handed to `protocol`, in the turn, as stack/socket/feed.py says: nobody else
        reads from this socket. OSError(ENOTCONN)."""
        from stack.socket.feed import Feed

        made = Feed(self, protocol)
        self._once(made.begin)
        return made

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        if flags:
            self._sendall_flags(data, flags)
            return
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            core = self._core
            sent = core.write(data)
            if sent is None or sent < memoryview(data).nbytes:
                self._complete("sendall", WRITE, Sending(core, data, sent or 0).attempt)
        finally:
            runtime.leave()

    def at_mark(self) -> bool:
        """Is the next byte to read the peer's urgent one, or the one after it? (SIOCATMARK, `sockatmark`)"""
        return self._once(self._core.at_mark)

    def _send_first(self, data: Buffer, address: object) -> int:
        """Connect and send (RFC 7413); where the server has given no cookie yet, one after the other."""
        try:
            sent = self._once(self._core.open_with, data, address)
        except resolver.UnknownName as unknown:
            sent = self._once(self._core.open_with, data, self._resolved(unknown, address))
        if sent is None:
            if self._timeout == 0.0:
                raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
            self._do("connect", WRITE, self._core.connected)
            self._once(self._core.settle)
            return self.send(data)
        return sent


def split_type(type: int) -> tuple[int, int]:
    """SOCK_NONBLOCK, and the type without flags. Raises TypeError, OSError(EINVAL)."""
    kind = SOCK_STREAM if type == -1 else arguments.integer(type)
    nonblocking, kind = kind & SOCK_NONBLOCK, kind & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
    if not 0 <= kind < _TYPES:
        raise options.invalid()
    return nonblocking, kind


def attempts_for(stack: Stack, kind: int, protocol: int) -> Attempts:
    """The endpoint of this kind. Raises OSError(EPROTONOSUPPORT, ESOCKTNOSUPPORT, ENETDOWN)."""
    if not 0 <= protocol < _PROTOCOLS:
        raise options.invalid()
    if stack.closed:
        raise OSError(errno.ENETDOWN, f"the stack {stack.name!r} is closed")
    if kind == SOCK_STREAM:
        if protocol not in (0, IPPROTO_TCP):
            raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
        from stack.socket.stream import Stream

        return Stream(stack)
    from stack.socket.datagram import datagram_for

    return datagram_for(stack, kind, protocol)
