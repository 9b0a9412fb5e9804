"""A capture in several files: NAME-00001.pcapng, NAME-00002.pcapng, ..., each a whole pcapng file of its own."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from netif.link import Buffer, Medium, Offload
from tapio.capture.pcapng import PcapngWriter
from tapio.script import Direction


class RotatingPcapng:
    """A sink. The next file begins with the frame that finds the last one at `rotate_bytes`, or `rotate_seconds` old by
    the times of its frames; of all files the last `keep` stay. `epoch` as PcapngWriter's. Raises OSError, ValueError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rotate_bytes: int | None = None,
        rotate_seconds: float | None = None,
        keep: int | None = None,
        epoch: float = 0.0,
    ) -> None:
        for name, amount in (("rotate_bytes", rotate_bytes), ("rotate_seconds", rotate_seconds), ("keep", keep)):
            if amount is not None and not amount > 0:
                raise ValueError(f"{name}: {amount!r} is not more than 0")
        self.path = Path(path)
        self.files: deque[Path] = deque()  # the last of them is being written
        self.epoch = epoch
        self._bytes, self._seconds, self._keep = rotate_bytes, rotate_seconds, keep
        self._count = 0
        self._mediums: dict[str, Medium] = {}
        self._since: float | None = None  # the time of the file's first frame
        self._writer = self._begin()

    def _begin(self) -> PcapngWriter:
        self._count += 1
        path = self.path.with_name(f"{self.path.stem}-{self._count:05}{self.path.suffix or '.pcapng'}")
        writer = PcapngWriter(path, epoch=self.epoch)
        for interface, medium in self._mediums.items():
            writer.opened(interface, medium)
        self.files.append(path)
        while self._keep is not None and len(self.files) > self._keep:
            self.files.popleft().unlink(missing_ok=True)
        self._since = None
        return writer

    def opened(self, interface: str, medium: Medium) -> None:
        self._mediums[interface] = medium
        self._writer.opened(interface, medium)

    def frame(
        self,
        direction: Direction,
        when: float,
        buffers: tuple[Buffer, ...],
        offload: Offload | None,
        interface: str,
        comment: str = "",
    ) -> None:
        if self._is_over(when):
            self._writer.close()
            self._writer = self._begin()
        if self._since is None:
            self._since = when
        self._writer.epoch = self.epoch
        self._writer.frame(direction, when, buffers, offload, interface, comment)

    def _is_over(self, when: float) -> bool:
        if self._since is None:
            return False  # it has no frame yet
        if self._bytes is not None and self._writer.size >= self._bytes:
            return True
        return self._seconds is not None and when - self._since >= self._seconds

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def __repr__(self) -> str:
        return f"<RotatingPcapng {self.path}, {self._count} files>"
