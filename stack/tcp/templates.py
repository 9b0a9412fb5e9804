"""Which connections have a template: so many at most, for one takes some 370 bytes, a tenth of an idle endpoint.

Who is refused sends by the plain path. When all are given, every eighth request takes the place of who has had one for
longest: a crowd that is busy by turns must not make one for each segment. Bounded by `Limits.templates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.stats import Stats
    from stack.tcp.emitter import Emitter

_TURNS = 8


class Templates:
    __slots__ = ("_refused", "_stats", "holders", "limit")

    def __init__(self, limit: int, stats: Stats) -> None:
        self.limit = limit
        self.holders: dict[Emitter, None] = {}
        self._stats = stats
        self._refused = 0

    def admits(self, emitter: Emitter) -> bool:
        """May it have one?"""
        holders = self.holders
        if emitter not in holders:
            if len(holders) >= self.limit and not self._make_room():
                self._stats.count("templates_full")
                return False
            holders[emitter] = None
        return True

    def forget(self, emitter: Emitter) -> None:
        self.holders.pop(emitter, None)

    def _make_room(self) -> bool:
        self._refused += 1
        if self._refused % _TURNS or not self.holders:
            return False
        oldest = next(iter(self.holders))
        oldest.template = None
        del self.holders[oldest]
        return True
