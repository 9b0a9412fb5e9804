"""`use(host, clock=True)`: code that is not ours means the host's virtual time when it says `time`.

`time.time` counts from `EPOCH`, so that a run can be replayed; the other clocks are the runtime's. What waits is in
`locks` (threading, queue, concurrent.futures), `workers` (threads) and `polling` (select, selectors). Outside of a
clocked scope each name is the stdlib's own. What is not listed here goes on in real time.
"""

from __future__ import annotations

import asyncio
import queue
import socketserver
import threading
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stack.socket.use import locks, polling, workers
from stack.socket.use.meaning import Scope, clock_asked

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime

# 2030-01-01T00:00Z: what time.time() says when the virtual clock starts. Libraries complain of clocks years behind.
EPOCH = 1_893_456_000.0

_NANO = 1_000_000_000


def runtime_of(scope: Scope | None) -> VirtualRuntime:
    """ValueError: its clock is real."""
    from netif.runtime.virtual import VirtualRuntime

    runtime = None if scope is None else scope.stack.runtime
    if not isinstance(runtime, VirtualRuntime):
        who = "nobody" if scope is None else repr(scope.stack.name)
        raise ValueError(f"use: clock=True needs a host on a virtual clock, as of Lan(clock='virtual'), not {who}")
    return runtime


def _reading(name: str, read: Callable[[float], Any]) -> Callable[[], Any]:
    stdlibs = getattr(time, name)

    @wraps(stdlibs)
    def clock() -> Any:
        runtime = clock_asked()
        return stdlibs() if runtime is None else read(runtime.now())

    return staticmethod(clock)  # kept by a class, it is no method: the stdlib's is a builtin


def _sleep(stdlibs: Callable[[float], None]) -> Callable[[float], None]:
    @wraps(stdlibs)
    def sleep(seconds: float, /) -> None:
        runtime = clock_asked()
        if runtime is None or not runtime.takes_part():
            stdlibs(seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        runtime.rest(runtime.waiter("sleep", runtime), runtime.now() + seconds)

    return staticmethod(sleep)


def _new_event_loop(stdlibs: Callable[[], Any]) -> Callable[[], Any]:
    @wraps(stdlibs)
    def new_event_loop() -> Any:
        runtime = clock_asked()
        return stdlibs() if runtime is None else runtime.new_event_loop()

    return new_event_loop


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """(where, the name that stands there, what is put in its place), while a clocked scope is open."""
    clocks = {
        "time": lambda now: EPOCH + now,
        "time_ns": lambda now: round((EPOCH + now) * _NANO),
        **dict.fromkeys(("monotonic", "perf_counter"), float),
        **dict.fromkeys(("monotonic_ns", "perf_counter_ns"), lambda now: round(now * _NANO)),
    }
    made = {name: _reading(name, read) for name, read in clocks.items()}
    for name, clock in made.items():
        yield time, name, clock
    yield time, "sleep", _sleep(time.sleep)
    for module, name in ((threading, "_time"), (queue, "time"), (socketserver, "time")):
        yield module, name, made["monotonic"]
    yield asyncio, "new_event_loop", (loops := _new_event_loop(asyncio.new_event_loop))
    yield asyncio.events, "new_event_loop", loops
    yield from locks.replacements()
    yield from workers.replacements()
    yield from polling.replacements()


class Clocks:
    """Process-wide, as `patch.Patch`: what is put in place while any clocked scope is open, and its undoing."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._scopes = 0
        self._ours: dict[int, Any] = {}  # by what stood there
        self._undone: list[tuple[Any, str, Any]] = []
        self._listed: dict[ModuleType, int] = {}
        self._rebound: dict[ModuleType, dict[str, Any]] = {}

    def open(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            self._scopes += 1
            if self._scopes == 1:
                for place, name, value in list(replacements()):
                    before = vars(place)[name]
                    self._undone.append((place, name, before))
                    self._ours[id(before)] = value
                    setattr(place, name, value)
            for module in modules:
                self._listed[module] = self._listed.get(module, 0) + 1
                if self._listed[module] == 1:
                    self._rebind(module)

    def _rebind(self, module: ModuleType) -> None:
        found = {name: value for name, value in vars(module).items() if id(value) in self._ours}
        self._rebound[module] = found
        for name, value in found.items():
            setattr(module, name, self._ours[id(value)])

    def close(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            for module in modules:
                self._listed[module] -= 1
                if not self._listed[module]:
                    del self._listed[module]
                    vars(module).update(self._rebound.pop(module))
            self._scopes -= 1
            if not self._scopes:
                for place, name, before in reversed(self._undone):
                    setattr(place, name, before)
                self._undone.clear()
                self._ours.clear()


CLOCKS = Clocks()
