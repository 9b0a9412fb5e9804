"""The asyncio runtime: the running loop leads, always; threads of their own are followers.

Descriptors are the loop's readers, the next deadline is its timer, coroutines wait behind futures. The gate is taken
by the loop's callbacks for a turn at a time and is never held across an await. A blocking call on the loop's own
thread raises, since nothing would go on meanwhile.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from netif.runtime.port import WirePort
from netif.runtime.realtime import RealTime
from netif.runtime.tasks import Task
from netif.runtime.waiters import ThreadWaiter

logger = logging.getLogger(__name__)


class AsyncioRuntime(RealTime):
    """Made inside a running loop, for that loop."""

    def __init__(self, *, strict: bool = False, seed: int | str | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        super().__init__(strict=strict, seed=seed, clock=self.loop.time)
        self._loop_thread = get_ident()
        self.polling = True  # always: whatever does not wake the loop has to wait for it
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._poked = False  # a poke is on its way to the loop
        self._changes: deque[tuple[WirePort, int | None, bool]] = deque()  # of readers, in order
        self._coroutines: dict[Task, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<AsyncioRuntime of {len(self.stacks)} stacks{', closed' if self.closed else ''}>"

    # the loop's side

    def _on_loop(self, callback: Callable[..., object], *args: Any) -> None:
        """Soon, on the loop. From any thread."""
        try:
            if get_ident() == self._loop_thread:
                self.loop.call_soon(callback, *args)
            else:
                self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: nothing will go on in it
            logger.debug("the event loop is closed")

    def poke(self) -> None:
        if not self._poked:
            self._poked = True
            self._on_loop(self._on_poke)

    def _on_poke(self) -> None:
        self._poked = False
        if self.closed:
            return
        self.enter()
        again, self.again = self.again, []
        for port in again:
            port.readable()
        self.dirty = True
        self.leave()

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, inf
        self._on_poke()

    def _on_readable(self, port: WirePort) -> None:
        self.enter()
        if not port.queued and not port.dead:
            self._drain(port)
        self.leave()

    def _on_writable(self, port: WirePort) -> None:
        self.enter()
        port.fire(self.now())
        self.touch(port.stack)
        self.leave()

    def _tell_poller(self) -> None:
        if self.dirty or self.again:
            self.poke()
        when = self.deadlines.earliest()
        if when is not None and when < self._timer_at:
            if get_ident() == self._loop_thread:
                self._set_timer(when)
            else:
                self.poke()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._timer, self._timer_at = self.loop.call_at(when, self._on_timer), when
        except RuntimeError:
            logger.debug("the event loop is closed")

    # descriptors

    def watch(self, port: WirePort) -> None:
        fd = None if port.dead else port.driver.fileno()
        if fd is None and port.descriptor is None:
            return
        if port.descriptor is not None and port.descriptor != fd:
            self._changes.append((port, port.descriptor, False))
        if fd is not None:
            self._changes.append((port, fd, True))
        port.descriptor = fd
        if get_ident() == self._loop_thread:
            self._apply_changes()
        else:
            self._on_loop(self._apply_changes)

    def _apply_changes(self) -> None:
        while self._changes:
            port, fd, wanted = self._changes.popleft()
            if fd is None or self.loop.is_closed():
                continue
            if not wanted:
                self.loop.remove_reader(fd)
                self.loop.remove_writer(fd)
            elif port.descriptor == fd:
                self.loop.add_reader(fd, self._on_readable, port)
                if port.driver.wants_write():
                    self.loop.add_writer(fd, self._on_writable, port)
                else:
                    self.loop.remove_writer(fd)

    # waiting

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        if get_ident() == self._loop_thread:
            raise RuntimeError(f"{waiter!r} would block the event loop: await it, or call it from a thread")
        return super().wait(waiter, deadline)

    def wait_closing(self, waiter: Any, deadline: float) -> bool:
        """On the loop's own thread there is no time to give: what is not closed by now is aborted."""
        if get_ident() != self._loop_thread:
            return super().wait_closing(waiter, deadline)
        if self.dirty:
            self.turn()
        woken: bool = waiter.woken
        return woken

    def _rest(self, waiter: ThreadWaiter, deadline: float | None) -> None:
        if get_ident() == self._loop_thread:
            raise RuntimeError("this call would block the event loop: await asyncio.sleep, or call it from a thread")
        super()._rest(waiter, deadline)

    # tasks and events

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task:
        """A coroutine function becomes a task of the loop, any other function a thread. Both can be awaited."""
        if not inspect.iscoroutinefunction(fn):
            return super().spawn(fn, name)
        task = self._new_task(fn, name)
        self._coroutines[task] = asyncio.Task(self._run_coroutine(task, fn), loop=self.loop, name=task.name)
        return task

    async def _run_coroutine(self, task: Task, fn: Callable[[], Any]) -> None:
        try:
            await task.call_async(fn)
        finally:
            self._coroutines.pop(task, None)
            self._finish_task(task)

    def post(self, handler: Callable[[], None]) -> None:
        self.posted.append(handler)
        self._on_loop(self.run_posted)

    # lifetime

    def _shut(self) -> list[Any]:
        self._on_loop(self._stop_timer)
        return []

    def _stop_timer(self) -> None:
        if self._timer is not None and not self._running:
            self._timer.cancel()
            self._timer, self._timer_at = None, inf

    def close(self) -> None:
        if not self.closed:
            coroutines = list(self._coroutines.values())
            super().close()
            for coroutine in coroutines:
                self._on_loop(coroutine.cancel)
