"""What a forked child does with the runtimes of its parent: close the descriptors silently, and refuse every call.

Knows the runtimes that are running, since the hook is the process's and cannot be taken back. Descriptors are not
closed by number, but replaced by /dev/null: their owners still hold the number, and would close somebody else's.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    def forked(self) -> None:
        """This is the child: give up silently."""


class Descendants:
    """The runtimes that have to hear of a fork."""

    def __init__(self) -> None:
        self._running: weakref.WeakSet[Forkable] = weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def add(self, runtime: Forkable) -> None:
        self._running.add(runtime)

    def discard(self, runtime: Forkable) -> None:
        self._running.discard(runtime)

    def _forked(self) -> None:
        for runtime in list(self._running):
            runtime.forked()
        self._running.clear()


descendants = Descendants()


def let_go(fd: int) -> None:
    """The child's copy of `fd` no longer refers to what the parent has open."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.dup2(nothing, fd, inheritable=False)
    except OSError:
        pass
    finally:
        os.close(nothing)
