"""A set of byte ranges on an unbounded number line: [start, end), disjoint, sorted, never touching.

What arrived out of order. It knows no payload and no wrap (`seq` did that), and refuses to grow past `limit` ranges:
`add` then says so and changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    __slots__ = ("ends", "limit", "starts")

    def __init__(self, limit: int = 256) -> None:
        self.limit = limit
        self.starts: list[int] = []
        self.ends: list[int] = []

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.starts, self.ends, strict=True))

    def __repr__(self) -> str:
        return "<Ranges " + " ".join(f"{start}:{end}" for start, end in self) + ">"

    def add(self, start: int, end: int) -> bool:
        """Cover [start, end). False when that would make one range too many; then nothing changed."""
        if start >= end:
            return True
        first = bisect_left(self.ends, start)  # the first range that touches or follows
        last = bisect_right(self.starts, end)  # one past the last range that touches
        if first < last:
            start = min(start, self.starts[first])
            end = max(end, self.ends[last - 1])
        elif len(self.starts) >= self.limit:
            return False
        self.starts[first:last] = [start]
        self.ends[first:last] = [end]
        return True

    def around(self, position: int) -> tuple[int, int] | None:
        """The range that holds `position`."""
        at = bisect_right(self.starts, position) - 1
        return (self.starts[at], self.ends[at]) if at >= 0 and self.ends[at] > position else None

    def overlap(self, start: int, end: int) -> tuple[int, int] | None:
        """The first part of [start, end) that is covered."""
        at = bisect_right(self.ends, start)
        if at == len(self.starts) or self.starts[at] >= end:
            return None
        return max(start, self.starts[at]), min(end, self.ends[at])

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, end) that are not covered, in order."""
        for at in range(bisect_right(self.ends, start), len(self.starts)):
            if self.starts[at] >= end:
                break
            if start < self.starts[at]:
                yield start, self.starts[at]
            start = self.ends[at]
        if start < end:
            yield start, end

    def remove_below(self, position: int) -> None:
        """Forget everything before `position`."""
        done = bisect_right(self.ends, position)
        del self.starts[:done], self.ends[:done]
        if self.starts and self.starts[0] < position:
            self.starts[0] = position
