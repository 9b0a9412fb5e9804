"""Event loops on a virtual clock: how a loop rests, how its tasks wait, and `run`.

A loop is turned by a strand, or by the thread that runs the program: what has nothing ready gives up the baton until
its next timer, or until somebody has something for it. A second loop is another strand. Refuses to know what a loop
does between two rests (`virtual_loop`), and to import asyncio before somebody asks for a loop.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from netif.runtime.baton import FAILED, NOTHING_LEFT, TRUE, Deadlock, Strand, VirtualWaiter
from netif.runtime.strands import Strands
from netif.runtime.tasks import TaskEnded

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime
    from netif.runtime.virtual_loop import VirtualLoop

T = TypeVar("T")


class Looping(Strands):
    """Strands, some of which turn event loops."""

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
        self.interrupts.install()
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
        """Until `waiter` is stirred, or `deadline` has come; whoever may run does so first, even then."""
        self.enter()
        try:
            me = self._current
            assert me is not None
            self._verdict = TRUE
            if self.dirty:
                self.turn()
            if waiter.woken or (deadline is not None and deadline <= self._now):
                self._let_others(me)
            elif self._ending:
                raise TaskEnded
            else:
                self._block(me, waiter, deadline)
            waiter.woken = False
            verdict = self._verdict if me is self._runner else TRUE
            names = self._names() if verdict is NOTHING_LEFT else ()
        finally:
            self.leave()
        if verdict is NOTHING_LEFT:
            raise Deadlock(names)
        if verdict is FAILED or (me is self._runner and self.internal_errors):
            self._surface()

    def _let_others(self, me: Strand) -> None:
        """Those who could run already do so before this one goes on."""
        if self._runnable and not self._ending:
            self._runnable.append(me)
            self._switch(me)
            self._forget_runner(me)

    def _forget_runner(self, me: Strand) -> None:
        """It came back before its turn: a verdict said so."""
        if me is self._runner and me in self._runnable:
            self._runnable.remove(me)

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
