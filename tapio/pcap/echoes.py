"""What we have sent and may hear again: each frame once, and for a moment only.

For interfaces where libpcap cannot tell what comes in from what goes out, and for a loopback, where what goes out does
come in. Remembers hashes of whole frames, so the same frame from somebody else is dropped once at most.
"""

from __future__ import annotations

from collections import deque

MOST = 4096  # frames remembered
LIFETIME = 1.0  # seconds; what has not come back by then will not


class Echoes:
    """Frames that are on their way round."""

    def __init__(self) -> None:
        self._awaited: dict[int, int] = {}  # hash of a frame: how often it is still to come
        self._sent: deque[tuple[float, int]] = deque()  # in order, when and which; one entry for each of them

    def sent(self, frame: bytes, now: float) -> None:
        self._forget(now)
        if len(self._sent) >= MOST:
            self._drop_oldest()
        key = hash(frame)
        self._sent.append((now, key))
        self._awaited[key] = self._awaited.get(key, 0) + 1

    def is_echo(self, frame: bytes, now: float) -> bool:
        """Whether this is one of ours come back; asked once a frame, since the answer is then used up."""
        self._forget(now)
        key = hash(frame)
        if key not in self._awaited:
            return False
        self._sent.remove(next(entry for entry in self._sent if entry[1] == key))
        self._less(key)
        return True

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0][0] < now - LIFETIME:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._less(self._sent.popleft()[1])

    def _less(self, key: int) -> None:
        left = self._awaited[key] - 1
        if left:
            self._awaited[key] = left
        else:
            del self._awaited[key]
