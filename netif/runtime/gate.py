"""The gate: the one lock of a runtime, and fair.

Knows who holds it and who has waited too long. Refuses to know what is done inside. A free gate costs one lock
acquire. Whoever has waited for `PATIENCE` queues up and is handed the gate by the holder that leaves: a plain Lock
lets a thread that comes back at once win every time (the loser's p99 was 679 ms; with hand-over it is 7 ms). Those who
sleep elsewhere until something under the gate has changed are let go one after the other, each as it is freed by the
one before: woken at once they would all run into a gate that is taken.
"""

from __future__ import annotations

import errno
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from typing import Protocol

PATIENCE = 0.001  # seconds of waiting, after which the gate is handed over


class Lock(Protocol):
    """As much of a `threading.Lock` as is used here."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...


class Sleeper(Protocol):
    """Asleep until `rouse`; takes the gate then, and says that it is no longer `asleep`."""

    asleep: bool

    def rouse(self) -> None: ...


class Gate:
    """What a runtime is first of all. `enter` and `leave` by the same thread, in turn; `owner` is its ident, or 0."""

    __slots__ = (
        "__dict__", "__weakref__", "_free", "_line", "_new_lock", "_take",
        "buried", "chain", "dirty", "later", "owner", "roused",
    )  # fmt: skip

    def __init__(self, new_lock: Callable[[], Lock] = allocate_lock) -> None:
        lock = new_lock()
        self._new_lock = new_lock
        self._take: Callable[..., bool] = lock.acquire
        self._free: Callable[[], None] = lock.release
        self._line: deque[Lock] = deque()  # tickets of those who ran out of patience; popped by the holder alone
        self.chain: deque[Sleeper] = deque()  # those who may go on
        self.roused: Sleeper | None = None  # the one of them that is on its way to the gate
        self.owner = 0
        self.buried: str | None = None
        self.dirty = False  # there is something to do before the gate is left
        self.later = False  # there is something to do after that

    def enter(self) -> None:
        """Take the gate. RuntimeError for its holder: hooks, traces and drivers run under it."""
        if not self._take(False):
            self._queue_up()
        self.owner = get_ident()

    def leave(self) -> None:
        """Settle what was begun, free the gate, and do what has to be done outside."""
        if self.dirty:
            try:
                self.turn()
            except BaseException:
                self.release()
                raise
        if self.chain:
            self.release()
        else:
            self.owner = 0
            if self._line:
                self._line.popleft().release()
            else:
                self._free()  # as `release` does, here without a call: every operation of every socket ends so
                if self._line:
                    self._serve()
        if self.later:
            self._afterwards()

    def release(self) -> None:
        """Free the gate, or hand it to the first in line; else let the next sleeper go."""
        self.owner = 0
        if self._line:
            self._line.popleft().release()  # the lock stays taken: it is theirs
            return
        sleeper = self._next_to_go() if self.chain else None
        self._free()
        if self._line:
            self._serve()
        if sleeper is not None:
            sleeper.rouse()

    def _next_to_go(self) -> Sleeper | None:
        """None while the last one has not come by: it lets the next one go as it leaves."""
        chain = self.chain
        while chain and self.roused is None:
            sleeper = chain.popleft()
            if sleeper.asleep:  # else its time-out has come meanwhile
                self.roused = sleeper
                return sleeper
        return None

    def bury(self, reason: str) -> None:
        """Nobody gets in any more: every `enter` raises OSError with this reason."""
        self.buried = reason
        self._take = _refuse
        self._free = _ignore
        self._line.clear()
        self.chain.clear()

    def turn(self) -> None:
        """What is to be done before the gate is left."""
        self.dirty = False

    def _afterwards(self) -> None:
        self.later = False

    def _queue_up(self) -> None:
        if self.owner == get_ident():
            raise RuntimeError("a hook, trace or driver runs inside the stack and may not call a socket; use post()")
        if self.buried is not None:
            raise OSError(errno.EBADF, self.buried)
        if self._take(True, PATIENCE):
            return
        ticket = self._new_lock()
        ticket.acquire()
        self._line.append(ticket)
        if self._take(False):  # freed between our last look and the append: nobody would have served the ticket
            self._line.remove(ticket)
            return
        ticket.acquire()

    def _serve(self) -> None:
        """Somebody queued up between the holder's look at the line and its release."""
        while self._line and self._take(False):
            if self._line:
                self._line.popleft().release()
                return
            self._free()


def _refuse(blocking: bool = True, timeout: float = -1) -> bool:
    return False


def _ignore() -> None:
    return None
