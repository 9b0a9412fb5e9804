"""Locks that wait in virtual time, for what the stdlib builds on them: Condition, Event, Semaphore, Barrier, queues.

A lock made in a clocked scope is a `ClockLock`. One thread at a time has the baton, so that a lock that is taken is
held by somebody who is blocked: whoever wants it gives up the baton. Threads that have no part in the runtime wait in
real time. Locks made before the scope stay the kernel's, and are not to be held across a call that blocks.
"""

from __future__ import annotations

import queue
import threading
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from stack.socket.use.meaning import clock_asked

if TYPE_CHECKING:
    from netif.link import Waiter
    from netif.runtime.virtual import VirtualRuntime


class ClockLock:
    """As `threading.Lock`; whoever came first is woken first."""

    __slots__ = ("__weakref__", "_lock", "_runtime", "_waiting")

    def __init__(self, runtime: VirtualRuntime) -> None:
        self._lock = allocate_lock()
        self._runtime = runtime
        self._waiting: dict[Waiter, None] = {}

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """RuntimeError, ValueError and OverflowError as the stdlib's."""
        if self._lock.acquire(False):
            return True
        if not blocking or timeout == 0 or not self._runtime.takes_part():
            return self._lock.acquire(blocking, timeout)
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        return self._wait(None if timeout < 0 else self._runtime.now() + timeout)

    def _wait(self, deadline: float | None) -> bool:
        runtime = self._runtime
        waiter: Any = runtime.waiter("acquire", self)
        self._waiting[waiter] = None
        try:
            while not self._lock.acquire(False):
                if deadline is not None and runtime.now() >= deadline:
                    return False
                runtime.rest(waiter, deadline)
            return True
        finally:
            del self._waiting[waiter]

    def release(self) -> None:
        self._lock.release()
        if self._waiting:
            self._runtime.stir(next(iter(self._waiting)))  # type: ignore[arg-type]

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *reason: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._lock = allocate_lock()
        self._waiting.clear()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} lock at {id(self):#x}>"


def _by_clock(stdlibs: Callable[..., Any], ours: Callable[[VirtualRuntime], Any]) -> Callable[..., Any]:
    @wraps(stdlibs, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        runtime = clock_asked()
        return stdlibs(*args, **kwargs) if runtime is None else ours(runtime)

    return make


def replacements() -> Iterator[tuple[Any, str, Any]]:
    lock = _by_clock(allocate_lock, ClockLock)
    yield threading, "_allocate_lock", lock
    yield threading, "Lock", lock
    yield threading, "RLock", _by_clock(threading.RLock, lambda runtime: threading._PyRLock())  # type: ignore[attr-defined]
    yield queue, "SimpleQueue", _by_clock(queue.SimpleQueue, lambda runtime: queue._PySimpleQueue())  # type: ignore[attr-defined]
