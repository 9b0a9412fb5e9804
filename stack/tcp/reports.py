"""What the receiver's SACK options say, and in which order (RFC 2018 4, RFC 2883 4). Holds positions, no bytes: which
ranges there are is asked when an option is made, so that none names what has been delivered in order since.
"""

from __future__ import annotations

from stack.ranges import Ranges

MOST_PENDING = 64  # segments whose SACKs wait to be sent; the oldest are forgotten
_RECENT = 8  # blocks of late that are remembered: four are told at once, and two may have become one


class Reports:
    __slots__ = ("pending", "recent")

    def __init__(self) -> None:
        self.pending: list[tuple[int, int]] = []  # (where it arrived, where a duplicate ends or 0)
        self.recent: list[int] = []  # within the blocks that were reported, the last one first

    def arrived(self, block: tuple[int, int], told: bool) -> None:
        """A segment came out of order, and made this block; `told` if it is due to be reported, as a duplicate."""
        if told:
            return
        start, end = block
        pending = self.pending
        if pending and not pending[-1][1] and start <= pending[-1][0] < end:
            pending.pop()  # one report tells of both
        self._add((start, 0))

    def duplicate(self, start: int, end: int) -> None:
        self._add((start, end))

    def _add(self, report: tuple[int, int]) -> None:
        self.pending.append(report)
        if len(self.pending) > MOST_PENDING:
            del self.pending[0]

    def next(self, ranges: Ranges | None, most: int) -> tuple[tuple[int, int], ...]:
        """At most so many blocks, of the segment that waits longest to be reported first."""
        said: list[tuple[int, int]] = []
        positions = self.recent
        if self.pending:
            start, end = self.pending.pop(0)
            if end:
                said.append((start, end))
            positions = [start, *positions]
        known: list[int] = []
        for position in positions:
            block = None if ranges is None else ranges.around(position)
            if block is not None and block[0] not in known:
                known.append(block[0])
                said.append(block)
        self.recent = known[:_RECENT]
        return tuple(said[:most])
