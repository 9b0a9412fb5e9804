"""What `spawn` returns: a function on its way, and its result.

Knows whether it is done, and who waits for it. Refuses to know what thread runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netif.link import Waiter
    from netif.runtime.joining import Joining


def check_function(fn: object, verb: str, example: str) -> None:
    """TypeError for what was called already, or cannot be."""
    if callable(fn):
        return
    if isinstance(fn, Coroutine):
        fn.close()  # else it warns that nobody awaited it
    raise TypeError(f"{verb} takes a function, as in {example}, not a {type(fn).__name__}")


class TaskEnded(BaseException):
    """The runtime was closed under a spawned function: raised out of its blocking call, to unwind it silently."""


class Task:
    """One spawned function."""

    __slots__ = ("__weakref__", "error", "finished", "fn", "name", "runtime", "value", "waiters")

    def __init__(self, runtime: Joining, fn: Callable[[], Any], name: str) -> None:
        self.runtime = runtime
        self.fn: Callable[[], Any] | None = fn
        self.name = name
        self.finished = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.waiters: dict[Waiter, None] = {}

    def __repr__(self) -> str:
        return f"<Task {self.name}{' done' if self.finished else ''}>"

    def done(self) -> bool:
        return self.finished

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned, or its exception; waits until it is done (TimeoutError after `timeout`)."""
        if not self.finished:
            self.runtime.join(self, timeout)
        if self.error is not None:
            self.runtime.seen(self)
            raise self.error
        return self.value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        if not self.finished:
            await self.runtime.join_async(self)
        return self.result()

    def call(self) -> None:
        """Run the function and keep what comes of it."""
        fn, self.fn = self.fn, None
        try:
            if fn is not None:
                self.value = fn()
        except BaseException as error:
            self.error = error

    async def call_async(self, fn: Callable[[], Awaitable[Any]]) -> None:
        """The same of a coroutine function, in a loop. Its cancellation goes on to whoever runs it."""
        from asyncio import CancelledError  # loaded long since, where this is called

        try:
            self.value = await fn()
        except CancelledError:
            self.error = TaskEnded()
            raise
        except BaseException as error:
            self.error = error
