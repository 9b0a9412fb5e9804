"""pcapng files: sections of either byte order, each with its interfaces and the packets of them.

Known: section headers, interface descriptions (name, resolution and offset of times), enhanced and simple packets, the
obsolete packet block; other blocks and options are skipped. draft-ietf-opsawg-pcapng 3.1 to 4.4, appendix A.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Literal, NamedTuple

from tapio.capture.source import FRAME_MAX, Captured, Source

MAGIC = b"\x0a\x0d\x0d\x0a"
INTERFACES_MAX = 65_536  # of one section: the obsolete block's number has 16 bits
_BLOCK_MAX = FRAME_MAX + 262_144  # bytes of a block that is read: the frame, and options beside it
_INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_LEAST = {_INTERFACE: 20, _OBSOLETE: 32, _SIMPLE: 16, _ENHANCED: 32}  # bytes of a block of each kind
_COMMENT, _IF_NAME, _FLAGS, _IF_TSRESOL, _IF_TSOFFSET = 1, 2, 2, 9, 14
_DIRECTIONS: dict[int, Literal["in", "out"]] = {1: "in", 2: "out"}
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}


class Interface(NamedTuple):
    name: str
    link_type: int
    snap: int  # bytes kept of a frame; 0: all
    ticks: int  # in a second
    offset: int  # seconds to add


class Section:
    """Reads one block after another; `begin` starts a section."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.interfaces: list[Interface] = []
        self.time = 0  # of the last packet that had one, nanoseconds
        self.order = "<"

    def begin(self) -> None:
        """The section header, whose type has been read."""
        source, begin = self.source, self.source.at - 4
        raw, magic = source.take(4, "a section header"), source.take(4, "a section header")
        if magic not in _ORDERS:
            source.wrong(f"no byte-order magic of pcapng: 0x{magic.hex()}", begin + 8)
        self.order = order = _ORDERS[magic]
        self.head = Struct(order + "II")
        (total,) = Struct(order + "I").unpack(raw)
        major, _, _ = Struct(order + "HHq").unpack(source.take(12, "a section header"))
        if major != 1:
            source.wrong(f"version {major} of the format is unknown; 1 is read", begin + 12)
        if total % 4 or not 28 <= total <= _BLOCK_MAX:
            source.wrong(f"a section header cannot have {total} bytes", begin + 4)
        source.skip(total - 28, "a section header")
        self._close(total, begin)
        self.interfaces = []

    def _close(self, total: int, begin: int) -> None:
        """Every block repeats its length at its end."""
        (again,) = Struct(self.order + "I").unpack(self.source.take(4, "a block"))
        if again != total:
            self.source.wrong(f"a block says that it has {total} bytes, and {again} at its end", begin)

    def frames(self) -> Iterator[Captured]:
        """The packets of this section and of those that follow."""
        source = self.source
        while kind := source.take_or_end(4, "a block's type"):
            if kind == MAGIC:
                self.begin()
                continue
            begin = source.at - 4
            (what, total) = self.head.unpack(kind + source.take(4, "a block's length"))
            if total < 12 or total % 4 or total < _LEAST.get(what, 12):
                source.wrong(f"a block of type {what} cannot have {total} bytes", begin)
            if what not in _LEAST:
                source.skip(total - 12, "a block")
                self._close(total, begin)
                continue
            if total > _BLOCK_MAX:
                source.wrong(f"a block of {total} bytes is longer than any that is read ({_BLOCK_MAX})", begin)
            body = source.take(total - 12, "a block")
            self._close(total, begin)
            if what == _INTERFACE:
                self._describe(body, begin)
            else:
                yield self._packet(what, body, begin)

    def _describe(self, body: bytes, begin: int) -> None:
        link_type, _, snap = Struct(self.order + "HHI").unpack_from(body)
        name, ticks, offset = str(len(self.interfaces)), 1_000_000, 0
        for code, value in self._options(body, 8, begin):
            if code == _IF_NAME:
                name = value.rstrip(b"\0").decode("utf-8", "replace")
            elif code == _IF_TSRESOL and len(value) == 1:
                base, exponent = (2, value[0] & 0x7F) if value[0] & 0x80 else (10, value[0])
                ticks = base**exponent
            elif code == _IF_TSOFFSET and len(value) == 8:
                (offset,) = Struct(self.order + "q").unpack(value)
        if len(self.interfaces) >= INTERFACES_MAX:
            self.source.wrong(f"more than {INTERFACES_MAX} interfaces in one section", begin)
        self.interfaces.append(Interface(name, link_type, snap, ticks, offset))

    def _options(self, body: bytes, at: int, begin: int) -> Iterator[tuple[int, bytes]]:
        option = Struct(self.order + "HH")
        while at + 4 <= len(body):
            code, length = option.unpack_from(body, at)
            if not code:
                return
            if at + 4 + length > len(body):
                self.source.wrong(f"an option of {length} bytes reaches behind its block", begin + 8 + at)
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4

    def _packet(self, what: int, body: bytes, begin: int) -> Captured:
        if what == _SIMPLE:
            (length,) = Struct(self.order + "I").unpack_from(body)
            number, interface = 0, self._interface(0, begin)
            captured, at = min(length, len(body) - 4, interface.snap or FRAME_MAX), 4
        else:
            layout = self.order + ("HHIIII" if what == _OBSOLETE else "IIIII")
            fields = Struct(layout).unpack_from(body)
            number, (high, low, captured, length), at = fields[0], fields[-4:], 20
            interface = self._interface(number, begin)
            self.time = (high << 32 | low) * 1_000_000_000 // interface.ticks + interface.offset * 1_000_000_000
        if captured > FRAME_MAX or at + captured > len(body):
            self.source.wrong(f"a frame of {captured} bytes does not fit its block of {len(body) + 12}", begin)
        direction: Literal["in", "out"] | None = None
        comments = []
        if what != _SIMPLE:
            for code, value in self._options(body, at + captured + -captured % 4, begin):
                if code == _COMMENT:
                    comments.append(value.decode("utf-8", "replace"))
                elif code == _FLAGS and len(value) == 4:
                    direction = _DIRECTIONS.get(Struct(self.order + "I").unpack(value)[0] & 3)
        self.source.frames += 1
        return Captured(
            self.source.frames,
            self.time,
            direction,
            body[at : at + captured],
            max(length, captured),
            interface.name,
            interface.link_type,
            "\n".join(comments),
        )

    def _interface(self, number: int, begin: int) -> Interface:
        if number >= len(self.interfaces):
            self.source.wrong(f"a frame of interface {number}, and {len(self.interfaces)} were described", begin)
        return self.interfaces[number]
