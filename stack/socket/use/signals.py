"""Handlers of signals that a program installs in a scope: not run in the middle of a call on a socket of ours.

To the kernel a call is one step, and a handler that raises, as whoever bounds a call by an alarm has one, raises before
it or behind it. Ours are Python, between whose bytecodes handlers run. So the runtime puts them off, as it does Ctrl-C,
and a call that sleeps ends for them. What a program asks for is what it has installed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from netif.runtime.interrupts import Interrupts, chained_by
from stack.socket.use.meaning import asked


def hooks() -> Iterator[tuple[Any, str, Any]]:
    """(module, name, what is to stand there)."""
    yield signal, "signal", install(signal.signal)
    yield signal, "getsignal", ask(signal.getsignal)


def install(stdlibs: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
    @wraps(stdlibs)
    def put(signalnum: int, handler: Any) -> Any:
        before = chained_by(signalnum, stdlibs(signalnum, handler))
        scope = asked()
        guard = None if scope is None else getattr(scope.stack.runtime, "interrupts", None)
        if guard is not None and guard.active and _is_the_programs(handler):
            guard.guard(signalnum, handler)
        return before

    return put


def _is_the_programs(handler: Any) -> bool:
    ours = isinstance(getattr(handler, "__self__", None), Interrupts)
    return callable(handler) and not isinstance(handler, signal.Handlers) and not ours


def ask(stdlibs: Callable[[int], Any]) -> Callable[[int], Any]:
    @wraps(stdlibs)
    def get(signalnum: int) -> Any:
        return chained_by(signalnum, stdlibs(signalnum))

    return get
