"""Threads started in a scope mean what their starter means; work handed to a pool, what whoever handed it over means.

Knows `threading.Thread`, `concurrent.futures.ThreadPoolExecutor` and the virtual clock's executor, and with them those
of asyncio. A thread that is begun by `_thread` alone, as a C extension's, begins outside of every scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import wraps
from threading import Thread
from typing import Any, TypeVar

from netif.runtime.executor import SpawningExecutor
from stack.socket.use.meaning import Meaning, current, resume

T = TypeVar("T")


def hooks() -> Iterator[tuple[Any, str, Any]]:
    """(class, name, what is to stand there)."""
    yield Thread, "start", start(Thread.start)
    for executor in (ThreadPoolExecutor, SpawningExecutor):
        yield executor, "submit", submit(executor.submit)


def start(stdlibs: Callable[[Thread], None]) -> Callable[[Thread], None]:
    """`Thread.start`, of a thread that inherits the meaning."""

    @wraps(stdlibs)
    def begin(self: Thread) -> None:
        meaning = current()
        if meaning is None:
            stdlibs(self)
            return
        run = self.run

        def inheriting() -> None:
            vars(self).pop("run", None)
            resume(meaning)
            run()

        self.run = inheriting  # type: ignore[method-assign]
        try:
            stdlibs(self)
        except BaseException:
            vars(self).pop("run", None)
            raise

    return begin


def submit(stdlibs: Callable[..., Future[T]]) -> Callable[..., Future[T]]:
    """`ThreadPoolExecutor.submit`: its threads serve whoever comes, in a scope or not."""

    @wraps(stdlibs)
    def hand_over(self: Executor, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return stdlibs(self, _meaning_it, current(), fn, *args, **kwargs)

    return hand_over


def _meaning_it(meaning: Meaning | None, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    before = resume(meaning)
    try:
        return fn(*args, **kwargs)
    finally:
        resume(before)
