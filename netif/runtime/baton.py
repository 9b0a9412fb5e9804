"""The pieces of a virtual runtime: who may hold the baton, what it is blocked on, and why the runner got it back.

Knows nothing of when anybody runs: `virtual` decides that.
"""

from __future__ import annotations

import enum
import threading
from _thread import allocate_lock
from typing import TYPE_CHECKING

from netif.runtime.deadlines import Timed

if TYPE_CHECKING:
    import asyncio

    from netif.runtime.strands import Strands
    from netif.runtime.virtual_loop import VirtualLoop


class Verdict(enum.Enum):
    """Why the runner got the baton back."""

    TRUE = "its condition holds"
    TIME_UP = "its time is up"
    NOTHING_LEFT = "nothing is left to happen"
    COUNTED = "as many events as it asked for"
    FAILED = "a spawned function raised"
    INTERRUPTED = "a signal"


TRUE, TIME_UP, NOTHING_LEFT = Verdict.TRUE, Verdict.TIME_UP, Verdict.NOTHING_LEFT
COUNTED, FAILED, INTERRUPTED = Verdict.COUNTED, Verdict.FAILED, Verdict.INTERRUPTED


class Deadlock(RuntimeError):  # noqa: N818 - it is what happened, and what the documents call it
    """Nothing is left to happen; `waiters` says who waits for what."""

    def __init__(self, waiters: tuple[str, ...]) -> None:
        self.waiters = waiters
        super().__init__("nothing is left to happen" + "".join(f"\n  {text}" for text in waiters or ("nobody waits",)))


class Strand:
    """One thread that may hold the baton, and sleeps on `baton` while it does not."""

    __slots__ = ("baton", "ident", "loop", "lost", "thread", "waiter")

    def __init__(self) -> None:
        self.baton = allocate_lock()
        self.baton.acquire()
        self.ident = 0
        self.thread: threading.Thread | None = None
        self.waiter: VirtualWaiter | None = None  # what it is blocked on
        self.loop: VirtualLoop | None = None  # which it turns
        self.lost = False  # it blocks outside of the clock, and the program was told to end


class VirtualWaiter(Timed):
    """The `Waiter` of one strand, and its deadline; or of one task of an event loop, by its future."""

    __slots__ = ("crank", "endpoint", "future", "operation", "strand", "woken")

    def __init__(self, crank: Strands, operation: str, endpoint: object) -> None:
        super().__init__()
        self.crank = crank
        self.operation = operation
        self.endpoint = endpoint
        self.woken = False
        self.strand: Strand | None = None  # while blocked
        self.future: asyncio.Future[None] | None = None  # while awaited

    def __repr__(self) -> str:
        return f"{self.operation} of {self.endpoint!r}"

    def wake(self) -> None:
        if not self.woken:
            self.woken = True
            self.crank.woken.append(self)
            self.crank.dirty = True

    def fire(self, now: float) -> None:
        self.crank.runs(self)

    def finish(self) -> None:
        """Let the task that awaits it go on. The gate is held, by any strand."""
        if self.future is not None:
            self.future.get_loop().call_soon_threadsafe(_finish, self.future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
