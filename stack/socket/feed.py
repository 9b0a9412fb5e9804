"""A connection that calls: what arrives goes from its frames straight into the buffer of a protocol, in the turn.

The protocol is shaped like asyncio's BufferedProtocol. Its methods run under the gate, in whatever thread turns the
crank: nobody is woken and no thread is switched to between a frame and its reader. They may use any Feed of their
runtime; they may not wait, nor enter a socket (RuntimeError, as for hooks). What one raises ends its own connection
(RST), is counted (`feed_failed`) and logged. Protocols that an event loop is to call: `transports`.
"""

from __future__ import annotations

import enum
import errno
import logging
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from netif.link import Buffer
from stack.endpoint import Onlooker
from stack.failure import failure
from stack.socket.attempts import octets
from stack.tcp.states import CLOSED

if TYPE_CHECKING:
    from stack.socket.waiting import Waiting
    from stack.tcp.connection import Connection

HIGH, LOW = 64 << 10, 16 << 10  # bytes that wait: above HIGH the protocol is asked to pause, at LOW to go on

Writable: TypeAlias = bytearray | memoryview

logger = logging.getLogger(__name__)


class Fed(Protocol):
    """What is called; the names, and when, are those of asyncio.BufferedProtocol."""

    def connection_made(self, feed: Feed, /) -> object: ...
    def get_buffer(self, sizehint: int, /) -> Writable:
        """Where the next bytes shall go; not empty. `sizehint`: how many there are. Asked for again each time."""

    def buffer_updated(self, nbytes: int, /) -> object:
        """So many bytes have been put at its beginning."""

    def eof_received(self) -> object:
        """The peer has sent its FIN. If the answer is false, the feed closes itself; else one may write on."""

    def connection_lost(self, error: Exception | None, /) -> object:
        """The end, told once: None after one's own `close` or `abort`, else why."""

    def pause_writing(self) -> object:
        """More than HIGH bytes wait: the peer does not take them. To go on writing costs memory, up to a bound."""

    def resume_writing(self) -> object: ...


class State(enum.Enum):
    OPEN = "open"
    CLOSING = "closing"  # what waits is still sent, nothing is read any more
    LOST = "lost"


TRANSITIONS = {
    State.OPEN: {State.CLOSING, State.LOST},
    State.CLOSING: {State.LOST},
    State.LOST: set(),
}  # fmt: skip


class Room(Onlooker):
    """Stands among the writers while something waits to be sent."""

    __slots__ = ("feed",)

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def wake(self) -> None:
        self.feed._act(self.feed._drain)


