"""The virtual runtime: a discrete-event clock, and a baton that passes between threads.

Exactly one thread runs: whoever has the baton. Spawned functions run in turn, first come first served; when all are
blocked, the one that blocked last turns the crank and moves the clock to the next deadline, until somebody may go on.
The thread in `run_*` gets the baton back when its condition holds, its time is up, a spawned function raised, or
nothing is left to happen. Nothing here depends on real time, on `id()` or on `hash()`: a run can be replayed.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from netif.runtime.baton import (
    COUNTED,
    FAILED,
    INTERRUPTED,
    NOTHING_LEFT,
    TIME_UP,
    TRUE,
    Deadlock,
    Strand,
    Verdict,
    VirtualWaiter,
)
from netif.runtime.forking import descendants
from netif.runtime.gate import Gate
from netif.runtime.interrupts import Interrupts
from netif.runtime.joining import Joining
from netif.runtime.port import WirePort
from netif.runtime.tasks import Task, TaskEnded

FOREVER = 3600.0  # virtual seconds; the default patience of run_until
CHILD = "this runtime belongs to the parent process; after a fork, make a runtime of your own"


class VirtualRuntime(Joining):
    """A clock that jumps. Spawn functions, then `run_until`, `run_for` or `step`."""

    shared = False

    def __init__(self, *, seed: int | str = 0, strict: bool = True) -> None:
        super().__init__(clock=self._time, strict=strict, seed=seed)
        self._now = 0.0
        self._runnable: deque[Strand] = deque()
        self._strands: dict[Task, Strand] = {}
        self._current: Strand | None = None  # who has the baton; None: whoever is not in run_*
        self._runner = Strand()
        self._condition: Callable[[], bool] | None = None
        self._limit = inf  # when the runner's time is up
        self._budget = -1  # events until the runner wants the baton back; -1: any number
        self._verdict = TRUE
        self._closing = False  # the runner waits for connections to end: exceptions of tasks surface later
        self._ending = False
        self._event_strand: Strand | None = None
        self.interrupts = Interrupts(self, self.poke, _CALLS)

    def __repr__(self) -> str:
        return f"<VirtualRuntime at {self._now:.6f} s, {len(self.stacks)} stacks{', closed' if self.closed else ''}>"

    def _time(self) -> float:
        return self._now

    def poke(self) -> None:
        """Nobody sleeps in a poll."""

    def watch(self, port: WirePort) -> None:
        if not port.dead and port.driver.fileno() is not None:
            clocks = "a ThreadedRuntime, or clock='real' of a Lan"
            raise ValueError(f"{port.netif.if_key}: a wire with a descriptor needs a real clock: {clocks}")

    def _afterwards(self) -> None:
        self.later = bool(self.interrupts.pending)  # until the main thread has taken them
        self.interrupts.deliver()

    def _resume(self, waiters: list[VirtualWaiter]) -> None:
        for waiter in waiters:
            self.runs(waiter)

    def runs(self, waiter: VirtualWaiter) -> None:
        """The strand that is blocked on `waiter` may go on."""
        strand, waiter.strand = waiter.strand, None
        if strand is not None:
            self._runnable.append(strand)

    # waiting

    def waiter(self, operation: str, endpoint: object) -> VirtualWaiter:
        return VirtualWaiter(self, operation, endpoint)

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        me = self._current
        if me is None or me is self._runner or me.ident != get_ident():
            raise RuntimeError(f"{waiter!r} would block, and this thread was not spawned: use runtime.spawn(fn)")
        if self._ending:
            raise TaskEnded
        if self.dirty:
            self.turn()
        if not waiter.woken and (deadline is None or self._now < deadline):
            self._block(me, waiter, deadline)
        woken: bool = waiter.woken
        waiter.woken = False
        return woken

    def _block(self, me: Strand, waiter: VirtualWaiter, deadline: float | None) -> None:
        me.waiter, waiter.strand = waiter, me
        if deadline is not None:
            waiter.deadline = deadline
            self.deadlines.arm(waiter)
        try:
            self._switch(me)
        finally:
            me.waiter = waiter.strand = None
            self.deadlines.drop(waiter)
        if self._ending:
            raise TaskEnded

    def wait_closing(self, waiter: Any, deadline: float) -> bool:
        if self._current is not None:
            return self.wait(waiter, deadline)
        if self.dirty:
            self.turn()
        self._closing = True
        try:
            while self._drive(lambda: waiter.woken, deadline) is INTERRUPTED:
                self.release()
                try:
                    self.interrupts.deliver()
                finally:
                    self.enter()
        finally:
            self._closing = False
        woken: bool = waiter.woken
        waiter.woken = False
        return woken

    async def wait_async(self, waiter: Any, deadline: float | None) -> bool:
        raise RuntimeError("a virtual clock has no event loop: spawn functions, or use AsyncioRuntime")

    def sleep(self, seconds: float) -> None:
        self.enter()
        try:
            waiter = self.waiter("sleep", self)
            me = self._current
            if me is None or me is self._runner or me.ident != get_ident():
                raise RuntimeError("sleep would block, and this thread was not spawned: use run_for")
            if self._ending:
                raise TaskEnded
            if self.dirty:
                self.turn()
            self._block(me, waiter, self._now + max(0.0, seconds))
        finally:
            self.leave()

    # the baton

    def _switch(self, me: Strand) -> None:
        """Give up the baton until it comes back. The gate is held on entry and return."""
        chosen = self._next()
        if chosen is not me:
            self._current = chosen
            self.release()
            chosen.baton.release()
            me.baton.acquire()
            self.enter()

    def _next(self) -> Strand:
        """Who runs next: turns the crank and moves the clock until somebody may."""
        while (verdict := self._runner_due()) is None:
            if self.posted and self._event_strand is None and not self._ending:
                self._event_strand = self._new_strand("netif events", self._run_events)
                self._runnable.append(self._event_strand)
            if self._runnable:
                self._budget -= 1
                return self._runnable.popleft()
            if self.dirty or self.arrivals:
                self.turn()
            elif (verdict := self._move_clock()) is not None:
                break
        self._verdict = verdict
        return self._runner

    def _runner_due(self) -> Verdict | None:
        if self.interrupts.pending and not self._ending:
            return INTERRUPTED
        if self._failed and not self._closing:
            return FAILED
        if self._budget == 0:
            return COUNTED
        if self._condition is None:
            return None
        current, self._current = self._current, self._runner  # a condition that blocks is told so
        self.release()
        try:
            return TRUE if self._condition() else None
        except BaseException:
            return TRUE  # it is asked again where its exception can be raised
        finally:
            self.enter()
            self._current = current

    def _move_clock(self) -> Verdict | None:
        """To the next deadline, but not beyond the runner's limit; a verdict where no event is left before it."""
        when = self.deadlines.earliest()
        patient = self._condition is not None and not self._closing
        if when is None or (patient and not self.deadlines.alive()):  # maintenance keeps nobody waiting
            return NOTHING_LEFT
        if when > self._limit:
            return TIME_UP
        self._budget -= 1
        self._now = max(self._now, when)
        self.turn()
        return None

    # running

    def run_for(self, seconds: float) -> None:
        """Let this much time pass."""
        self._run(None, self._now + seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = FOREVER) -> None:
        """Until `condition()`; TimeoutError after so many virtual seconds, Deadlock when nothing is left to happen."""
        verdict = self._run(condition, self._now + timeout)
        if verdict is NOTHING_LEFT:
            raise Deadlock(self._names())
        if verdict is TIME_UP:
            raise TimeoutError(f"the condition did not come true within {timeout:g} s of virtual time")
        condition()  # if it raised, it does so here

    def step(self) -> bool:
        """One event: a task runs until it blocks, or the clock moves and what was due is done. False: none is left."""
        self._budget = 1
        try:
            return self._run(None, inf) is COUNTED
        finally:
            self._budget = -1

    def _run(self, condition: Callable[[], bool] | None, limit: float) -> Verdict:
        if self.closed:
            raise RuntimeError("this runtime is closed")
        if self._current is not None:
            raise RuntimeError("somebody runs this clock already; in a spawned function, use sleep or result")
        self.interrupts.install()
        while True:
            self.enter()
            try:
                verdict = self._drive(condition, limit)
            finally:
                self.leave()
            self._surface()
            if verdict is not INTERRUPTED:  # else the handler was the program's own, and has returned
                return verdict

    def _drive(self, condition: Callable[[], bool] | None, limit: float) -> Verdict:
        """Give the baton away until the runner is due. The gate is held on entry and return."""
        self._condition, self._limit, self._current = condition, limit, self._runner
        self._runner.ident = get_ident()
        try:
            self._switch(self._runner)
        finally:
            self._condition, self._limit, self._current = None, inf, None
        patient = condition is not None and not self._closing
        if limit != inf and (self._verdict is TIME_UP or (self._verdict is NOTHING_LEFT and not patient)):
            self._now = max(self._now, limit)
        return self._verdict

    def _names(self) -> tuple[str, ...]:
        blocked = [(task.name, strand.waiter) for task, strand in self._strands.items() if strand.waiter is not None]
        return tuple(f"{name} waits in {waiter!r}" for name, waiter in blocked)

    # tasks

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task:
        task = self._new_task(fn, name)
        strand = self._strands[task] = self._new_strand(task.name, lambda: self._run_task(task))
        self._runnable.append(strand)
        return task

    def _new_strand(self, name: str, body: Callable[[], None]) -> Strand:
        strand = Strand()

        def run() -> None:
            strand.ident = get_ident()
            strand.baton.acquire()
            body()
            self._hand_on()

        strand.thread = threading.Thread(target=run, name=name, daemon=True)
        strand.thread.start()
        return strand

    def _run_task(self, task: Task) -> None:
        if not self._ending:
            task.call()
        else:
            task.error = TaskEnded()
        self.enter()
        self._task_ended(task)
        del self._strands[task]
        self.release()

    def _hand_on(self) -> None:
        """The thread of the current strand ends."""
        self.enter()
        chosen = self._current = self._next()
        self.release()
        chosen.baton.release()

    # events

    def post(self, handler: Callable[[], None]) -> None:
        """From anywhere, a finalizer included: so the strand is made later, by whoever gives up the baton next."""
        self.posted.append(handler)

    def _run_events(self) -> None:
        if not self._ending:
            try:
                self.run_posted()
            except TaskEnded:
                pass
        self._event_strand = None

    # lifetime

    def _start(self) -> None:
        descendants.add(self)
        self.interrupts.install()

    def _stop(self) -> None:
        descendants.discard(self)
        self.interrupts.restore()

    def close(self) -> None:
        """End blocked tasks, then close the stacks that are left. Idempotent; not from a spawned function."""
        if self.closed:
            return
        if self._current is not None:
            raise RuntimeError("a spawned function cannot close the runtime that runs it")
        self._end_tasks()
        self._close_stacks()
        self._end_tasks()
        self.enter()
        try:
            for stack in list(self.stacks):
                self.remove_stack(stack)
            self.closed = True
        finally:
            self.leave()
        self.run_posted()
        self.interrupts.restore()
        self._log_unseen()
        self.interrupts.deliver()

    def _end_tasks(self) -> None:
        """Every strand unwinds; those that wait do it out of their blocking call."""
        strands = [*self._strands.values(), *([self._event_strand] if self._event_strand else ())]
        if not strands:
            return
        self.enter()
        self._ending = self._closing = True
        for strand in strands:
            waiter = strand.waiter
            if waiter is not None:
                self.runs(waiter)
        self._drive(lambda: not self._strands and self._event_strand is None, inf)
        self._ending = self._closing = False
        self.release()
        for strand in strands:
            if strand.thread is not None:
                strand.thread.join()

    def forked(self) -> None:
        self.closed = True
        self.bury(CHILD)


_CALLS = frozenset(
    call.__code__
    for call in (
        VirtualRuntime.leave,
        VirtualRuntime.wait,
        VirtualRuntime.wait_closing,
        VirtualRuntime.sleep,
        VirtualRuntime.run_for,
        VirtualRuntime.run_until,
        VirtualRuntime.step,
        VirtualRuntime.close,
        Gate.enter,
    )
)
