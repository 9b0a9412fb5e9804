"""The hook through which a stack tells what it does: `stack.trace` is None or one callable.

Called under the gate with an event's name, whoever it happened to and what there is to say; it may look, and keep
strings, but not enter a socket. The caller checks `is not None` first, so that silence costs nothing.
"""

from __future__ import annotations

from typing import Protocol


class Trace(Protocol):
    def __call__(self, event: str, owner: object, detail: object) -> None:
        """event: a short verb phrase ("drop", "state", "neighbour"); detail: its `str()` is for a person."""