class Feed(Onlooker):
    """The protocol's handle, usable in its callbacks and from any thread; it stands among the connection's readers."""

    __slots__ = (
        "_connection", "_inside", "_paused", "_protocol", "_reading", "_reason", "_room", "_runtime", "_socket",
        "_state", "_told_eof", "_waiting", "_waiting_bytes",
    )  # fmt: skip

    def __init__(self, socket: Waiting, protocol: Fed) -> None:
        """Raises OSError(ENOTCONN)."""
        connection: Connection | None = getattr(socket._core, "connection", None)
        if connection is None or not connection.connected():
            raise failure(errno.ENOTCONN)
        self._socket = socket
        self._runtime: Any = socket._runtime
        self._connection = connection
        self._protocol = protocol
        self._room = Room(self)
        self._state = State.OPEN
        self._waiting: deque[Buffer] = deque()  # written, and not taken by the connection yet
        self._waiting_bytes = 0
        self._reading = True
        self._paused = False  # the protocol was asked to pause
        self._told_eof = False
        self._inside = False  # a callback runs: what follows from it is done when it has returned
        self._reason: Exception | None = None

    def __repr__(self) -> str:
        return f"<Feed {self._state.value} of {self._connection!r}>"

    # the handle

    def write(self, data: Buffer) -> None:
        """Send, as soon as may be; never waits. Nothing happens once it is closing or lost."""
        self._enter(partial(self._write, data))

    def pause_reading(self) -> None:
        """What arrives stays with the connection, whose window closes in time."""
        self._reading = False

    def resume_reading(self) -> None:
        self._enter(self._resume)

    def close(self) -> None:
        """Send what waits, then FIN; nothing more is read. `connection_lost` follows."""
        self._enter(self._close)

    def abort(self) -> None:
        """RST, at once."""
        self._enter(self._abort)

    def is_closing(self) -> bool:
        return self._state is not State.OPEN

    def get_write_buffer_size(self) -> int:
        """Bytes written that the connection has not taken yet."""
        return self._waiting_bytes

    def _enter(self, step: Callable[[], None]) -> None:
        """From a callback the gate is held already."""
        runtime = self._runtime
        if runtime.owner == get_ident():
            self._act(step)
            return
        runtime.enter()
        try:
            self._act(step)
        finally:
            runtime.leave()

    # under the gate

    def begin(self) -> None:
        self._act(partial(self._protocol.connection_made, self))
        if self._connection.readable():
            self.wake()

    def wake(self) -> None:
        """There is something to read, or the end, or an error."""
        self._act(self._look)

    def _act(self, step: Callable[[], object]) -> None:
        """Do it, and then what followed from it."""
        if self._inside:
            step()
            return
        self._inside = True
        try:
            step()
            self._settle()
        except Exception as error:
            self._fail(error)
        finally:
            self._inside = False
        self._enlist()

    def _enlist(self) -> None:
        if self._state is State.LOST:
            return
        connection = self._connection
        if connection.readers is None:
            connection.readers = [self]
        elif self not in connection.readers:
            connection.wait_readable(self)
        if self._waiting and (connection.writers is None or self._room not in connection.writers):
            connection.wait_writable(self._room)

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self._state], f"{self._state.value} may not become {state.value}"
        self._state = state

    def _look(self) -> None:
        """Hand over what there is."""
        connection, protocol = self._connection, self._protocol
        receiver = connection.receiver
        while receiver.queued and self._reading and self._state is State.OPEN:
            view = memoryview(protocol.get_buffer(receiver.queued))
            if not view.nbytes:
                raise RuntimeError("get_buffer() returned an empty buffer")
            count = connection.read_into(view)
            if not count:
                return  # what there is may not be read yet
            protocol.buffer_updated(count)
        if receiver.fin_at is not None and receiver.finished() and self._reading and not self._told_eof:
            self._told_eof = True
            if self._state is State.OPEN and not protocol.eof_received():
                self._close()

    def _settle(self) -> None:
        """It may be time for the last word."""
        if self._state is State.CLOSING and not self._waiting:
            self._lose(None)
        elif self._state is not State.LOST and (self._connection.state is CLOSED or self._socket._closed):
            self._lose(self._reason or self._connection.take_error())

    def _write(self, data: Buffer) -> None:
        if type(data) is not bytes:
            data = octets(data)
        if self._state is not State.OPEN or not len(data):
            return
        sent = 0
        if not self._waiting:
            sent = self._take(data)
            if sent == len(data):
                return
        rest = memoryview(data)[sent:]
        if type(data) is not bytes:
            rest = memoryview(bytes(rest))  # the caller may change it
        self._waiting.append(rest)
        self._count(rest.nbytes)
        if self._waiting_bytes > self._connection.stack.limits.feed_backlog:
            self._connection.stack.stats.count("feed_backlog_full")
            self._reason = BufferError(f"{self._waiting_bytes} bytes wait to be sent, and the protocol does not pause")
            self._abort()
        elif self._waiting_bytes > HIGH and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def _take(self, data: Buffer) -> int:
        """As much as the connection accepts now; what ended it is found by `_settle`."""
        try:
            return self._connection.write(data)
        except OSError as error:
            self._reason = self._reason or error
            self._abort()
            return 0

    def _drain(self) -> None:
        """There is room."""
        waiting = self._waiting
        while waiting:
            first = waiting[0]
            sent = self._take(first)
            self._count(-sent)
            if sent < len(first):
                waiting[0] = memoryview(first)[sent:]
                break
            waiting.popleft()
        if self._paused and self._waiting_bytes <= LOW:
            self._paused = False
            if self._state is State.OPEN:
                self._protocol.resume_writing()

    def _count(self, change: int) -> None:
        self._waiting_bytes += change
        self._connection.stack.memory.charge(change)

    def _resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._connection.stack.owe(self._connection)  # its flush hands over what has come meanwhile

    def _close(self) -> None:
        if self._state is State.OPEN:
            self._become(State.CLOSING)

    def _abort(self) -> None:
        self._connection.abort()

    def _fail(self, error: Exception) -> None:
        """The protocol has raised it."""
        stack = self._connection.stack
        stack.stats.count("feed_failed")
        logger.error("%r failed: the connection is aborted", self._protocol, exc_info=error)
        self._reason = error
        self._abort()
        if self._state is not State.LOST:
            self._inside = False
            self._act(lambda: None)

    def _lose(self, error: Exception | None) -> None:
        self._become(State.LOST)
        self._waiting.clear()
        self._count(-self._waiting_bytes)
        self._connection.forget(self)
        self._connection.forget(self._room)
        if not self._socket._closed:
            core, marker = self._socket._core, self._socket._core.marker
            self._socket._closed = True
            last = marker is None or marker.close(marker.number_of(id(self._socket)))
            if last and self._connection.state is not CLOSED:
                core.close()
        self._protocol.connection_lost(error)
