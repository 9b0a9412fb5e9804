"""What both faces of a socket share: one non-blocking attempt for every operation, and where to wait for the next.

An attempt is called with the gate held; it answers a result, or None for "would block", or raises what the stdlib does.
Which side of the endpoint to wait at is the caller's knowledge (READ, WRITE); who sleeps, and how, is the runtime's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from socket import IPPROTO_IP, MSG_OOB, SOL_SOCKET, SocketKind
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from netif.link import Buffer, Waiter
from stack.endpoint import Endpoint
from stack.socket import options, resolver

if TYPE_CHECKING:
    from stack.socket.descriptor import Marker
    from stack.stack import Stack
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.info import TcpInfo

T = TypeVar("T")

READ, WRITE = 0, 1
Message: TypeAlias = tuple[bytes, tuple[bytes, int], list[tuple[int, int, bytes]], bool]


def enlist(endpoint: Endpoint | None, side: int, waiter: Waiter) -> Endpoint:
    """Let `waiter` be woken when this side of the endpoint may go on; the caller forgets it there afterwards."""
    assert endpoint is not None, "an attempt that would block has an endpoint"
    if side == READ:
        endpoint.wait_readable(waiter)
    else:
        endpoint.wait_writable(waiter)
    return endpoint


def fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Attempts:
    """An endpoint's operations. What a kind of socket does not have raises EOPNOTSUPP, as in the kernel."""

    __slots__ = ("endpoint", "kept", "marker", "more", "stack")
    kind: SocketKind
    protocol: int
    endpoint: Endpoint | None
    levels: tuple[int, ...] = (SOL_SOCKET, IPPROTO_IP)  # of which there are options
    keeps: Mapping[tuple[int, int], Any] = {}  # options that stay without effect (`kept`)
    refused_in = 0  # flags of recv(2) that raise EOPNOTSUPP
    refused_out = int(MSG_OOB)  # and of send(2)

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.endpoint = None
        self.marker: Marker | None = None  # what fileno() answers, once it was asked
        self.kept: dict[tuple[int, int], Any] | None = None  # those of them that were set
        self.more = False  # MSG_MORE: what is written next does not end a segment

    def readable(self) -> bool:
        """A read would not block. There is an endpoint."""
        assert self.endpoint is not None
        return self.endpoint.readable()

    def writable(self) -> bool:
        assert self.endpoint is not None
        return self.endpoint.writable()

    def bind(self, address: object) -> None:
        raise fail(errno.EOPNOTSUPP)

    def listen(self, backlog: int) -> None:
        raise fail(errno.EOPNOTSUPP)

    def accept(self) -> Connection | None:
        raise fail(errno.EOPNOTSUPP)

    def accepted(self, connection: Connection) -> Attempts:
        raise fail(errno.EOPNOTSUPP)

    def connect(self, address: object) -> bool:
        """Begin; True if that was all, False where `connected` must be waited for."""
        raise fail(errno.EOPNOTSUPP)

    def connected(self) -> bool | None:
        return True

    def settle(self) -> None:
        """Whoever began to connect, and waited for it, knows how it has ended."""

    def shutdown(self, how: int) -> None:
        raise fail(errno.ENOTCONN)

    def read(self, count: int) -> bytes | None:
        raise fail(errno.EOPNOTSUPP)

    def read_into(self, view: memoryview) -> int | None:
        data = self.read(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def peek(self, count: int) -> bytes | None:
        raise fail(errno.EOPNOTSUPP)

    def peek_all(self, count: int) -> bytes | None:
        """As `peek`, when there are so many bytes or will be no more."""
        raise fail(errno.EOPNOTSUPP)

    def report(self) -> Message | None:
        """The oldest of the error queue (MSG_ERRQUEUE, ip(7)): nothing, where there is none."""
        return None

    def hold_back(self, more: bool) -> None:
        """What is written next is to wait for more (MSG_MORE), or not any longer."""
        self.more = more

    def write(self, data: Buffer) -> int | None:
        raise fail(errno.EOPNOTSUPP)

    def open_with(self, data: Buffer, address: object) -> int | None:
        raise fail(errno.EOPNOTSUPP)

    def write_urgent(self, data: Buffer) -> int | None:
        raise fail(errno.EOPNOTSUPP)

    def read_urgent(self, peek: bool) -> bytes | None:
        raise fail(errno.EOPNOTSUPP)

    def at_mark(self) -> bool:
        raise fail(errno.ENOTTY)

    def receive_from(self, count: int, peek: bool) -> tuple[bytes, tuple[bytes, int]] | None:
        raise fail(errno.EOPNOTSUPP)

    def receive_message(self, count: int, peek: bool) -> Message | None:
        """As `receive_from`, with what is told beside the data, and whether it was cut off."""
        got = self.receive_from(count, peek)
        return None if got is None else (*got, [], False)

    def send_to(self, data: Buffer, address: object) -> int | None:
        raise fail(errno.EOPNOTSUPP)

    def send_message(self, data: Buffer, address: object, said: list[tuple[int, int, Buffer]]) -> int | None:
        """As `send_to`, or `write` without an address, with what is said beside the data."""
        raise fail(errno.EOPNOTSUPP)

    def local_address(self) -> tuple[bytes, int]:
        return resolver.ANY, 0

    def peer_address(self) -> tuple[bytes, int]:
        raise fail(errno.ENOTCONN)

    def set_option(self, level: int, option: int, value: options.Value) -> None:
        raise options.unsupported()

    def get_option(self, level: int, option: int) -> int | bytes:
        raise options.unsupported()

    def configure(self, settings: dict[str, Any]) -> None:
        raise fail(errno.EOPNOTSUPP)

    def info(self) -> TcpInfo:
        raise fail(errno.EOPNOTSUPP)

    def observe(self, hook: Hook | None) -> None:
        raise fail(errno.EOPNOTSUPP)

    def hurried(self, attempt: Callable[[], T | None]) -> T | None:
        """An attempt that has failed, of a caller who waits no longer."""
        return None

    def close(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self.close()

    def lingers(self) -> float:
        """Seconds that close may wait for what is unsent; 0: not at all."""
        return 0.0

    def ended(self) -> bool:
        """Nothing is left to be acknowledged."""
        return True

    def wake_all(self) -> None:
        """Whoever is blocked in another thread finds the socket closed."""
        if self.endpoint is not None:
            self.endpoint.wake_readers()
            self.endpoint.wake_writers()

    def describe(self) -> str:
        return repr(self.endpoint) if self.endpoint is not None else f"{self.kind.name} unconnected"


def octets(data: Buffer) -> Buffer:
    """The same bytes, where `len` may count something else: what is sent is counted in bytes."""
    if type(data) is bytes or type(data) is bytearray:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'") from None
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


class Sending:
    """A `sendall` under way: each attempt hands over as much as fits."""

    __slots__ = ("core", "rest")

    def __init__(self, core: Attempts, data: Buffer, sent: int) -> None:
        self.core = core
        self.rest = memoryview(octets(data))[sent:]

    def attempt(self) -> bool | None:
        sent = self.core.write(self.rest)
        if sent is None:
            return None
        if sent == len(self.rest):
            return True
        self.rest = self.rest[sent:]
        return None
