"""Threads started in a scope mean what their starter means; work handed to a pool, what whoever handed it over means.

Knows `threading.Thread`, `_thread.start_new_thread`, `concurrent.futures.ThreadPoolExecutor` and the virtual clock's
executor, and with them those of asyncio. A thread that C code begins is outside of every scope; so is one of `_thread`
alone from a scope with a clock, of which it could not take part.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import wraps
from threading import Thread
from typing import Any, TypeVar

from netif.runtime.executor import SpawningExecutor
from stack.socket.use.meaning import Meaning, clock_asked, current, resume

T = TypeVar("T")


def hooks() -> Iterator[tuple[Any, str, Any]]:
    """(class, name, what is to stand there)."""
    yield Thread, "start", start(Thread.start)
    yield _thread, "start_new_thread", start_new_thread(_thread.start_new_thread)
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


def start_new_thread(stdlibs: Callable[..., int]) -> Callable[..., int]:
    """`_thread.start_new_thread`; `threading` has taken the stdlib's own before."""

    @wraps(stdlibs)
    def begin(function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, /) -> int:
        meaning = current()
        rest = (args,) if kwargs is None else (args, kwargs)
        if meaning is None or clock_asked() is not None or not callable(function):
            return stdlibs(function, *rest)

        @wraps(function)
        def inheriting(*args: Any, **kwargs: Any) -> object:
            resume(meaning)
            return function(*args, **kwargs)

        return stdlibs(inheriting, *rest)

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
