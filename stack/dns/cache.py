"""What was found before, by whose servers were asked and the question: bounded in bytes, the oldest goes first.

Only whole findings are kept, each under the question that it answers. RFC 1035 7.4; RFC 2308 5.
"""

from __future__ import annotations

import attrs

from netif.wire.dns import Name
from stack.dns.findings import Finding
from stack.limits import Limits
from stack.stats import Stats

Key = tuple[str, tuple[bytes, ...], Name, int]  # whose servers, which, the name in lower case, the kind

_OVERHEAD, _RECORD = 512, 256  # bytes that an entry, and each of its records, costs beside the message it came with


@attrs.define
class Entry:
    finding: Finding
    ends: float  # the stack's time
    cost: int  # bytes


class Cache:
    __slots__ = ("_cost", "_entries", "_limits", "_stats")

    def __init__(self, limits: Limits, stats: Stats) -> None:
        self._limits = limits
        self._stats = stats
        self._entries: dict[Key, Entry] = {}
        self._cost = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> Finding | None:
        """With the time that is left to it."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.ends <= now:
            self._forget(key)
            return None
        return attrs.evolve(entry.finding, ttl=entry.ends - now)

    def put(self, key: Key, finding: Finding, size: int, now: float) -> None:
        """For `finding.ttl` seconds; `size`: bytes of the message that said so."""
        self._forget(key)
        cost = size + _OVERHEAD + _RECORD * len(finding.records)
        while self._entries and self._cost + cost > self._limits.dns_cache_bytes:
            oldest = next(iter(self._entries))
            if self._entries[oldest].ends > now:
                self._stats.count("dns_cache_full")
            self._forget(oldest)
        if cost <= self._limits.dns_cache_bytes:
            self._entries[key] = Entry(finding, now + finding.ttl, cost)
            self._cost += cost
        else:
            self._stats.count("dns_cache_full")

    def clear(self) -> None:
        self._entries.clear()
        self._cost = 0

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._cost -= entry.cost
