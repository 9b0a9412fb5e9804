"""A real clock on which a spawned function runs until it first blocks before its spawner goes on.

That is the order which a virtual clock has by nature: "spawn the server, spawn the client" then finds the server
listening. Knows threads; costs a look at an empty dict where an operation has to wait.
"""

from __future__ import annotations

import signal
import threading
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from netif.runtime.threaded import ThreadedRuntime

if TYPE_CHECKING:
    from netif.runtime.tasks import Task
    from netif.runtime.waiters import ThreadWaiter

HEAD_START = 0.25  # seconds at most, for a function that computes, or waits for what is no socket


@contextmanager
def _masked() -> Iterator[None]:
    """A thread begun under this mask leaves signals to the main one, which is not interrupted while it begins it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class HeadStart(ThreadedRuntime):
    """A ThreadedRuntime with that order."""

    def __init__(self, *, strict: bool = False, seed: int | str | None = None) -> None:
        super().__init__(strict=strict, seed=seed)
        self._starting: dict[int, threading.Event] = {}

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task:
        blocked = threading.Event()
        with _masked():
            task = super().spawn(partial(self._start_with, fn, blocked), name or getattr(fn, "__name__", None))
        blocked.wait(HEAD_START)
        return task

    def _start_with(self, fn: Callable[[], Any], blocked: threading.Event) -> Any:
        self._starting[get_ident()] = blocked
        try:
            return fn()
        finally:
            self._starting.pop(get_ident(), None)
            blocked.set()

    def waiter(self, operation: str, endpoint: object) -> ThreadWaiter:
        if self._starting:
            blocked = self._starting.pop(get_ident(), None)
            if blocked is not None:
                blocked.set()
        return super().waiter(operation, endpoint)
