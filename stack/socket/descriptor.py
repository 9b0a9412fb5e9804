"""`fileno()`: a descriptor of the kernel's that is ready when a socket of ours is, for `select`, `epoll` and loops.

It is one end of a socketpair, the marker: readable while a byte lies in it, not writable while what it has sent fills
it (an eventfd cannot say that). Made by the first `fileno()`, `dup()` or `detach()`; from then on it looks again after
each operation of the socket, and as an Onlooker in the turn in which the endpoint becomes ready. Level and edge are
true (epoll(7)): each change from not ready to ready is an edge. Error and hang-up are readable and writable. To read
or write the marker itself means nothing. Descriptors and sockets find each other by fstat's device and inode.
"""

from __future__ import annotations

import _socket
import errno
import os
from collections.abc import Callable
from functools import cache, partial, wraps
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

from netif.runtime.forking import descendants, let_go
from stack.endpoint import Endpoint, Onlooker
from stack.socket.attempts import Attempts, fail

T = TypeVar("T")
Identity: TypeAlias = tuple[int, int]  # device and inode

_FULL = 2048  # bytes: the marker's send buffer (Linux makes it 4608), and what makes it not writable: over a quarter

_NO_SIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)


def identify(number: int) -> Identity:
    """OSError(EBADF)."""
    status = os.fstat(number)
    return status.st_dev, status.st_ino


class Marker(Onlooker):
    """One endpoint's, whatever number of sockets share it; all its methods want the gate."""

    __slots__ = ("core", "ended", "endpoint", "far", "identity", "loose", "numbers", "readable", "writable")

    def __init__(self, core: Attempts, holder: int) -> None:
        """`holder`: the id of the socket whose number comes first. OSError(EMFILE)."""
        near, self.far = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        near.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _FULL)
        near.setblocking(False)
        self.far.setblocking(False)
        number = near.detach()
        self.identity = identify(number)
        self.numbers = {holder: number}  # by the ids of the sockets that own them
        self.loose: set[int] = set()  # numbers that no socket owns: detached, or a duplicate
        self.core = core
        self.endpoint: Endpoint | None = None  # whose lists it was put in last
        self.readable, self.writable = False, True  # what the pair says
        self.ended = False
        core.marker = self
        core.__class__ = mirrored(type(core))  # type: ignore[arg-type] # a class is hashable
        registry.add(self)
        self.look()

    # what it says

    def wake(self) -> None:
        self.look()

    def look(self) -> None:
        """Say what is so; be woken by what is not so yet."""
        if self.ended:
            return
        core = self.core
        endpoint = core.endpoint
        if endpoint is not self.endpoint:
            self._withdraw()
            self.endpoint = endpoint
        readable = endpoint is None or core.readable()  # EPOLLHUP: neither connected nor listening
        writable = endpoint is None or core.writable()
        if readable is not self.readable:
            self._say_readable(readable)
        if writable is not self.writable:
            self._say_writable(writable)
        if endpoint is not None:
            if not readable and (endpoint.readers is None or self not in endpoint.readers):
                endpoint.wait_readable(self)
            if not writable and (endpoint.writers is None or self not in endpoint.writers):
                endpoint.wait_writable(self)

    def _say_readable(self, readable: bool) -> None:
        self.readable = readable
        try:
            if readable:
                self.far.send(b"\0", _NO_SIGNAL)
            else:
                os.read(self._number(), 1)
        except BlockingIOError:  # somebody has read or written the marker
            pass
        except OSError:
            self._lose()

    def _say_writable(self, writable: bool) -> None:
        self.writable = writable
        try:
            if writable:
                self.far.recv(1 << 16)
            else:
                os.write(self._number(), bytes(_FULL))
        except BlockingIOError:
            pass
        except OSError:
            self._lose()

    def _withdraw(self) -> None:
        if self.endpoint is not None:
            self.endpoint.forget(self)

    # its numbers

    def _number(self) -> int:
        """One of them that still is its own: the program may have closed it, and the kernel given it to another."""
        for number in (*self.numbers.copy().values(), *self.loose.copy()):
            if self._has(number):
                return number
            self._forget_number(number)
        raise fail(errno.EBADF)

    def _has(self, number: int) -> bool:
        try:
            return identify(number) == self.identity
        except OSError:
            return False

    def number_of(self, holder: int) -> int:
        """-1: another has closed it."""
        return self.numbers.get(holder, -1)

    def take(self, holder: int, number: int) -> None:
        """A socket owns this number from now on. OSError(EBADF): too late."""
        if self.ended:
            raise fail(errno.EBADF)
        self.numbers[holder] = number
        self.loose.discard(number)

    def drop(self, holder: int) -> int:
        """The socket owns its number no longer. Also from a finalizer, without the gate."""
        number = self.numbers.pop(holder, -1)
        if number >= 0 and number not in self.numbers.values():
            self.loose.add(number)
            registry.strays[self] = None
        return number

    def duplicate(self, number: int) -> int:
        """OSError(EBADF, EMFILE)."""
        made = os.dup(number)
        self.loose.add(made)
        registry.strays[self] = None
        return made

    def release(self, holder: int) -> bool:
        """The socket is closed; True: it was the last. OSError(EBADF): its number was closed by another."""
        number = self.numbers.get(holder, -1)
        if self._has(number):
            return self.close(number)
        self._forget_number(number)
        self.sweep()
        raise fail(errno.EBADF)

    def close(self, number: int) -> bool:
        """True: that was the last; the endpoint is to be closed."""
        self._forget_number(number)
        if self._has(number):
            os.close(number)
        if self.numbers or self.loose:
            return False
        self._end()
        return True

    def _forget_number(self, number: int) -> None:
        for holder, its in self.numbers.copy().items():
            if its == number:
                self.numbers.pop(holder, None)
        self.loose.discard(number)

    # its end

    def _lose(self) -> None:
        """The program has closed the last descriptor behind our back."""
        self.numbers.clear()
        self._end()
        self.core.stack.runtime.post(partial(abandon, self.core, -1))

    def _end(self) -> None:
        self.ended = True
        self._withdraw()
        registry.discard(self)
        self.far.close()  # a poll that has begun finds a hang-up

    def sweep(self) -> None:
        """Is any of its numbers still open?"""
        try:
            self._number()
        except OSError:
            if not self.ended:
                self._lose()

    def forked(self) -> None:
        """This is the child: the numbers lead nowhere."""
        self.ended = True
        for number in (*self.numbers.values(), *self.loose):
            let_go(number)
        self.numbers.clear()
        self.loose.clear()
        self.far.close()


