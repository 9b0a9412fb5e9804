"""A capture file as bytes to be taken in turn, bounded, and what is said where they make no sense."""

from __future__ import annotations

from typing import BinaryIO, Literal, NoReturn

import attrs

FRAME_MAX = 262_144  # bytes of one captured frame, as libpcap's and Wireshark's longest
_SKIPPED = 65_536  # bytes of what is of no use that are read at a time


class CaptureError(ValueError):
    """One line: the file, the offset in bytes, and what is wrong there."""


@attrs.frozen
class Captured:
    """One frame of a capture."""

    number: int  # from 1
    time: int  # nanoseconds; since 1970, if whoever captured knew
    direction: Literal["in", "out"] | None  # as the host that captured saw it; None: not said
    frame: bytes  # what was captured of it
    length: int  # bytes it had on the wire
    interface: str  # its name, or its number in the section
    link_type: int  # 1: Ethernet, 101: bare IP
    comment: str  # all comments of it, a line each


class Source:
    """`file` from its beginning; `at` is the offset in bytes of what is taken next."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        self.name = name
        self.at = 0
        self.frames = 0

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes; CaptureError if the file ends before."""
        begin, data = self.at, self.file.read(size)
        self.at += len(data)
        if len(data) < size:
            self.wrong(f"the file ends within {what}: {len(data)} of {size} bytes are there", begin)
        return data

    def take_or_end(self, size: int, what: str) -> bytes | None:
        """As `take`; None where the file ends as it should."""
        begin, data = self.at, self.file.read(size)
        self.at += len(data)
        if data and len(data) < size:
            self.wrong(f"the file ends within {what}: {len(data)} of {size} bytes are there", begin)
        return data or None

    def skip(self, size: int, what: str) -> None:
        while size:
            step = min(size, _SKIPPED)
            self.take(step, what)
            size -= step

    def wrong(self, why: str, at: int | None = None) -> NoReturn:
        raise CaptureError(f"{self.name}: at byte {self.at if at is None else at}: {why}")
