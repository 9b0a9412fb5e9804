"""What runtimes on a real clock share: threads that sleep on locks of their own, tasks as threads, events, Ctrl-C.

Knows who sleeps, and how to wait with the gate given away. Refuses to know who polls the descriptors: a runtime says
that in `_sleep`. A caller that only passes time (`sleep`, `run_*`) is a bystander, and never polls.
"""

from __future__ import annotations

import _thread
import atexit
import threading
import time
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netif.runtime.crank import Crank
from netif.runtime.events import EventThread
from netif.runtime.forking import descendants, let_go
from netif.runtime.gate import Gate, Lock
from netif.runtime.interrupts import Interrupts
from netif.runtime.joining import Joining
from netif.runtime.tasks import Task, TaskEnded, check_function
from netif.runtime.waiters import ThreadWaiter

RECHECK = 0.001  # seconds between two looks of `run_until` at its condition while turns go on
FOREVER = 3600.0  # seconds; the default patience of run_until
JOIN_TIMEOUT = 2.0  # seconds that close() gives a spawned function to end
CHILD = "this runtime belongs to the parent process; after a fork, make a Stack of your own"


class RealTime(Joining):
    """A Crank on a real clock."""

    def __init__(
        self,
        *,
        strict: bool,
        seed: int | str | None,
        clock: Callable[[], float] = time.monotonic,
        new_lock: Callable[[], Lock] = allocate_lock,
    ) -> None:
        super().__init__(clock=clock, strict=strict, seed=seed, new_lock=new_lock)
        self._followers: dict[ThreadWaiter, None] = {}  # asleep, and may be handed the lead
        self._bystanders: dict[ThreadWaiter, None] = {}  # asleep, and may not
        self._watching: dict[ThreadWaiter, None] = {}  # run_*: woken by every task that ends
        self._task_threads: dict[Task, threading.Thread] = {}
        self._events = EventThread(self)
        self.interrupts = Interrupts(self, self._wake_main, _calls(type(self)))
        self._pending = self.interrupts.pending
        self._main = threading.main_thread().ident
        self._main_sleeper: ThreadWaiter | None = None
        self._ending = False  # the last stack has gone; leave() ends threads and descriptors
        self._running = False

    def _afterwards(self) -> None:
        """Called with the gate free, where that was asked for under it."""
        self.later = False
        if self._events.wanted():
            self._start_events()
        if self._ending:
            self._end()
        if self.interrupts.pending:
            self.later = True  # until the main thread has taken them
            self.interrupts.deliver()

    # waiting

    def waiter(self, operation: str, endpoint: object) -> ThreadWaiter:
        return ThreadWaiter(self, operation, endpoint)

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        return self._wait(waiter, deadline, self._sleep)

    def wait_closing(self, waiter: Any, deadline: float) -> bool:
        return self._wait(waiter, deadline, self._sleep)

    def _wait(
        self, waiter: ThreadWaiter, deadline: float | None, sleep: Callable[[ThreadWaiter, float | None], None]
    ) -> bool:
        if self.dirty:
            self.turn()
        try:
            while not waiter.woken:
                if self.closed:
                    raise self._closed_error()
                if self._pending and self.interrupts.waiting():
                    self._interrupted()
                elif deadline is not None and self.now() >= deadline:
                    return False
                else:
                    sleep(waiter, deadline)
            waiter.woken = False
            return True
        finally:
            self._awake(waiter)

    def _sleep(self, waiter: ThreadWaiter, deadline: float | None) -> None:
        """Sleep once, the gate given away meanwhile; may end early."""
        self._follow(waiter, deadline, self._followers)

    def _rest(self, waiter: ThreadWaiter, deadline: float | None) -> None:
        """As `_sleep`, without ever polling."""
        self._follow(waiter, deadline, self._bystanders)

    def _awake(self, waiter: ThreadWaiter) -> None:
        """`waiter` will not sleep again: it gives back what it was handed."""

    def _follow(self, waiter: ThreadWaiter, deadline: float | None, line: dict[ThreadWaiter, None]) -> None:
        lock = waiter.lock
        if lock is None:
            lock = waiter.lock = self._new_lock()
            lock.acquire()
        timeout = -1.0 if deadline is None else min(max(0.0, deadline - self.now()), threading.TIMEOUT_MAX)
        line[waiter] = None
        waiter.asleep = True
        waiter.thread = thread = get_ident()
        main = thread == self._main
        if main:
            self._main_sleeper = waiter
        self.release()
        try:
            if not (main and self._pending):
                lock.acquire(True, timeout)
        finally:  # a signal handler that was installed after ours may raise here
            if main:
                self._main_sleeper = None
            self.enter()
            waiter.asleep = False
            if self.roused is waiter:
                self.roused = None
            line.pop(waiter, None)

    async def wait_async(self, waiter: Any, deadline: float | None) -> bool:
        import asyncio

        loop = asyncio.get_running_loop()
        if self.dirty:
            self.turn()
        if self.closed and not waiter.woken:
            raise self._closed_error()
        if not waiter.woken:
            future = waiter.sleep_on(loop)
            waiter.asleep = True
            self._bystanders[waiter] = None
            timer = None
            if deadline is not None:
                timer = loop.call_at(loop.time() + max(0.0, deadline - self.now()), waiter.rouse)
            self.release()
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
                self.enter()
                waiter.asleep = False
                waiter.future = None
                self._bystanders.pop(waiter, None)
            if self.closed and not waiter.woken:
                raise self._closed_error()
        woken: bool = waiter.woken
        waiter.woken = False
        return woken

    def _resume(self, waiters: list[ThreadWaiter]) -> None:
        for waiter in waiters:
            if waiter.future is not None:
                waiter.rouse()
            elif waiter.asleep:
                self._followers.pop(waiter, None)
                self.chain.append(waiter)

    def _closed_error(self) -> BaseException:
        ident = get_ident()
        if any(thread.ident == ident for thread in self._task_threads.values()):
            return TaskEnded()
        return super()._closed_error()

    # Ctrl-C

    def _wake_main(self) -> None:
        """In the signal handler: end the sleep of the main thread."""
        sleeper = self._main_sleeper
        if sleeper is not None:
            sleeper.rouse()

    def _interrupted(self) -> None:
        """The main thread was interrupted while it waited: run the handlers with the gate free."""
        self.release()
        try:
            self.interrupts.deliver()
        finally:
            self.enter()

    # tasks and time

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task:
        task = self._new_task(fn, name)
        thread = threading.Thread(target=self._run_task, args=(task,), name=task.name, daemon=True)
        self._task_threads[task] = thread
        thread.start()
        return task

    def _run_task(self, task: Task) -> None:
        task.call()
        self._finish_task(task)

    def _finish_task(self, task: Task) -> None:
        self.enter()
        self._task_ended(task)
        self._task_threads.pop(task, None)
        for waiter in self._watching:
            waiter.wake()
        self.leave()

    def sleep(self, seconds: float) -> None:
        deadline = self.now() + seconds
        self.enter()
        try:
            self._wait(self.waiter("sleep", self), deadline, self._rest)
        finally:
            self.leave()

    def run_for(self, seconds: float) -> None:
        """Let everything run for a while; an exception in a spawned function surfaces here."""
        self._watch(lambda: False, self.now() + seconds, turns=False)

    def run_until(self, condition: Callable[[], bool], timeout: float = FOREVER) -> None:
        """Let everything run until `condition()`; looked at when a task ends and as turns go on."""
        check_function(condition, "run_until", "run_until(task.done)")
        if not self._watch(condition, self.now() + timeout, turns=True) and not condition():
            raise TimeoutError(f"the condition did not come true within {timeout:g} s")

    def step(self, timeout: float = FOREVER) -> bool:
        """Wait for one turn, or for a task to end; False if there was none in time."""
        looks = iter((False, True))
        return self._watch(lambda: next(looks), self.now() + timeout, turns=True)

    def _watch(self, condition: Callable[[], bool], deadline: float, *, turns: bool) -> bool:
        waiter = self.waiter("run", condition)
        try:
            while True:
                self.enter()
                waiter.woken = False
                self._watching[waiter] = None
                if turns:
                    self.watchers[waiter] = None
                self.leave()
                self._surface()
                if condition():
                    return True
                if not self._look_away(waiter, deadline):
                    self._surface()
                    return False
        finally:
            self.enter()
            self._watching.pop(waiter, None)
            self.watchers.pop(waiter, None)
            self.leave()

    def _look_away(self, waiter: ThreadWaiter, deadline: float) -> bool:
        """Sleep until something happened, and then a little more, since turns come in crowds; False: time is up."""
        self.enter()
        try:
            if not self._wait(waiter, deadline, self._rest):
                return False
            if waiter not in self.watchers and not self._failed:
                self._wait(waiter, min(deadline, self.now() + RECHECK), self._rest)
            return True
        finally:
            self.leave()

    # events

    def post(self, handler: Callable[[], None]) -> None:
        """From anywhere, a finalizer included: so the thread is started later, by whoever leaves the gate next."""
        if self.buried is not None:
            return  # a forked child: nothing of its parent's happens here
        self.posted.append(handler)
        if not self._running:
            with suppress(RuntimeError):  # the interpreter has ended, and starts none (Python 3.12)
                _thread.start_new_thread(self.run_posted, ())  # a straggler: no thread waits for more of them
        elif not self._events.rouse():
            self.later = True
            self.poke()

    def _delivered(self) -> None:
        """Conditions of `run_until` often depend on what handlers do."""
        if self._watching:
            self.enter()
            for waiter in self._watching:
                waiter.wake()
            self.leave()

    def _start_events(self) -> None:
        """The gate is free."""
        self.enter()
        if self._running:
            self._events.start()
        self.release()

    # lifetime

    def _start(self) -> None:
        self._ending = False
        if not self._running:
            self._open()
            self._running = True
            self.interrupts.install()
            descendants.add(self)
            atexit.register(self.close)

    def _stop(self) -> None:
        self._ending = self.later = True

    def _end(self) -> None:
        """End threads and descriptors, unless a stack has come meanwhile. The gate is free."""
        self.enter()
        threads: list[threading.Thread] = []
        if self._ending:
            self._ending = self._running = False
            self.interrupts.restore()
            descendants.discard(self)
            atexit.unregister(self.close)
            threads = self._shut()
        self.release()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
        self._events.stop()
        self.enter()
        if not self._running:
            self._shut_down()
        self.release()

    def _open(self) -> None:
        """Open what is polled, start what polls. The gate is held."""

    def _shut(self) -> list[threading.Thread]:
        """Tell who polls to end; answers whom to wait for. The gate is held."""
        return []

    def _shut_down(self) -> None:
        """They have ended: close what was polled. The gate is held."""

    def close(self) -> None:
        """Close the stacks that are left, end blocked tasks, threads and descriptors. Idempotent."""
        if self.closed:
            return
        self._close_stacks()
        self.enter()
        try:
            for stack in list(self.stacks):
                self.remove_stack(stack)
            self.closed = True
            for waiter in (*self._followers, *self._bystanders):
                waiter.rouse()
            self.poke()
            mine = get_ident()  # and Ctrl-C may have cut short what starts one: it cannot be waited for
            threads = [thread for thread in self._task_threads.values() if thread.is_alive() and thread.ident != mine]
        finally:
            self.leave()
        self._events.stop()
        self.run_posted()  # by a thread that ends the program, there is none to do it
        for thread in threads:
            thread.join(JOIN_TIMEOUT)
        self._log_unseen()
        self.interrupts.deliver()

    def forked(self) -> None:
        """This is a child process: no descriptor, no thread and no call is ours any more."""
        self.closed = True
        self.bury(CHILD)
        for port in self.ports.values():
            for each in (port, port.also):
                if each is not None and each.descriptor is not None:
                    let_go(each.descriptor)
        self.interrupts.restore()
        atexit.unregister(self.close)
        self._running = self._ending = False


def _calls(kind: type[Crank]) -> frozenset[Any]:
    """The calls inside which Ctrl-C is put off: each of them delivers it as it ends."""
    names = ("leave", "wait", "wait_closing", "sleep", "run_for", "run_until", "step", "join", "close")
    codes = [getattr(kind, name).__code__ for name in names]
    return frozenset([*codes, Gate.enter.__code__])
