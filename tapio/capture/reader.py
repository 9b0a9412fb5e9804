"""The frames of a capture file, one after another: classic pcap and pcapng, of either byte order.

A file is read as it is asked for, a block at a time. What is wrong at its head is a CaptureError when it is opened;
what is wrong later is one where it stands, after all frames before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import BinaryIO

from tapio.capture import classic
from tapio.capture.sections import MAGIC, Section
from tapio.capture.source import Captured, Source


class Reader:
    """An iterator of `Captured`. OSError: the file cannot be had; ValueError (CaptureError): it is no capture."""

    def __init__(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        self._owned = isinstance(file, (str, os.PathLike))
        if isinstance(file, (str, os.PathLike)):
            self.name = os.fspath(file)
            try:
                self._file: BinaryIO = open(file, "rb")  # noqa: SIM115 - `close` closes it
            except OSError as error:
                raise OSError(error.errno, f"{self.name}: {os.strerror(error.errno or 0)}") from None
        else:
            self._file, self.name = file, str(getattr(file, "name", "capture"))
        try:
            self._frames = begun(Source(self._file, self.name))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Captured]:
        return self

    def __next__(self) -> Captured:
        return next(self._frames)

    def close(self) -> None:
        """A file that was given stays open."""
        if self._owned:
            self._file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def begun(source: Source) -> Iterator[Captured]:
    """The frames, the head of the file and its first frame being read."""
    magic = source.take(4, "its first four bytes")
    if magic == MAGIC:
        section = Section(source)
        section.begin()
        frames = section.frames()
    elif magic in classic.MAGICS:
        frames = classic.frames(source, magic)
    else:
        source.wrong(f"this is no capture: it begins with 0x{magic.hex()}, and neither pcap nor pcapng does", 0)
    first = next(frames, None)
    return iter(()) if first is None else chain((first,), frames)


def frames_of(file: str | os.PathLike[str] | BinaryIO) -> Iterator[Captured]:
    """Every frame of `file`, which is read as the iteration goes on; errors as `Reader`'s, at the first step."""
    with Reader(file) as reader:
        yield from reader