def abandon(core: Attempts, number: int) -> None:
    """Close what an unclosed socket, which had this number or -1, left behind; the gate is free."""
    runtime = core.stack.runtime
    runtime.enter()
    try:
        marker = core.marker
        if marker is None or marker.ended or marker.close(number):
            core.close()
            core.wake_all()
    finally:
        runtime.leave()


class Registry:
    """The process's markers."""

    def __init__(self) -> None:
        self.markers: dict[Identity, Marker] = {}
        self.strays: dict[Marker, None] = {}  # those with numbers of which nobody may tell that they are closed

    def add(self, marker: Marker) -> None:
        descendants.add(self)
        runtime = marker.core.stack.runtime
        for stray in list(self.strays):
            if stray.core.stack.runtime is runtime:
                if not stray.loose:
                    self.strays.pop(stray, None)
                else:
                    stray.sweep()
        self.markers[marker.identity] = marker

    def discard(self, marker: Marker) -> None:
        self.markers.pop(marker.identity, None)
        self.strays.pop(marker, None)

    def find(self, number: int) -> Marker | None:
        """Whose descriptor this is. OSError(EBADF)."""
        return self.markers.get(identify(number))

    def forked(self) -> None:
        for marker in self.markers.values():
            marker.forked()
        self.markers.clear()
        self.strays.clear()


registry = Registry()


# the operations after which a marker looks again

_QUESTIONS = {
    "abort", "accepted", "close", "describe", "ended", "hurried", "lingers", "local_address", "peer_address",
    "readable", "wake_all", "writable",
}  # fmt: skip


@cache
def mirrored(kind: type[Attempts]) -> type[Attempts]:
    """The same kind of endpoint, with a marker: what has none pays nothing."""
    operations = {
        name: _looked_after(operation)
        for name in dir(kind)
        if not name.startswith("_")
        and name not in _QUESTIONS
        and isinstance(operation := getattr(kind, name), FunctionType)
    }
    return type(kind.__name__, (kind,), {"__slots__": (), **operations})


def _looked_after(operation: Callable[..., T]) -> Callable[..., T]:
    @wraps(operation)
    def operate(core: Any, *arguments: Any, **options: Any) -> T:
        marker = core.marker
        if marker.ended:
            raise fail(errno.EBADF)
        try:
            return operation(core, *arguments, **options)
        finally:
            marker.look()

    return operate


# as the stdlib's module has them: of numbers


def find(number: int) -> Marker:
    """The marker of this descriptor. ValueError, OSError(EBADF, ENOTSOCK)."""
    if number < 0:
        raise ValueError("negative file descriptor")
    marker = registry.find(number)
    if marker is None:
        raise OSError(errno.ENOTSOCK, f"descriptor {number} is no socket of a stack of ours")
    return marker


def dup(fd: int, /) -> int:
    """Another number for the same socket, which stays open until that too is closed. OSError."""
    marker = registry.find(fd)
    if marker is None:
        return _socket.dup(fd)
    runtime = marker.core.stack.runtime
    runtime.enter()
    try:
        return marker.duplicate(fd)
    finally:
        runtime.leave()


def close(fd: int, /) -> None:
    """Close a descriptor, and with the last one the socket (os.close tells nobody that it was ours). OSError."""
    marker = registry.find(fd)
    if marker is None:
        _socket.close(fd)
    else:
        abandon(marker.core, fd)
