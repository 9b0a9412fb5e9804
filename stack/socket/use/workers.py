"""Threads that are started in a clocked scope: strands of the virtual runtime, as spawned functions are.

They begin in the order in which they were started, run one at a time, and end with the runtime; what they raise goes to
`threading.excepthook`, as ever. `join` and `is_alive` speak of the strand, which ends in virtual time.
"""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from functools import partial, wraps
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from netif.runtime.tasks import TaskEnded
from stack.socket.use.meaning import clock_asked

if TYPE_CHECKING:
    from netif.runtime.tasks import Task
    from netif.runtime.virtual import VirtualRuntime

_tasks: WeakKeyDictionary[Thread, tuple[VirtualRuntime, Task]] = WeakKeyDictionary()


class Started:
    """As much of an Event as `Thread.start` needs: that is told in real time, by a thread without the baton."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()
        self._flag = False

    def set(self) -> None:
        self._flag = True
        self._lock.release()

    def is_set(self) -> bool:
        return self._flag

    def wait(self) -> None:
        with self._lock:
            pass

    def _at_fork_reinit(self) -> None:
        self._lock = allocate_lock()


def _start(stdlibs: Callable[[Thread], None]) -> Callable[[Thread], None]:
    @wraps(stdlibs)
    def start(self: Thread) -> None:
        runtime = clock_asked()
        if runtime is None or self.ident is not None:
            stdlibs(self)
            return
        self._started = Started()  # type: ignore[attr-defined]
        if _waits_for_the_kernel(self):
            stdlibs(self)
            return
        task, live, begin = runtime.enlist(partial(run_program, self, self.run), self.name)
        self.run = partial(_live, self, live)  # type: ignore[method-assign]
        try:
            stdlibs(self)
        except BaseException:
            vars(self).pop("run", None)
            raise
        _tasks[self] = runtime, task
        begin()

    return start


def _waits_for_the_kernel(thread: Thread) -> bool:
    """A pool that was made before the scope has a queue that nobody can wait for in virtual time."""
    return any(isinstance(each, SimpleQueue) for each in getattr(thread, "_args", ()))


def _live(thread: Thread, live: Callable[[], None]) -> None:
    vars(thread).pop("run", None)
    live()


def run_program(thread: Thread, run: Callable[[], None]) -> None:
    """Below this frame nobody asks for our rooms (`meaning`)."""
    try:
        run()
    except (SystemExit, TaskEnded) as end:
        if isinstance(end, TaskEnded):
            raise
    except BaseException:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))


def _join(stdlibs: Callable[..., None]) -> Callable[..., None]:
    @wraps(stdlibs)
    def join(self: Thread, timeout: float | None = None) -> None:
        runtime, task = _tasks.get(self, (None, None))
        if runtime is not None and task is not None and not task.finished and runtime.takes_part():
            if self is threading.current_thread():
                raise RuntimeError("cannot join current thread")
            try:
                runtime.join(task, None if timeout is None else max(0.0, timeout))
            except TimeoutError:
                return
        stdlibs(self, timeout)

    return join


def _is_alive(stdlibs: Callable[[Thread], bool]) -> Callable[[Thread], bool]:
    @wraps(stdlibs)
    def is_alive(self: Thread) -> bool:
        known = _tasks.get(self)
        return stdlibs(self) if known is None else not known[1].finished

    return is_alive


def replacements() -> Iterator[tuple[Any, str, Any]]:
    yield Thread, "join", _join(Thread.join)
    yield Thread, "is_alive", _is_alive(Thread.is_alive)
    yield Thread, "start", _start(Thread.start)
