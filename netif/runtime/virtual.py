"""The virtual runtime: a discrete-event clock, and a baton that passes between threads.

Exactly one thread runs: whoever has the baton. Spawned functions run in turn, first come first served; when all are
blocked, the one that blocked last turns the crank and moves the clock to the next deadline, until somebody may go on.
The thread in `run_*` gets the baton back when its condition holds, its time is up, a spawned function raised, or
nothing is left to happen. Nothing here depends on real time, on `id()` or on `hash()`: a run can be replayed.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from math import inf
from typing import Any

from netif.runtime.baton import COUNTED, INTERRUPTED, NOTHING_LEFT, TIME_UP, Deadlock, Strand, Verdict
from netif.runtime.forking import descendants
from netif.runtime.gate import Gate
from netif.runtime.interrupts import Interrupts
from netif.runtime.looping import Looping
from netif.runtime.port import WirePort
from netif.runtime.tasks import Task, TaskEnded, check_function

FOREVER = 3600.0  # virtual seconds; the default patience of run_until
CHILD = "this runtime belongs to the parent process; after a fork, make a runtime of your own"


class VirtualRuntime(Looping):
    """A clock that jumps. Spawn functions, then `run_until`, `run_for` or `step`."""

    shared = False

    def __init__(self, *, seed: int | str = 0, strict: bool = True) -> None:
        super().__init__(seed=seed, strict=strict)
        self.interrupts = Interrupts(self, self.poke, _CALLS)

    def __repr__(self) -> str:
        return f"<VirtualRuntime at {self._now:.6f} s, {len(self.stacks)} stacks{', closed' if self.closed else ''}>"

    def watch(self, port: WirePort) -> None:
        if not port.dead and port.driver.fileno() is not None:
            clocks = "a ThreadedRuntime, or clock='real' of a Lan"
            raise ValueError(f"{port.netif.if_key}: a wire with a descriptor needs a real clock: {clocks}")

    def _afterwards(self) -> None:
        self.later = bool(self.interrupts.pending)  # until the main thread has taken them
        self.interrupts.deliver()

    # running

    def run_for(self, seconds: float) -> None:
        """Let this much time pass."""
        self._run(None, self._now + seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = FOREVER) -> None:
        """Until `condition()`; TimeoutError after so many virtual seconds, Deadlock when nothing is left to happen."""
        check_function(condition, "run_until", "run_until(task.done)")
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

    # tasks

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task:
        """A coroutine function becomes a task of the loop that runs here; else it has a loop of its own."""
        task = self._new_task(fn, name)
        if iscoroutinefunction(fn):
            loop = self.loop_here()
            if loop is not None:
                loop.adopt(task, fn)
                return task
            task.fn = partial(self._run_alone, fn)
        strand = self._strands[task] = self._new_strand(task.name, lambda: self._run_task(task))
        self._runnable.append(strand)
        return task

    def _run_alone(self, fn: Callable[[], Any]) -> Any:
        return self.run(fn())

    def enlist(self, fn: Callable[[], Any], name: str) -> tuple[Task, Callable[[], None], Callable[[], None]]:
        """For a thread that somebody else makes: (its task, what it runs first and last of all, `begin`). Call `begin`
        when it has started: from then on `fn` has its turn."""
        task, strand = self._new_task(fn, name), Strand()

        def begin() -> None:
            self._strands[task] = strand
            self._runnable.append(strand)

        return task, partial(self._live, strand, partial(self._run_task, task)), begin

    def _new_strand(self, name: str, body: Callable[[], None]) -> Strand:
        strand = Strand()
        strand.thread = threading.Thread(target=self._live, args=(strand, body), name=name, daemon=True)
        strand.thread.start()
        return strand

    def _live(self, strand: Strand, body: Callable[[], None]) -> None:
        strand.ident = get_ident()
        strand.baton.acquire()
        body()
        if not strand.lost:
            self._hand_on()

    def _run_task(self, task: Task) -> None:
        if not self._ending:
            task.call()
        else:
            task.error = TaskEnded()
        self.enter()
        self._task_ended(task)
        self._strands.pop(task, None)
        self.release()

    def finish(self, task: Task) -> None:
        """A coroutine that was spawned has ended."""
        self.enter()
        self._task_ended(task)
        self.leave()

    def _hand_on(self) -> None:
        """The thread of the current strand ends."""
        self.enter()
        self.acted = True
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
        VirtualRuntime.rest,
        VirtualRuntime.stir,
        Gate.enter,
    )
)
