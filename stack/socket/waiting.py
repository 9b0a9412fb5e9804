"""Where a blocking socket waits: the one loop that drives every operation, its time-out, its settings and its end.

An operation is one non-blocking attempt under the runtime's gate; `_complete` makes it again each time the runtime says
that it may go on. Knows errno and time-outs; knows neither a protocol nor which operations there are (`blocking.py`).
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socket import AF_INET, SOL_SOCKET, AddressFamily, SocketKind, getdefaulttimeout
from typing import Any, NoReturn, Self, TypeVar

from netif.link import Runtime
from stack.socket import arguments, descriptor, options, resolver
from stack.socket.attempts import READ, WRITE, Attempts, enlist

T = TypeVar("T")
_LONGEST_OPTION = 1024  # bytes, as the stdlib has it
_CLOSE_WHEN_FILES_ARE = 1 << 30  # in _io_refs: closed by its owner while files made of it are open


def closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


def would_block() -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class Waiting:
    """One endpoint of ours, with a time-out and an owner who closes it."""

    __slots__ = ("__weakref__", "_closed", "_core", "_io_refs", "_proto", "_runtime", "_timeout")

    def _adopt(self, runtime: Runtime, core: Attempts, proto: int | None = None) -> None:
        """proto: as it was asked for, where 0 means the kind's own."""
        self._runtime = runtime
        self._core = core
        self._proto = core.protocol if proto is None else proto
        self._timeout: float | None = getdefaulttimeout()
        self._io_refs = 0
        self._closed = False
        sys.audit("socket.__new__", self, AF_INET, core.kind, self._proto)

    def _adopt_descriptor(self, number: int) -> None:
        """Own this descriptor, and with it a share of the endpoint that it stands for. OSError(EBADF, ENOTSOCK)."""
        marker = descriptor.find(number)
        core = marker.core
        runtime = core.stack.runtime
        runtime.enter()
        try:
            marker.take(id(self), number)
            self._adopt(runtime, core)
        finally:
            runtime.leave()

    def _complete(self, operation: str, side: int, attempt: Callable[[], T | None]) -> T:
        """Wait and attempt again until there is a result. The gate is held; one attempt has just failed."""
        timeout = self._timeout
        runtime, core = self._runtime, self._core
        if timeout == 0.0:
            result = core.hurried(attempt)
            if result is None:
                raise would_block()
            return result
        deadline = None if timeout is None else runtime.now() + timeout
        while True:
            waiter = runtime.waiter(operation, self)
            endpoint = core.endpoint
            assert endpoint is not None, "an attempt that would block has an endpoint"
            if side == READ:
                endpoint.wait_readable(waiter)
            else:
                endpoint.wait_writable(waiter)
            try:
                woken = runtime.wait(waiter, deadline)
            finally:
                endpoint.forget(waiter)
            if self._closed:
                raise closed()
            result = attempt()
            if core.marker is not None:  # it may be younger than the attempt
                core.marker.look()
            if result is not None:
                return result
            if not woken:
                result = core.hurried(attempt)
                if result is not None:
                    return result
                raise TimeoutError("timed out")

    def _do(self, operation: str, side: int, attempt: Callable[[], T | None]) -> T:
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            result = attempt()
            return self._complete(operation, side, attempt) if result is None else result
        finally:
            runtime.leave()

    def _once(self, act: Callable[..., T], *arguments: Any) -> T:
        """Something that never waits."""
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            return act(*arguments)
        finally:
            runtime.leave()

    def _without_waiting(self, attempt: Callable[[], T | None]) -> T:
        result = self._once(attempt)
        if result is None:
            result = self._once(self._core.hurried, attempt)
        if result is None:
            raise would_block()
        return result

    def close(self) -> None:
        """Done with it: FIN, or RST by SO_LINGER or unread data (RFC 9293 3.6). Files made of it keep it open."""
        if not self._closed and self._io_refs < 1:
            self._real_close()
        elif not self._closed:
            self._io_refs |= _CLOSE_WHEN_FILES_ARE

    def _real_close(self) -> None:
        runtime, core = self._runtime, self._core
        runtime.enter()
        try:
            if self._closed:
                return
            self._closed = True
            if core.marker is not None and not core.marker.release(id(self)):
                core.wake_all()  # others have the endpoint still
                return
            core.close()
            core.wake_all()
            if core.lingers() and self._timeout != 0.0:
                self._linger(core)
        finally:
            runtime.leave()

    def _linger(self, core: Attempts) -> None:
        """SO_LINGER: close waits until all is acknowledged, or the time is up. Non-blocking sockets do not wait, which
        Linux makes them do: a loop has others to serve."""
        runtime = self._runtime
        deadline = runtime.now() + core.lingers()
        while not core.ended():
            waiter = runtime.waiter("close", self)
            endpoint = enlist(core.endpoint, WRITE, waiter)
            try:
                if not runtime.wait(waiter, deadline):
                    return  # as in Linux: what is left goes on in the background
            finally:
                endpoint.forget(waiter)

    def _decref_socketios(self) -> None:
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._io_refs == _CLOSE_WHEN_FILES_ARE:
            self._io_refs = 0
            self._real_close()

    @property
    def family(self) -> AddressFamily:
        return AF_INET

    @property
    def type(self) -> SocketKind:
        return self._core.kind

    @property
    def proto(self) -> int:
        return self._proto

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def getsockname(self) -> resolver.Address:
        return resolver.format_endpoint(self._once(self._core.local_address))

    def getpeername(self) -> resolver.Address:
        return resolver.format_endpoint(self._once(self._core.peer_address))

    def fileno(self) -> int:
        """A descriptor that is ready when this socket is, for select and its kin: made now, if this is the first call.
        -1 once closed. OSError(EMFILE)."""
        if self._closed:
            return -1
        marker = self._core.marker
        return self._once(self._describe) if marker is None else marker.number_of(id(self))

    def _describe(self) -> int:
        core = self._core
        marker = core.marker or descriptor.Marker(core, id(self))
        return marker.number_of(id(self))

    def detach(self) -> int:
        """Closed as an object, while the endpoint lives on behind the descriptor: `socket(fileno=...)` has it again,
        `stack.socket.close(fd)` ends it. -1 if it was closed."""
        if self._closed:
            return -1
        number = self._once(self._describe)
        self._once(self._let_go)
        return number

    def _let_go(self) -> None:
        self._closed = True
        assert self._core.marker is not None
        self._core.marker.drop(id(self))
        self._core.wake_all()

    def dup(self) -> Self:
        """Another socket on the same endpoint, which stays open until both are closed. OSError(EMFILE)."""
        made = type(self).__new__(type(self))
        made._closed = True
        number = self._once(self._duplicate)
        made._adopt_descriptor(number)
        made._timeout, made._proto = self._timeout, self._proto
        return made

    def _duplicate(self) -> int:
        number = self._describe()
        assert self._core.marker is not None
        return self._core.marker.duplicate(number)

    def get_inheritable(self) -> bool:
        """Of the descriptor. A program that inherits it can do nothing with it."""
        if self._closed:
            raise closed()
        return self._core.marker is not None and os.get_inheritable(self.fileno())

    def set_inheritable(self, inheritable: bool) -> None:
        os.set_inheritable(self.fileno(), inheritable)

    def settimeout(self, value: float | None, /) -> None:
        seconds = arguments.seconds(value)
        if self._closed:
            raise closed()
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool, /) -> None:
        block = bool(flag) if sys.version_info >= (3, 12) else arguments.long(flag)
        self.settimeout(None if block else 0.0)

    def getblocking(self) -> bool:
        return self._timeout != 0.0

    def setsockopt(self, level: int, option: int, value: options.Value | None, optlen: int | None = None, /) -> None:
        set_to = arguments.option_value(value, optlen)
        if arguments.integer(level) not in self._core.levels:
            raise closed() if self._closed else options.unsupported()
        if level == SOL_SOCKET and option in options.TIMEOUTS:
            self._timeout = self._once(options.parse_timeval, set_to)
            return
        self._once(self._core.set_option, level, arguments.integer(option), set_to)

    def getsockopt(self, level: int, option: int, buflen: int = 0, /) -> Any:
        if not 0 <= arguments.integer(buflen) <= _LONGEST_OPTION:
            raise OSError("getsockopt buflen out of range")
        if arguments.integer(level) not in self._core.levels:
            raise closed() if self._closed else OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if level == SOL_SOCKET and option in options.TIMEOUTS:
            value: int | bytes = self._once(options.emit_timeval, self._timeout)
        else:
            value = self._once(self._core.get_option, level, arguments.integer(option))
        if buflen:
            return (value if isinstance(value, bytes) else value.to_bytes(4, "little", signed=value < 0))[:buflen]
        return value if isinstance(value, int) else int.from_bytes(value[:4], "little", signed=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            marker = self._core.marker
            number = -1 if marker is None else marker.drop(id(self))
            self._runtime.post(partial(descriptor.abandon, self._core, number))

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __repr__(self) -> str:
        """In the stdlib's shape, then the host and what a connection is at."""
        mine, core = type(self), self._core
        fd = f" fd={self.fileno()}," if self._closed or core.marker is not None else ""  # to look makes none
        text = f"<{mine.__module__}.{mine.__qualname__}{' [closed]' if self._closed else ''}{fd}"
        text += f" family={self.family:d}, type={self.type:d}, proto={self.proto}"
        if self._closed:
            return text + ">"
        text += f", laddr={resolver.format_endpoint(core.local_address())}"
        with suppress(OSError):
            text += f", raddr={resolver.format_endpoint(core.peer_address())}"
        state = getattr(core.endpoint, "state", None)
        return f"{text}, host={core.stack.name!r}{f', {state.name}' if state is not None else ''}>"
