"""Classic pcap files: one link type, a header of 16 bytes before each frame. draft-ietf-opsawg-pcap."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from tapio.capture.source import FRAME_MAX, Captured, Source

MAGICS = {  # of the file's first four bytes: byte order, nanoseconds of a tick
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_LINK_TYPE = 0x0FFFFFFF  # above are a frame check sequence's length and reserved bits


def frames(source: Source, magic: bytes) -> Iterator[Captured]:
    """Reads the file's header at the first step."""
    order, tick = MAGICS[magic]
    major, _, _, _, _, network = Struct(order + "HHiIII").unpack(source.take(20, "the file's header"))
    if major != 2:
        source.wrong(f"version {major} of the format is unknown; 2 is read", 4)
    link_type, record = network & _LINK_TYPE, Struct(order + "IIII")
    while head := source.take_or_end(16, "a frame's header"):
        begin = source.at - 16
        seconds, fraction, captured, length = record.unpack(head)
        if captured > FRAME_MAX:
            source.wrong(f"a frame of {captured} bytes is longer than any ({FRAME_MAX})", begin)
        frame = source.take(captured, "a frame")
        source.frames += 1
        time = seconds * 1_000_000_000 + fraction * tick
        yield Captured(source.frames, time, None, frame, max(length, captured), "0", link_type, "")
