"""Ctrl-C that never tears the machine: put off while the main thread is inside a call of a runtime; and other signals.

Knows which handlers it found (the default or the program's own), chains to them, and puts them back. Being inside is
read off the stack of frames at the moment of the signal, so that it costs a call nothing. Refuses to guard signals
whose handler is not a Python function: those do not run between our bytecodes.
"""

from __future__ import annotations

import signal
import threading
from _thread import get_ident
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from netif.runtime.gate import Gate

Handler = Callable[[int, FrameType | None], Any]
_get, _set = signal.getsignal, signal.signal  # `netif.use` puts others in their place


class Interrupts:
    """The deferred signals of one runtime."""

    def __init__(self, gate: Gate, wake: Callable[[], None], calls: frozenset[CodeType]) -> None:
        self.pending: list[int] = []
        self.active = False
        self._gate = gate
        self._wake = wake  # ends the call in which the main thread sleeps; runs in the signal handler
        self._calls = calls  # whoever is in one of these is inside; each delivers what is pending as it ends
        self._found: dict[int, Any] = {}

    def install(self) -> None:
        """From the main thread; anywhere else this does nothing."""
        if self.active or threading.current_thread() is not threading.main_thread():
            return
        self.active = True
        for signum in signal.valid_signals():
            found = chained_by(signum, _get(signum), but_active=True)
            if callable(found) and not isinstance(found, signal.Handlers) and found != self._handle:
                self.guard(signum, found)

    def guard(self, signum: int, handler: Handler) -> None:
        """From now on it is called for this signal, but never inside. From the main thread, while we are active."""
        self._found[signum] = handler
        _set(signum, self._handle)

    def restore(self) -> None:
        """Put back what was found. Where somebody chained to us in the meantime, we stay in their chain; from another
        thread it cannot be done: the next signal does it, or the next runtime."""
        self.active = False
        if threading.current_thread() is threading.main_thread():
            for signum in self._found:
                self._put_back(signum)

    def _put_back(self, signum: int) -> None:
        if _get(signum) == self._handle:
            _set(signum, chained_by(signum, self._found[signum], but_active=True))

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.active and self._inside(frame):
            if signum not in self.pending:
                self.pending.append(signum)
            self._gate.later = True
            self._wake()
        else:
            if not self.active:
                self._put_back(signum)
            self._found[signum](signum, frame)

    def _inside(self, frame: FrameType | None) -> bool:
        if self._gate.owner == get_ident():
            return True
        while frame is not None:
            if frame.f_code in self._calls:
                return True
            frame = frame.f_back
        return False

    def waiting(self) -> bool:
        """Something is pending, and this is the thread that has to take it."""
        return bool(self.pending) and threading.current_thread() is threading.main_thread()

    def deliver(self) -> None:
        """Call the found handlers for what is pending. The gate is free; KeyboardInterrupt comes from here."""
        if threading.current_thread() is threading.main_thread():
            while self.pending:
                signum = self.pending.pop(0)
                self._found[signum](signum, None)


def chained_by(signum: int, handler: Any, *, but_active: bool = False) -> Any:
    """The program's handler, where `handler` is one of ours that leads to it; or the first of a runtime in use."""
    owner = getattr(handler, "__self__", None)
    while isinstance(owner, Interrupts) and not (but_active and owner.active):
        handler = owner._found[signum]
        owner = getattr(handler, "__self__", None)
    return handler
