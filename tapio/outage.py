"""When a wire is down, in seconds since it was opened: spans that are said, or up and down in turn.

Knows the clock by what it is told alone: the port's, so that it is exact in virtual time.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import attrs

from tapio.amounts import seconds


@attrs.frozen
class Partition:
    """Down from each of `spans`' first second until before its last; in order, none within another."""

    spans: tuple[tuple[float, float], ...]

    def is_down(self, since: float) -> bool:
        at = bisect_right(self.spans, (since, math.inf))
        return at > 0 and since < self.spans[at - 1][1]


@attrs.frozen
class Flap:
    """Up for so many seconds, then down for so many, and so on."""

    up: float
    down: float

    def is_down(self, since: float) -> bool:
        return since % (self.up + self.down) >= self.up


def partition(name: str, amount: object) -> Partition | None:
    """None; "5s-8s", "5s-" (for good), or several with spaces or commas between."""
    if amount is None or isinstance(amount, Partition):
        return amount
    spans: list[tuple[float, float]] = []
    for part in str(amount).replace(",", " ").split():
        begin, sign, end = part.partition("-")
        if not sign:
            raise ValueError(f"{name}: {amount!r} names no time: write '5s-8s', in seconds since the wire was opened")
        spans.append((seconds(name, begin), seconds(name, end) if end else math.inf))
    spans.sort()
    ends = [0.0, *(end for _, end in spans)]
    if not spans or any(begin < before or begin >= end for before, (begin, end) in zip(ends, spans, strict=False)):
        raise ValueError(f"{name}: {amount!r}: each time must begin before it ends, and after the one before it")
    return Partition(tuple(spans))


def flap(name: str, amount: object) -> Flap | None:
    """None; "10s 2s": up, down."""
    if amount is None or isinstance(amount, Flap):
        return amount
    words = amount.split() if isinstance(amount, str) else []
    if len(words) == 2:
        up, down = seconds(name, words[0]), seconds(name, words[1])
        if up + down > 0:
            return Flap(up, down)
    raise ValueError(f"{name}: {amount!r} is no turn: write '10s 2s', for up and down")
