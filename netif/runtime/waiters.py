"""One blocked caller on a real clock: a thread that sleeps on a lock of its own, or a coroutine behind a future.

Knows how to sleep and how to be roused; nothing is made before somebody really sleeps. Refuses to know who leads.
"""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from netif.runtime.crank import Crank
    from netif.runtime.gate import Lock


class ThreadWaiter:
    """The `Waiter` of the threaded and asyncio runtimes. It may serve any number of waits, one after the other."""

    __slots__ = ("asleep", "crank", "endpoint", "future", "lock", "operation", "thread", "woken")

    def __init__(self, crank: Crank, operation: str, endpoint: object) -> None:
        self.crank = crank
        self.operation = operation
        self.endpoint = endpoint
        self.woken = False
        self.asleep = False
        self.lock: Lock | None = None  # held by the sleeper; whoever rouses it releases it
        self.future: asyncio.Future[None] | None = None
        self.thread = 0  # who sleeps, or slept last

    def __repr__(self) -> str:
        return f"<Waiter {self.operation} of {self.endpoint!r}>"

    def wake(self) -> None:
        if not self.woken:
            self.woken = True
            crank = self.crank
            if self.asleep or crank.polling:  # else its thread has the gate, and will look
                crank.woken.append(self)
                crank.dirty = True

    def rouse(self) -> None:
        """End the sleep. More than once does no harm: sleepers look again."""
        if self.future is not None:
            if get_ident() == self.thread:
                _finish(self.future)
            else:
                _finish_from_elsewhere(self.future)
        elif self.lock is not None:
            try:
                self.lock.release()
            except RuntimeError:  # roused already
                pass

    def sleep_on(self, loop: asyncio.AbstractEventLoop) -> Any:
        """The future that `rouse` finishes."""
        self.future = loop.create_future()
        self.thread = get_ident()
        return self.future


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _finish_from_elsewhere(future: asyncio.Future[None]) -> None:
    try:
        future.get_loop().call_soon_threadsafe(_finish, future)
    except RuntimeError:  # the loop is closed, and its coroutines with it
        pass
