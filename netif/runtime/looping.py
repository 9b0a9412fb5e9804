"""Event loops on a virtual clock: how a loop rests, how its tasks wait, and `run`.

A loop is turned by a strand, or by the thread that runs the program: what has nothing ready gives up the baton until
its next timer, or until somebody has something for it. A second loop is another strand. Refuses to know what a loop
does between two rests (`virtual_loop`), and to import asyncio before somebody asks for a loop.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable, Coroutine
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar, cast

from netif.runtime.baton import FAILED, INTERRUPTED, NOTHING_LEFT, TRUE, Deadlock, Strand, VirtualWaiter
from netif.runtime.strands import Strands
from netif.runtime.tasks import TaskEnded

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime
    from netif.runtime.virtual_loop import VirtualLoop

T = TypeVar("T")


class Looping(Strands):
    """Strands, some of which turn event loops."""

    def __init__(self, *, seed: int | str, strict: bool) -> None:
        super().__init__(seed=seed, strict=strict)
        self._enrolled: dict[int, int] = {}  # idents of threads, and how often each is

    def new_event_loop(self) -> VirtualLoop:
        """A loop in this runtime's time: for asyncio.Runner(loop_factory=...), or whoever makes loops."""
        from netif.runtime.virtual_loop import VirtualLoop

        return VirtualLoop(cast("VirtualRuntime", self))

    def run(self, main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
        """Run a coroutine to its end, as asyncio.run does, in virtual time; from the program or a spawned function.

        Raises Deadlock where nothing is left to happen, and what a spawned function raised meanwhile."""
        import asyncio

        if self.closed or asyncio._get_running_loop() is not None:
            main.close()
            raise RuntimeError("this runtime is closed" if self.closed else "a loop runs here already: await it there")
        if current_thread() is main_thread():
            self.interrupts.restore()  # asyncio's handler, which cancels `main`, wants the default; ours goes over it
        with asyncio.Runner(debug=debug, loop_factory=self.new_event_loop) as runner:
            return runner.run(main)

    def loop_here(self) -> VirtualLoop | None:
        """The loop of ours that runs in the calling thread."""
        asyncio = sys.modules.get("asyncio")
        loop = asyncio._get_running_loop() if asyncio is not None else None
        return loop if getattr(loop, "runtime", None) is self else None

    # turning a loop

    def begin_loop(self, loop: VirtualLoop) -> None:
        """The calling thread turns `loop` from now on. RuntimeError: it may not."""
        if self.closed:
            raise RuntimeError("this runtime is closed")
        me = self._current
        if me is None:
            me = self._current = self._runner
            me.ident = get_ident()
            self.interrupts.install()
        elif me.ident != get_ident() or me is self._runner:
            raise RuntimeError("somebody runs this clock already: await in its loop, or use runtime.spawn(fn)")
        me.loop = loop

    def end_loop(self) -> None:
        me = self._current
        assert me is not None
        me.loop = None
        if me is self._runner:
            self._current = None
            self.interrupts.restore()  # whoever put theirs below ours as the loop began takes it away

    def stir(self, waiter: VirtualWaiter) -> None:
        """Its loop has something to do. From any thread, with the gate held or free."""
        if self.owner == get_ident():
            waiter.woken = True
            self.runs(waiter)
            return
        self.enter()
        waiter.woken = True
        self.runs(waiter)
        self.leave()

    def rest(self, waiter: VirtualWaiter, deadline: float | None) -> None:
        """Until `waiter` is stirred, or `deadline` has come; whoever may run does so first, even then. For whoever has
        the baton, turning a loop or not, and for enrolled threads."""
        self.enter()
        try:
            if self.dirty:
                self.turn()
            self._pause(waiter, deadline)
            waiter.woken = False
        finally:
            self.leave()

    def _pause(self, waiter: VirtualWaiter, deadline: float | None) -> None:
        me = self._current
        if me is not None:
            self._pause_as(me, waiter, deadline)
            return
        me = self._current = self._runner
        me.ident = get_ident()
        self.interrupts.install()
        try:
            self._pause_as(me, waiter, deadline)
        finally:
            self._current = None

    def _pause_as(self, me: Strand, waiter: VirtualWaiter, deadline: float | None) -> None:
        self._verdict = TRUE
        if waiter.woken or (deadline is not None and deadline <= self._now):
            if self._runnable and not self._ending:
                self._runnable.append(me)
                self._switch(me)
                self._heed(me, waiter)
            return
        if self._ending:
            raise TaskEnded
        while not waiter.woken and (deadline is None or self._now < deadline):
            self._verdict = TRUE
            self._block(me, waiter, deadline)
            self._heed(me, waiter)

    def _heed(self, me: Strand, waiter: VirtualWaiter) -> None:
        """The program's own thread may have the baton for a reason of its own."""
        if me is not self._runner:
            return
        if me in self._runnable:
            self._runnable.remove(me)
        if self._verdict is NOTHING_LEFT:
            mine = () if me.loop is not None else (f"the program waits in {waiter!r}",)
            raise Deadlock((*self._names(), *mine))
        if self._verdict is INTERRUPTED:
            self.release()
            try:
                self.interrupts.deliver()
            finally:
                self.enter()
        elif self._verdict is FAILED or self.internal_errors:
            self._surface()

    # threads that were not spawned

    def enrol(self) -> int:
        """The calling thread may block in this runtime though it was not spawned: the clock runs meanwhile. Its ident,
        for `dismiss`; as often as it was enrolled."""
        ident = get_ident()
        self._enrolled[ident] = self._enrolled.get(ident, 0) + 1
        return ident

    def dismiss(self, ident: int) -> None:
        self._enrolled[ident] -= 1
        if not self._enrolled[ident]:
            del self._enrolled[ident]

    def takes_part(self) -> bool:
        """The calling thread has the baton, or would get it: what it waits for may come in virtual time."""
        if self.closed:
            return False
        me = self._current
        return get_ident() in self._enrolled if me is None else me.ident == get_ident()

    def wait(self, waiter: Any, deadline: float | None) -> bool:
        if self._current is not None or get_ident() not in self._enrolled:
            return super().wait(waiter, deadline)
        if self.dirty:
            self.turn()
        if not waiter.woken:
            self._pause(waiter, deadline)
        woken: bool = waiter.woken
        waiter.woken = False
        return woken

    def sleep(self, seconds: float) -> None:
        if self._current is not None or get_ident() not in self._enrolled:
            super().sleep(seconds)
        else:
            self.rest(self.waiter("sleep", self), self._now + max(0.0, seconds))

    def look_until(self, look: Callable[[], Any], timeout: float | None) -> Any:
        """What `look` found: it is asked again after each turn, and when others may have done something that is none,
        until one of the lists that it answers holds something or `timeout` seconds have passed."""
        deadline = None if timeout is None else self._now + timeout
        waiter = self.waiter("select", self)
        self.acted = True
        while True:
            self.enter()
            self.leave()  # what is owed is sent first, and may be what it looks for
            found = look()
            if any(found) or (deadline is not None and self._now >= deadline):
                return found
            self.enter()
            self.watchers[waiter] = None
            self.leave()
            try:
                self.rest(waiter, deadline)
            finally:
                self.watchers.pop(waiter, None)

    # awaiting

    async def wait_async(self, waiter: Any, deadline: float | None) -> bool:
        loop = self.loop_here()
        if loop is None:
            raise RuntimeError(f"{waiter!r}: awaiting needs an event loop of this virtual clock: use run(main())")
        if self.dirty:
            self.turn()
        if not waiter.woken and (deadline is None or self._now < deadline):
            future = waiter.future = loop.expect(waiter)
            timer = None if deadline is None else loop.call_at(deadline, waiter.finish)
            self.release()
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
                self.enter()
                waiter.future = None
        woken: bool = waiter.woken
        waiter.woken = False
        return woken
