"""Spawned functions, and waiting for them: what all runtimes do alike with tasks.

Knows which tasks live, who waits for one to end, and which exceptions have still to surface in `run_*`. Refuses to
know how a task gets its thread.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

from netif.runtime.crank import Crank
from netif.runtime.tasks import Task, TaskEnded, check_function

if TYPE_CHECKING:
    from netif.link import Waiter

logger = logging.getLogger(__name__)


class Joining(Crank):
    """A Crank with tasks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks: dict[Task, None] = {}
        self._failed: list[Task] = []  # ended by an exception that nobody has seen yet
        self._named = 0

    def waiter(self, operation: str, endpoint: object) -> Waiter:
        raise NotImplementedError

    def ended(self) -> BaseException | None:
        return self._closed_error() if self.closed else None

    def _closed_error(self) -> BaseException:
        return OSError(errno.EBADF, "the runtime is closed")

    def wait(self, waiter: Waiter, deadline: float | None) -> bool:
        raise NotImplementedError

    async def wait_async(self, waiter: Any, deadline: float | None) -> bool:
        raise NotImplementedError

    def join(self, task: Task, timeout: float | None) -> None:
        """Wait until `task` is done."""
        deadline = None if timeout is None else self.now() + timeout
        self.enter()
        try:
            waiter = self.waiter("result", task)
            task.waiters[waiter] = None
            try:
                while not task.finished:
                    if not self.wait(waiter, deadline):
                        raise TimeoutError(f"{task.name} is not done after {timeout} s")
            finally:
                task.waiters.pop(waiter, None)
        finally:
            self.leave()

    async def join_async(self, task: Task) -> None:
        """As `join`, awaiting."""
        self.enter()
        try:
            waiter = self.waiter("result", task)
            task.waiters[waiter] = None
            try:
                while not task.finished:
                    await self.wait_async(waiter, None)
            finally:
                task.waiters.pop(waiter, None)
        finally:
            self.leave()

    def seen(self, task: Task) -> None:
        """The exception of `task` has come out of `result()`: it need not surface again."""
        if task in self._failed:
            self._failed.remove(task)

    def _new_task(self, fn: Any, name: str | None) -> Task:
        check_function(fn, "spawn", "spawn(main)")
        if self.closed:
            raise RuntimeError("this runtime is closed")
        self._named += 1
        task = Task(self, fn, name or f"{getattr(fn, '__name__', 'task')}-{self._named}")
        self._tasks[task] = None
        return task

    def _task_ended(self, task: Task) -> None:
        """Under the gate: wake who waits for it, and note what it raised."""
        self._tasks.pop(task, None)
        if isinstance(task.error, TaskEnded):
            task.error = RuntimeError(f"{task.name} was ended: its runtime was closed")
        elif task.error is not None:
            self._failed.append(task)
        task.finished = True
        for waiter in task.waiters:
            waiter.wake()

    def _surface(self) -> None:
        """Raise what a spawned function raised; else what the crank caught, if strict."""
        if self._failed:
            error = self._failed.pop(0).error
            if error is not None:
                raise error
        if self.strict:
            self.check()

    def _log_unseen(self) -> None:
        failed, self._failed = self._failed, []
        for task in failed:
            logger.error("%s raised, and nobody asked", task.name, exc_info=task.error)
