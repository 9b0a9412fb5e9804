"""What arrived out of order: payloads by where they begin, and the ranges that they cover.

Bounded by ranges, and by pieces (many small ones would cost far more than their bytes). What came first is kept where
later segments overlap it. Knows no window: the receiver has trimmed to it.
"""

from __future__ import annotations

from netif.link import Buffer
from stack.ranges import Ranges


def compact(part: Buffer) -> Buffer:
    """What is left of a trimmed payload, copied where it would keep more than twice its bytes from being freed."""
    if type(part) is memoryview and 2 * len(part) < len(part.obj):  # type: ignore[arg-type]
        return bytes(part)
    return part


class Reassembly:
    __slots__ = ("held", "max_pieces", "pieces", "ranges")

    def __init__(self, max_ranges: int, max_pieces: int) -> None:
        self.ranges = Ranges(max_ranges)
        self.pieces: dict[int, Buffer] = {}  # disjoint, by their first sequence number
        self.max_pieces = max_pieces
        self.held = 0  # bytes

    def add(self, seq: int, payload: Buffer) -> bool:
        """Keep what is new of a payload. False: there is no room for it."""
        end = seq + len(payload)
        gaps = list(self.ranges.gaps(seq, end))
        if len(self.pieces) + len(gaps) > self.max_pieces or not self.ranges.add(seq, end):
            return False
        for start, stop in gaps:
            self.pieces[start] = compact(payload[start - seq : stop - seq])
            self.held += stop - start
        return True

    def next(self, rcv_nxt: int) -> Buffer | None:
        """Take what begins at `rcv_nxt`, if there is any; nothing may lie before it."""
        starts = self.ranges.starts
        if not starts or starts[0] > rcv_nxt:
            return None
        piece = self.pieces.pop(rcv_nxt)
        self.held -= len(piece)
        self.ranges.remove_below(rcv_nxt + len(piece))
        return piece
