"""`select`, `poll`, `epoll` and the `selectors`, in virtual time.

They look at the descriptors that they were given, a host's sockets' and the kernel's, without waiting; where nothing is
ready, whoever asked gives up the baton and looks again after each turn of the runtime, until its time-out. A descriptor
of the kernel is looked at whenever somebody may have written to it: what arrives there from outside of the process,
while all wait, is not waited for. Each is a staticmethod: kept by a class, it is no method, as builtins are none.
"""

from __future__ import annotations

import os
import select
import selectors
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from stack.socket.use.meaning import clock_asked

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime

T = TypeVar("T")


def _in_time(runtime: VirtualRuntime | None, look: Callable[[], T], timeout: float | None) -> T:
    """What `look` has found within `timeout` seconds; None: however long it takes."""
    if runtime is None or (timeout is not None and timeout <= 0) or not runtime.takes_part():
        return look()
    found: T = runtime.look_until(look, timeout)
    return found


class ClockPoll:
    """`select.poll()` and `select.epoll()`: the kernel's object, whose waiting is ours. `unit`: of its time-out."""

    def __init__(self, polled: Any, runtime: VirtualRuntime, unit: float) -> None:
        self._polled, self._runtime, self._unit = polled, runtime, unit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._polled, name)

    def poll(self, timeout: float | None = None, *more: int) -> list[tuple[int, int]]:
        seconds = None if timeout is None or timeout < 0 else timeout * self._unit
        found = cast("list[tuple[int, int]]", self._polled.poll(0, *more))  # what is closed raises
        return found or _in_time(self._runtime, partial(self._look_again, *more), seconds)

    def _look_again(self, *more: int) -> list[tuple[int, int]]:
        try:
            return cast("list[tuple[int, int]]", self._polled.poll(0, *more))
        except ValueError:
            return []  # closed by another thread: who waits is not told

    def __enter__(self) -> ClockPoll:
        self._polled.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._polled.__exit__(*reason)


def _select(stdlibs: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stdlibs)
    def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
        runtime = clock_asked()
        if runtime is None or not runtime.takes_part() or (timeout is not None and timeout < 0):
            return stdlibs(rlist, wlist, xlist, timeout)
        lists = [list(each) for each in (rlist, wlist, xlist)]
        found = stdlibs(*lists, 0)  # what is no descriptor raises
        return found if any(found) else _in_time(runtime, partial(_look_again, stdlibs, lists), timeout)

    return staticmethod(select)


def _look_again(stdlibs: Callable[..., Any], lists: list[list[Any]]) -> Any:
    try:
        return stdlibs(*lists, 0)
    except (OSError, ValueError):
        lists[:] = [[each for each in some if _is_open(each)] for some in lists]  # select(2): who waits is not told
        return stdlibs(*lists, 0)


def _is_open(descriptor: Any) -> bool:
    try:
        os.fstat(descriptor if isinstance(descriptor, int) else descriptor.fileno())
    except (OSError, ValueError):
        return False
    return True


def _selector(stdlibs: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stdlibs)
    def select(self: Any, timeout: float | None = None) -> Any:
        runtime = clock_asked()
        if runtime is None or not runtime.takes_part():
            return stdlibs(self, timeout)
        return _in_time(runtime, lambda: stdlibs(self, 0), timeout)

    return select


def _maker(stdlibs: Callable[..., Any], unit: float) -> Callable[..., Any]:
    @wraps(stdlibs, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        runtime = clock_asked()
        made = stdlibs(*args, **kwargs)
        return made if runtime is None else ClockPoll(made, runtime, unit)

    return staticmethod(make)


def replacements() -> Iterator[tuple[Any, str, Any]]:
    yield select, "select", _select(select.select)
    yield select, "poll", _maker(select.poll, 0.001)
    if hasattr(select, "epoll"):
        yield select, "epoll", _maker(select.epoll, 1.0)
    for name in ("SelectSelector", "_PollLikeSelector", "EpollSelector", "KqueueSelector"):
        kind = getattr(selectors, name, None)
        if kind is not None and "select" in vars(kind):
            yield kind, "select", _selector(kind.select)
