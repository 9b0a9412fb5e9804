"""A sink before a sink: frames wait a little, so that what becomes of them can be said in their comments.

Knows frames by their content, and the last `window` of them; who says what of which is somebody else's (`say`). They
go on in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import attrs

from netif.link import Buffer, Medium, Offload
from tapio.script import Direction

WINDOW = 1024  # frames that wait
WINDOW_BYTES = 4 << 20
COMMENTS_MAX = 16  # of one frame
_EARLY_MAX = 256  # frames of which something is said before they are noted


class CommentedSink(Protocol):
    """PcapngWriter, RotatingPcapng."""

    def opened(self, interface: str, medium: Medium, /) -> None: ...
    def flush(self) -> None: ...
    def frame(
        self,
        direction: Direction,
        when: float,
        buffers: tuple[Buffer, ...],
        offload: Offload | None,
        interface: str,
        comment: str = "",
        /,
    ) -> None: ...


@attrs.define(eq=False)
class Note:
    """One frame that waits."""

    direction: Direction
    when: float
    frame: bytes
    offload: Offload | None
    interface: str
    comments: list[str]
    known_as: list[bytes]  # contents: its own, and those that it was changed to on its way

    def say(self, text: str) -> None:
        if len(self.comments) < COMMENTS_MAX and text not in self.comments:
            self.comments.append(text)


class Comments:
    """Between a Sniff and `sink`; `flush` lets all frames go."""

    def __init__(self, sink: CommentedSink, *, window: int = WINDOW) -> None:
        self.sink = sink
        self._window = window
        self._notes: deque[Note] = deque()
        self._bytes = 0
        self._by_content: dict[bytes, Note] = {}
        self._early: dict[tuple[Direction, bytes], list[tuple[str, tuple[bytes, ...]]]] = {}

    def opened(self, interface: str, medium: Medium) -> None:
        self.sink.opened(interface, medium)

    def frame(
        self, direction: Direction, when: float, buffers: tuple[Buffer, ...], offload: Offload | None, interface: str
    ) -> None:
        frame = b"".join(buffers)
        note = Note(direction, when, frame, offload, interface, [], [frame])
        self._by_content[frame] = note
        self._notes.append(note)
        self._bytes += len(frame)
        for text, changed in self._early.pop((direction, frame), ()):
            self._told(note, text, changed)
        while len(self._notes) > self._window or self._bytes > WINDOW_BYTES:
            self._let_go()

    def find(self, frame: Buffer) -> Note | None:
        """The last frame of that content, if it still waits."""
        return self._by_content.get(bytes(frame))

    def said(self, frame: bytes, text: str, changed: tuple[bytes, ...]) -> None:
        """This befell a frame on its way, which went on as `changed`; nothing, if it waits no longer."""
        note = self._by_content.get(frame)
        if note is not None:
            self._told(note, text, changed)

    def will_be_noted(self, direction: Direction, frame: bytes, text: str, changed: tuple[bytes, ...] = ()) -> None:
        """This befell a frame that will be noted in a moment."""
        while len(self._early) >= _EARLY_MAX:
            del self._early[next(iter(self._early))]
        self._early.setdefault((direction, frame), []).append((text, changed))

    def _told(self, note: Note, text: str, changed: tuple[bytes, ...]) -> None:
        note.say(text)
        for frame in changed:
            if frame not in note.known_as and len(note.known_as) < COMMENTS_MAX:
                note.known_as.append(frame)
                self._by_content[frame] = note

    def _let_go(self) -> None:
        note = self._notes.popleft()
        self._bytes -= len(note.frame)
        for frame in note.known_as:
            if self._by_content.get(frame) is note:
                del self._by_content[frame]
        comment = "\n".join(note.comments)
        self.sink.frame(note.direction, note.when, (note.frame,), note.offload, note.interface, comment)

    def flush(self) -> None:
        while self._notes:
            self._let_go()
        self.sink.flush()

    def __repr__(self) -> str:
        return f"<Comments {self.sink!r}>"
