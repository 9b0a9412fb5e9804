"""Buffers to read large frames into, used again when nobody holds them: no 64 KiB block is faulted in anew.

A buffer is free when nothing but the ring refers to it; views of it that a stack has queued are such references.
Where an interpreter does not count references, each read gets a fresh buffer.
"""

from __future__ import annotations

import sys
from collections import deque

_LOOKS = 4  # buffers looked at before a new one is made


class Ring:
    """At most `most` buffers of `size` bytes are remembered; one that is held for longer is left to its holder."""

    def __init__(self, size: int, most: int = 128) -> None:
        self.size = size
        self.most = most
        self._buffers = deque([bytearray(size)])
        self._idle = 0  # references to a buffer that is free, as `_references` counts them
        self._idle = self._references() if hasattr(sys, "getrefcount") else -1

    def _references(self) -> int:
        """To the buffer that is next in turn; it becomes the last."""
        buffers = self._buffers
        buffer = buffers.popleft()
        buffers.append(buffer)
        return sys.getrefcount(buffer)

    def take(self) -> bytearray:
        """A buffer that nobody else holds."""
        buffers = self._buffers
        if self._idle >= 0:
            for _ in range(min(len(buffers), _LOOKS)):
                if self._references() == self._idle:
                    return buffers[-1]
        if len(buffers) >= self.most:
            buffers.popleft()
        buffer = bytearray(self.size)
        buffers.append(buffer)
        return buffer
