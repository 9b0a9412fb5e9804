"""What was sent on, and what was not, by the interface that it came in by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netif.router import ForwardingCounters


class Tally:
    """One interface's, still counting."""

    __slots__ = ("bytes", "dropped", "frames")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0
        self.dropped: dict[str, int] = {}

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


def summed(tallies: Iterable[Tally | None]) -> ForwardingCounters:
    from netif.router import ForwardingCounters

    frames = octets = 0
    dropped: dict[str, int] = {}
    for tally in tallies:
        if tally is not None:
            frames += tally.frames
            octets += tally.bytes
            for reason, count in tally.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
    return ForwardingCounters(frames, octets, dropped)
