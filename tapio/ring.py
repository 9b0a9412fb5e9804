"""Buffers to read large frames into, used again when nobody holds them: no 64 KiB block is faulted in anew.

A buffer is free when nothing but the ring refers to it; views of it that a stack has queued are such references.
Where an interpreter does not count references, each read gets a fresh buffer.
"""

from __future__ import annotations

import sys
from collections import deque

_LOOKS = 4  # buffers looked at before a new one is made
_references = getattr(sys, "getrefcount", lambda _: 0)


class Ring:
    """At most `most` buffers of `size` bytes are remembered; one that is held for longer is left to its holder."""

    def __init__(self, size: int, most: int = 128) -> None:
        self.size = size
        self.most = most
        self._buffers: deque[bytearray] = deque()
        buffer = bytearray(size)
        self._buffers.append(buffer)
        self._idle = _references(buffer)  # the same two that `take` has: the ring's, and its own

    def take(self) -> bytearray:
        """A buffer that nobody else holds."""
        buffers, idle = self._buffers, self._idle
        for _ in range(min(len(buffers), _LOOKS)):
            buffer = buffers[0]
            buffers.rotate(-1)
            if _references(buffer) == idle > 0:
                return buffer
        if len(buffers) >= self.most:
            buffers.popleft()
        buffer = bytearray(self.size)
        buffers.append(buffer)
        return buffer
