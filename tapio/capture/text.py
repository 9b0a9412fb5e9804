"""A sink that writes a line a frame, in the project's notation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from netif.link import Buffer, Medium, Offload
from netif.wire.notation import Relative
from netif.wire.segment import link_length
from tapio.script import Direction


class TextTrace:
    """A line a frame, in the project's notation: seconds since the first frame, interface, direction, frame."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._relative = Relative()
        self._starts: dict[str, int] = {}  # of the IP packet, by interface, where it is not Ethernet's
        self._first: float | None = None

    def opened(self, interface: str, medium: Medium) -> None:
        self._starts[interface] = link_length(medium)

    def frame(
        self, direction: Direction, when: float, buffers: Iterable[Buffer], offload: Offload | None, interface: str
    ) -> None:
        if self._first is None:
            self._first = when
        text = self._relative.format_frame(b"".join(buffers), start=self._starts.get(interface, 14))
        way = "Out" if direction == "out" else "In "
        self._stream.write(f"{when - self._first:9.6f} {interface} {way} {text}\n")

    def flush(self) -> None:
        self._stream.flush()

    def __repr__(self) -> str:
        return f"<TextTrace to {getattr(self._stream, 'name', self._stream)}>"
