"""A sink that writes a pcapng file: one section, an interface a name, an enhanced packet a frame, with its comments.

draft-ietf-opsawg-pcapng (section header 4.1, interface description 4.2, enhanced packet 4.3).
"""

from __future__ import annotations

import os
from struct import Struct
from types import TracebackType
from typing import Protocol

from netif.link import PARTIAL, Buffer, Medium, Offload
from tapio.script import Direction

LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101  # frames; bare IP packets

_SECTION = Struct("<IIIHHq")  # type, length, byte-order magic, version 1.0, section length unknown
_INTERFACE = Struct("<IIHHI")  # type, length, link type, reserved, snap length: none
_PACKET = Struct("<IIIIIII")  # type, length, interface, time high and low, captured, original length
_OPTION = Struct("<HH")  # code, length
_FLAGS = Struct("<HHI")  # of a packet's flags: code, length, bits
_LENGTH = Struct("<I")
_IF_NAME, _IF_TSRESOL, _COMMENT, _EPB_FLAGS, _END = 2, 9, 1, 2, bytes(4)
_NANOSECONDS = 9  # the resolution of times, as a negative power of ten
_DIRECTIONS = {"in": _FLAGS.pack(_EPB_FLAGS, 4, 1), "out": _FLAGS.pack(_EPB_FLAGS, 4, 2)}


class Blocks(Protocol):
    """What a capture may be written to: a file, or a `Live` pipe; each block is one `write`."""

    @property
    def closed(self) -> bool: ...
    def write(self, block: bytes, /) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class PcapngWriter:
    """A pcapng file, one interface in it for each name that frames come with.

    `epoch` is added to the ports' times: `time.time() - port.now()` makes the monotonic clock's times of day.
    A comment of several lines is as many comments.
    """

    def __init__(
        self, file: str | os.PathLike[str] | Blocks, *, epoch: float = 0.0, link_type: int = LINKTYPE_ETHERNET
    ) -> None:
        self._owned = isinstance(file, (str, os.PathLike))
        if isinstance(file, (str, os.PathLike)):
            self._file: Blocks = open(file, "wb")  # noqa: SIM115 - `close` closes it
        else:
            self._file = file
        self.epoch = epoch
        self.size = 0  # bytes written
        self._link_type = link_type
        self._link_types: dict[str, int] = {}  # by interface, where it is another
        self._interfaces: dict[tuple[str, int], int] = {}
        self._comments: dict[Offload, bytes] = {}
        self._write(_SECTION.pack(0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1))

    def _write(self, block: bytes) -> None:
        """A block as far as its second length field, which every block repeats at its end."""
        self._file.write(block + block[4:8])
        self.size += len(block) + 4

    def opened(self, interface: str, medium: Medium) -> None:
        self._link_types[interface] = self._link_type if medium is Medium.ETHERNET else LINKTYPE_RAW

    def interface(self, name: str) -> int:
        """The number of an interface in the file, described there when it is first heard of."""
        link_type = self._link_types.get(name, self._link_type)
        number = self._interfaces.get((name, link_type))
        if number is None:
            options = _option(_IF_NAME, name.encode()) + _option(_IF_TSRESOL, bytes([_NANOSECONDS])) + _END
            self._write(_INTERFACE.pack(1, 20 + len(options), link_type, 0, 0) + options)
            number = self._interfaces[name, link_type] = len(self._interfaces)
        return number

    def frame(
        self,
        direction: Direction,
        when: float,
        buffers: tuple[Buffer, ...],
        offload: Offload | None,
        interface: str,
        comment: str = "",
    ) -> None:
        number = self.interface(interface)
        time = max(0, int(when * 1e9) + int(self.epoch * 1e9))
        length = sum(map(len, buffers))
        options = _DIRECTIONS[direction]
        if comment:
            options += b"".join(_option(_COMMENT, line.encode()) for line in comment.splitlines())
        if offload is not None and (offload.checksum == PARTIAL or offload.gso_size):
            options += self._comment(offload)
        total = 32 + length + -length % 4 + len(options) + 4
        header = _PACKET.pack(6, total, number, time >> 32, time & 0xFFFFFFFF, length, length)
        self._write(b"".join((header, *buffers, bytes(-length % 4), options, _END)))

    def _comment(self, offload: Offload) -> bytes:
        comment = self._comments.get(offload)
        if comment is None:
            words = [f"super-frame, {offload.gso_size} bytes a segment"] if offload.gso_size else []
            if offload.checksum == PARTIAL:
                words.append("checksum left to the receiver")
            if len(self._comments) >= 1024:
                self._comments.clear()
            comment = self._comments[offload] = _option(_COMMENT, ", ".join(words).encode())
        return comment

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Write all out; a file that was given stays open."""
        self.flush()
        if self._owned:
            self._file.close()

    def __enter__(self) -> PcapngWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PcapngWriter {getattr(self._file, 'name', self._file)}>"


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + bytes(-len(value) % 4)
