"""The baton of a virtual clock: who has it, who is next, and what somebody who is blocked waits for.

Exactly one thread runs: whoever has the baton. When all are blocked, the one that blocked last turns the crank and
moves the clock to the next deadline, until somebody may go on. The thread that runs the program (the runner) has the
baton back when what it asked for has come; it may also block like the others, where it turns an event loop. Refuses to
know how threads are made and ended, and what the program may ask for: `virtual` does.
"""

from __future__ import annotations

import logging
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
    Strand,
    Verdict,
    VirtualWaiter,
)
from netif.runtime.interrupts import Interrupts
from netif.runtime.joining import Joining
from netif.runtime.places import where
from netif.runtime.tasks import Task, TaskEnded

logger = logging.getLogger(__name__)

LOOK = 1.0  # seconds of real time between two looks at who has the baton
PATIENCE = 5  # such looks
REMEDY = "what a host's sockets and the runtime have lets it go on; use(host, clock=True) adds time, select, threading"


class Strands(Joining):
    """A Crank whose threads take turns, on a clock that jumps."""

    interrupts: Interrupts

    def __init__(self, *, seed: int | str, strict: bool) -> None:
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
        self.acted = False  # somebody has run since those who look last looked

    def _new_strand(self, name: str, body: Callable[[], None]) -> Strand:
        raise NotImplementedError

    def _run_events(self) -> None:
        raise NotImplementedError

    def _time(self) -> float:
        return self._now

    def poke(self) -> None:
        """Nobody sleeps in a poll."""

    def _resume(self, waiters: list[VirtualWaiter]) -> None:
        for waiter in waiters:
            if waiter.future is None:
                self.runs(waiter)
            else:
                waiter.finish()

    def runs(self, waiter: VirtualWaiter) -> None:
        """The strand that is blocked on `waiter` may go on."""
        strand, waiter.strand = waiter.strand, None
        if strand is not None:
            self._runnable.append(strand)

    # waiting

    def waiter(self, operation: str, endpoint: object) -> VirtualWaiter:
        return VirtualWaiter(self, operation, endpoint)

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        me = self._may_block(f"{waiter!r} would block", "use spawn(fn), and run_until or run_for here")
        if self.dirty:
            self.turn()
        if not waiter.woken and (deadline is None or self._now < deadline):
            self._block(me, waiter, deadline)
        woken: bool = waiter.woken
        waiter.woken = False
        return woken

    def _may_block(self, what: str, instead: str) -> Strand:
        """The strand of the calling thread. RuntimeError: it has none, or turns an event loop."""
        me = self._current
        if me is not None and me.loop is not None and me.ident == get_ident():
            raise RuntimeError(f"{what} the event loop: await it, or call it by asyncio.to_thread")
        if me is None or me is self._runner or me.ident != get_ident():
            raise RuntimeError(f"{what}, and this thread was not spawned: {instead}")
        if self._ending:
            raise TaskEnded
        return me

    def _block(self, me: Strand, waiter: VirtualWaiter, deadline: float | None) -> None:
        me.waiter, waiter.strand = waiter, me
        if waiter not in self.watchers:
            self.acted = True
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
        me = self._current
        if me is not None and me.loop is None:
            return self.wait(waiter, deadline)
        if self.dirty:
            self.turn()
        if me is not None:  # on an event loop there is no time to give: what is not closed by now is aborted
            return bool(waiter.woken)
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

    def sleep(self, seconds: float) -> None:
        self.enter()
        try:
            waiter = self.waiter("sleep", self)
            me = self._may_block("sleep would block", "use run_for")
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
            try:
                if me is self._runner:
                    self._await_runner()
                else:
                    me.baton.acquire()
            finally:
                self.enter()

    def _await_runner(self) -> None:
        """Until the baton is back; a spawned function that keeps it is told of, and does not keep Ctrl-C off."""
        looks, seen = 0, None
        while not self._runner.baton.acquire(timeout=LOOK):
            holder = self._current
            before, seen = seen, (holder, self._budget, self._now)
            looks = looks + 1 if seen == before else 0
            if holder is None or not looks:
                continue
            if looks == PATIENCE:
                name, seconds = self._name_of(holder), LOOK * PATIENCE
                logger.warning("%s keeps the clock still, for %g s now%s: %s", name, seconds, where(holder), REMEDY)
            if self.interrupts.waiting():
                try:
                    self.interrupts.deliver()
                except BaseException:
                    self._leave_behind(holder)
                    raise

    def _name_of(self, strand: Strand) -> str:
        return next((task.name for task, each in self._strands.items() if each is strand), "somebody")

    def _leave_behind(self, strand: Strand) -> None:
        """It may never come back: the runner goes on without it."""
        strand.lost = True
        for task in [task for task, each in self._strands.items() if each is strand]:
            del self._strands[task]
        self._current = self._runner

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
            elif self.watchers and self.acted:  # what was done may show in something that is not ours
                self.acted, self.dirty = False, True
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
        waits = self._condition is not None or self._runner.waiter is not None
        patient = waits and not self._closing
        if when is None or (patient and not self.deadlines.alive()):  # maintenance keeps nobody waiting
            return NOTHING_LEFT
        if when > self._limit:
            return TIME_UP
        self._budget -= 1
        self._now = max(self._now, when)
        self.turn()
        return None

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
        """What everybody waits for."""
        blocked = [(task.name, strand) for task, strand in self._strands.items()]
        names: list[str] = []
        for name, strand in [*blocked, ("the program", self._runner)]:
            if strand.loop is not None:
                names += strand.loop.waits()
            elif strand.waiter is not None:
                names.append(f"{name} waits in {strand.waiter!r}{where(strand)}")
        return tuple(names)
