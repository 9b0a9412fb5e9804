"""Runtimes: one gate, one clock and one crank for any number of stacks.

Knows the process's default runtime. Refuses to import a runtime that nobody has asked for.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netif.runtime.aio import AsyncioRuntime
    from netif.runtime.baton import Deadlock
    from netif.runtime.threaded import ThreadedRuntime
    from netif.runtime.virtual import VirtualRuntime

__all__ = [
    "AsyncioRuntime",
    "Deadlock",
    "ThreadedRuntime",
    "VirtualRuntime",
    "close_default_runtime",
    "default_runtime",
]

_HOMES = {"AsyncioRuntime": "aio", "ThreadedRuntime": "threaded", "VirtualRuntime": "virtual", "Deadlock": "baton"}


class _Default:
    """The one runtime of the process that a `Stack()` joins; ended by `netif_deinit()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runtime: ThreadedRuntime | None = None

    def get(self) -> ThreadedRuntime:
        with self._lock:
            if self._runtime is None or self._runtime.closed:  # closed by its owner, or the parent's
                from netif.runtime.threaded import ThreadedRuntime

                self._runtime = ThreadedRuntime()
            return self._runtime

    def close(self) -> None:
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()


_default = _Default()
default_runtime = _default.get
close_default_runtime = _default.close


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"netif.runtime.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
