"""What an application holds on to: a connection, a listener, a UDP or a ping socket.

An endpoint changes state when a segment arrives, a timer expires or the application calls, and each time ends in
`stack.owe(self)`. Its `flush` then sends what is owed, wakes who may go on and sets the one `deadline`. It knows no
runtime: a Waiter is something with `wake()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import Waiter
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.stack import Stack


class Onlooker:
    """A Waiter that takes nothing of what it is woken for, but tells somebody: it is no reason not to wake another."""

    __slots__ = ()
    woken = False

    def wake(self) -> None:
        raise NotImplementedError


class Endpoint(Timed):
    __slots__ = ("__weakref__", "error", "readers", "stack", "writers")

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.readers: list[Waiter] | None = None
        self.writers: list[Waiter] | None = None
        self.error: OSError | None = None  # raised once, by the next call of the application

    def readable(self) -> bool:
        """A read would not block: there is data, an end, a connection to accept or an error."""
        raise NotImplementedError

    def writable(self) -> bool:
        """A write would not block."""
        raise NotImplementedError

    def flush(self, now: float) -> None:
        """Send what is owed, wake who may go on, set `self.deadline`. The stack arms it afterwards."""
        if self.readers is not None and self.readable():
            self.wake_readers()
        if self.writers is not None and self.writable():
            self.wake_writers()

    def unreachable(self, error: OSError) -> None:
        """A packet of this endpoint found no neighbour or no route (`Route.owner`). Never called within `flush`."""

    def abort(self, error: OSError) -> None:
        """End at once: from now on every call finds `error`."""
        self.error = error
        self.stack.owe(self)

    def take_error(self) -> OSError | None:
        error = self.error
        self.error = None
        return error

    def wait_readable(self, waiter: Waiter) -> None:
        if self.readers is None:
            self.readers = [waiter]
        else:
            self.readers.append(waiter)

    def wait_writable(self, waiter: Waiter) -> None:
        if self.writers is None:
            self.writers = [waiter]
        else:
            self.writers.append(waiter)

    def forget(self, waiter: Waiter) -> None:
        """The waiter gave up (its time was out, its task was cancelled)."""
        if self.readers is not None and waiter in self.readers:
            self.readers.remove(waiter)
            self.readers = self.readers or None
        if self.writers is not None and waiter in self.writers:
            self.writers.remove(waiter)
            self.writers = self.writers or None

    def wake_readers(self) -> None:
        """All of them: each tries again, and those that come too late wait anew."""
        waiters = self.readers
        if waiters is not None:
            self.readers = None
            for waiter in waiters:
                waiter.wake()

    def wake_writers(self) -> None:
        waiters = self.writers
        if waiters is not None:
            self.writers = None
            for waiter in waiters:
                waiter.wake()
