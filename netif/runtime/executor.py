"""An executor whose workers are spawned functions: what an event loop on a virtual clock has for `to_thread`.

Each call runs as a strand, so that a blocking socket in it waits in virtual time. Knows how many run at once; refuses
to know who waits for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from netif.runtime.tasks import TaskEnded

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime

WORKERS = 32  # at once, as asyncio's own executor has at most; the others wait for their turn


class SpawningExecutor(Executor):
    """Runs what is submitted in spawned functions, first come first served; in the context of whoever submits it."""

    def __init__(self, runtime: VirtualRuntime, max_workers: int = WORKERS) -> None:
        self._runtime = runtime
        self._max_workers = max_workers
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._workers = 0
        self._shut = False
        self._idle: Callable[[], object] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self._waiting.append((future, partial(copy_context().run, fn, *args, **kwargs)))
        if self._workers < self._max_workers:
            self._workers += 1
            self._runtime.spawn(self._work, f"worker-{self._workers}")
        return future

    def _work(self) -> None:
        try:
            while self._waiting:
                _run(*self._waiting.popleft())
        finally:
            self._workers -= 1
            if self._idle is not None and not self._workers:
                self._idle()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more. It does not wait, whatever `wait`: `when_idle` tells."""
        self._shut = True
        while cancel_futures and self._waiting:
            self._waiting.popleft()[0].cancel()

    def when_idle(self, tell: Callable[[], object]) -> None:
        """Call `tell` when nothing runs any more."""
        self._idle = tell
        if not self._workers:
            tell()


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except TaskEnded:
        future.cancel()
        future.set_exception(RuntimeError("the runtime was closed"))
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
