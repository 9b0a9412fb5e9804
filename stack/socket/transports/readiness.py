"""When an endpoint may go on, told to an event loop: what a selector does for a loop by descriptors.

A Watch stands at one side of an endpoint; the flush of a turn, in whatever thread, wakes it, and its callback is called
by the loop. Knows `call_soon` alone of the loop, so that any will do; knows nothing of what is read or written.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, _get_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING

from stack.endpoint import Onlooker
from stack.socket.attempts import READ

if TYPE_CHECKING:
    from stack.socket.attempts import Attempts


class Bell:
    """What one host has to say to one loop. From other threads many callbacks go by one wake-up of the loop.

    `at_once`: a turn in the loop's own thread is a callback's; else the loop may be at rest there (virtual time)."""

    __slots__ = ("_at_once", "_rung", "_said")

    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once
        self._said: deque[tuple[Callable[[], object], Context]] = deque()
        self._rung = False  # the loop will look

    def ring(self, loop: AbstractEventLoop, callback: Callable[[], object], context: Context) -> None:
        """The gate is held."""
        try:
            if self._at_once and _get_running_loop() is loop:
                loop.call_soon(callback, context=context)
                return
            self._said.append((callback, context))
            if not self._rung:
                self._rung = True
                loop.call_soon_threadsafe(self._answer, loop)
        except RuntimeError:  # the loop is closed: nothing goes on in it
            self._said.clear()

    def _answer(self, loop: AbstractEventLoop) -> None:
        self._rung = False
        said = self._said
        while said:
            callback, context = said.popleft()
            loop.call_soon(callback, context=context)


def _nobody() -> None:
    """Who is called when all is over."""


class Watch(Onlooker):
    """Calls back, once, when this side of a socket may go on. The callback says that it is no longer `due`."""

    __slots__ = ("_bell", "_callback", "_context", "_core", "_loop", "_side", "due")

    def __init__(
        self,
        loop: AbstractEventLoop,
        bell: Bell,
        core: Attempts,
        side: int,
        callback: Callable[[], object],
        context: Context,
    ) -> None:
        self._loop = loop
        self._bell = bell
        self._core = core
        self._side = side
        self._callback = callback
        self._context = context
        self.due = False

    # under the gate

    def wake(self) -> None:
        if not self.due:
            self.due = True
            self._bell.ring(self._loop, self._callback, self._context)

    def look(self) -> None:
        """Call back when it may go on, perhaps now."""
        ready = self._core.readable() if self._side == READ else self._core.writable()
        if ready:
            self.wake()
        else:
            self.stand()

    def stand(self) -> None:
        """Call back when it may go on again: it could not just now."""
        endpoint = self._core.endpoint
        assert endpoint is not None, "what is watched has an endpoint"
        if self._side == READ:
            if endpoint.readers is None or self not in endpoint.readers:
                endpoint.wait_readable(self)
        elif endpoint.writers is None or self not in endpoint.writers:
            endpoint.wait_writable(self)

    def end(self) -> None:
        """Call nobody any more; hold nobody."""
        self._callback = _nobody
        endpoint = self._core.endpoint
        if endpoint is not None:
            endpoint.forget(self)
