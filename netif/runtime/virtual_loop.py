"""An asyncio event loop whose time is a virtual runtime's.

asyncio's own BaseEventLoop, but for how it rests: where that asks a selector, this one gives up the baton. Timers of
one moment go by age, and tasks and futures hash by age too: asyncio keeps them in sets, whose order must not depend on
where they lie in memory. Refuses to wait for the kernel (descriptors, signals, processes) by NotImplementedError, since
nothing in virtual time can say when that is ready.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from heapq import heappush
from math import ulp
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

from netif.runtime.baton import VirtualWaiter
from netif.runtime.executor import SpawningExecutor
from netif.runtime.places import is_programs, place
from netif.runtime.real_time_only import INSTEAD, RealTimeOnly, refuse, refuse_descriptor
from netif.runtime.tasks import Task

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from netif.runtime.virtual import VirtualRuntime

_Loop: Any = asyncio.BaseEventLoop  # what a subclass needs of it is not in its typed surface


class OrderedTask(asyncio.Task[Any]):
    """A task that hashes by age."""

    def __init__(self, age: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.age = age
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.age


class OrderedFuture(asyncio.Future[Any]):
    """A future that hashes by age."""

    age = 0
    waiter: VirtualWaiter | None = None  # which it is behind

    def __hash__(self) -> int:
        return self.age


class OrderedTimer(asyncio.TimerHandle):
    """Of two for one moment the older one is first."""

    __slots__ = ("age",)

    def __init__(self, age: int, *arguments: Any) -> None:
        self.age = age
        super().__init__(*arguments)

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.age) < (other.when(), other.age)


class InOrder(WeakKeyDictionary[Any, None]):
    """As much of a WeakSet as the loop needs, by age."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    def __iter__(self) -> Iterator[Any]:
        return self.keys()


class VirtualLoop(_Loop, RealTimeOnly):  # type: ignore[misc]
    """Made by `VirtualRuntime.new_event_loop`. Runs in the program's thread, or in a spawned function."""

    _default_executor: Any

    def __init__(self, runtime: VirtualRuntime) -> None:
        super().__init__()
        self.runtime = runtime
        self.time = runtime.now
        self._waiter = VirtualWaiter(runtime, "the next event", self)
        self._selector = self  # whom BaseEventLoop asks between two rounds
        self._asyncgens = InOrder()
        self._age = 0
        self._adopted: dict[Task, asyncio.Task[Any]] = {}

    def __repr__(self) -> str:
        return f"<VirtualLoop at {self.time():.6f} s{', closed' if self.is_closed() else ''}>"

    # resting

    def run_forever(self) -> None:
        self._check_closed()
        self._check_running()
        self.runtime.begin_loop(self)
        try:
            super().run_forever()
        finally:
            self.runtime.end_loop()

    def select(self, timeout: float | None) -> list[Any]:
        """Until the first timer, whose own time is exact as `timeout` is not; or until something is ready."""
        when = None if timeout is None else self._scheduled[0]._when if timeout > 0 else self.time()
        self.runtime.rest(self._waiter, when)
        self._clock_resolution = ulp(self.time())  # what is due now is, and nothing else
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none but callbacks."""

    def _write_to_self(self) -> None:
        self.runtime.stir(self._waiter)

    # in order

    def _next_age(self) -> int:
        self._age += 1
        return self._age

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()
        if self.get_debug():
            self._check_thread()
        timer = OrderedTimer(self._next_age(), when, callback, args, self, context)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        future = OrderedFuture(loop=self)
        future.age = self._next_age()
        return future

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self.get_task_factory() is not None:
            made: asyncio.Task[Any] = super().create_task(coro, **options)
            return made
        self._check_closed()
        return OrderedTask(self._next_age(), coro, loop=self, **options)

    # tasks of the runtime, and what everybody waits for

    def adopt(self, task: Task, fn: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """A coroutine function was spawned here."""
        self._adopted[task] = self.create_task(self._run_spawned(task, fn), name=task.name)

    async def _run_spawned(self, task: Task, fn: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            await task.call_async(fn)
        finally:
            self._adopted.pop(task, None)
            self.runtime.finish(task)

    def expect(self, waiter: VirtualWaiter) -> asyncio.Future[Any]:
        """The future that `waiter` finishes."""
        future = OrderedFuture(loop=self)
        future.age, future.waiter = self._next_age(), waiter
        return future

    def waits(self) -> list[str]:
        """What each task waits for, and where."""
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        return [f"{task.get_name()} waits {self._what(task)}" for task in tasks]

    def _what(self, task: asyncio.Task[Any]) -> str:
        """The line of the program that awaits, and what: of our sockets the operation, else asyncio's function."""
        awaited: Any = task.get_coro()
        where, inner = "", ""
        while (frame := _frame(awaited)) is not None:
            if is_programs(frame):
                where, inner = place(awaited.__qualname__, frame), ""
            else:
                inner = inner or awaited.__qualname__
            awaited = _beneath(awaited)
        future = getattr(task, "_fut_waiter", None)
        waiter = getattr(future, "waiter", None)
        what = repr(future) if waiter is None else repr(waiter)
        return f"in {inner if inner and waiter is None else what}{where}"

    # functions in threads

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        """`func` runs in a spawned function: it may block in a host's sockets. ValueError for threads of the kernel."""
        if executor is None and self._default_executor is None and not self._executor_shutdown_called:
            self._default_executor = SpawningExecutor(self.runtime)
        _check_executor(executor)
        return super().run_in_executor(executor, func, *args)

    def set_default_executor(self, executor: Any) -> None:
        _check_executor(executor)
        self._default_executor = executor

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait, at most `timeout` virtual seconds, for what runs in it; RuntimeWarning where that is not enough."""
        self._executor_shutdown_called = True
        executor = self._default_executor
        if executor is None:
            return
        executor.shutdown(wait=False)
        idle = self.create_future()
        executor.when_idle(lambda: self.call_soon_threadsafe(_settle, idle))
        try:
            await asyncio.wait_for(idle, timeout)
        except TimeoutError:
            text = f"functions of the executor still run after {timeout} s of virtual time"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    # what needs the kernel, and is nobody's operation

    async def _ensure_resolved(self, address: Any, **options: Any) -> NoReturn:
        """The first thing that the loop's own create_connection and its like do about an address."""
        refuse(f"the kernel's sockets live in real time: {INSTEAD}")

    def _make_socket_transport(self, sock: Any, *arguments: Any, **options: Any) -> NoReturn:
        refuse_descriptor(sock)

    _make_ssl_transport = _make_datagram_transport = _make_socket_transport

    def _start_serving(self, protocol_factory: Any, sock: Any, *arguments: Any, **options: Any) -> NoReturn:
        refuse_descriptor(sock)

    async def _make_subprocess_transport(self, *arguments: Any, **options: Any) -> NoReturn:
        refuse("a process runs in real time: use a real clock")

    def _make_read_pipe_transport(self, pipe: Any, *arguments: Any, **options: Any) -> NoReturn:
        refuse_descriptor(pipe)

    _make_write_pipe_transport = _make_read_pipe_transport


def _settle(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)


def _frame(awaited: Any) -> Any:
    names = ("cr_frame", "gi_frame", "ag_frame")
    return next((getattr(awaited, name) for name in names if hasattr(awaited, name)), None)


def _beneath(awaited: Any) -> Any:
    names = ("cr_await", "gi_yieldfrom", "ag_await")
    return next((getattr(awaited, name) for name in names if hasattr(awaited, name)), None)


def _check_executor(executor: Any) -> None:
    if executor is not None and not isinstance(executor, SpawningExecutor):
        raise ValueError(f"{executor!r} has threads of the kernel, which a virtual clock cannot wait for: pass None")
