"""Deadlines of one stack: two lazy heaps, one for what may make something happen, one for maintenance.

A deadline that moves later leaves its heap entry where it is; the entry is looked at when its time comes and put back.
Only a deadline that moves earlier costs a push. It knows no protocol: an item says when, and is told that it is time.
Maintenance (ageing, TIME-WAIT) keeps time as the rest does, but is no reason to wait for: see `pending`.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush


class Timed:
    """Whatever has one deadline. It changes `deadline` and `maintenance` at will; `armed_at` belongs to `Timers`."""

    __slots__ = ("armed_at", "deadline", "maintenance")

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.armed_at: float | None = None  # where the earliest heap entry of this item stands
        self.maintenance = False

    def expire(self, now: float) -> None:
        """The deadline came; it was cleared before this call."""
        raise NotImplementedError


class Alarm(Timed):
    """A deadline beside its owner's own: `ring(now)` is called when it comes."""

    __slots__ = ("ring",)

    def __init__(self, ring: Callable[[float], None]) -> None:
        super().__init__()
        self.ring = ring

    def expire(self, now: float) -> None:
        self.ring(now)


_Entry = tuple[float, int, Timed]


class Timers:
    __slots__ = ("_count", "_heap", "_live", "_maintenance")

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._maintenance: list[_Entry] = []
        self._count = 0  # ties are broken by order of arming, never by identity
        self._live = 0  # items with an entry; the other entries are stale

    def arm(self, item: Timed) -> None:
        """Note `item.deadline`. To be called whenever it may have become earlier; cheap if it has not."""
        deadline = item.deadline
        if deadline is None:
            return
        armed_at = item.armed_at
        if armed_at is not None:
            if deadline >= armed_at:
                return
        else:
            self._live += 1
        item.armed_at = deadline
        self._count += 1
        heap = self._maintenance if item.maintenance else self._heap
        heappush(heap, (deadline, self._count, item))
        if len(heap) > 64 + 2 * self._live:
            self._compact(heap)

    def forget(self, item: Timed) -> None:
        """The item has no more deadlines: let it go now, not when the last one comes."""
        item.deadline = None
        if item.armed_at is not None:
            self._disarm(item)
            heap = self._maintenance if item.maintenance else self._heap
            if len(heap) > 64 + 2 * self._live:
                self._compact(heap)

    def next_deadline(self) -> float | None:
        """No later than the earliest deadline; now and then earlier, since later moves are not followed up."""
        soon = self._top(self._heap)
        later = self._top(self._maintenance)
        if soon is None or later is None:
            return later if soon is None else soon
        return min(soon, later)

    def pending(self) -> bool:
        """Something other than maintenance is armed."""
        heap = self._heap
        while heap:
            when, _, item = heap[0]
            if item.armed_at == when and item.deadline is not None and not item.maintenance:
                return True
            heappop(heap)
            if item.armed_at == when:
                self._disarm(item)
                self.arm(item)  # it has become maintenance, or is no longer armed at all
        return False

    def size(self) -> int:
        """Heap entries, stale ones included."""
        return len(self._heap) + len(self._maintenance)

    def due(self, now: float) -> bool:
        """`expire` may have something to do."""
        heap, maintenance = self._heap, self._maintenance
        return bool(heap and heap[0][0] <= now) or bool(maintenance and maintenance[0][0] <= now)

    def expire(self, now: float) -> None:
        """Tell every item whose deadline has come, in the order of the deadlines."""
        due: list[_Entry] = []
        for heap in (self._heap, self._maintenance):
            while heap and heap[0][0] <= now:
                entry = heappop(heap)
                item = entry[2]
                if item.armed_at != entry[0]:
                    continue
                self._disarm(item)
                if item.deadline is not None and item.deadline <= now:
                    due.append(entry)
                else:
                    self.arm(item)
        if len(due) > 1:
            due.sort()
        waiting = iter(due)
        try:
            for _, _, item in waiting:
                if item.deadline is not None and item.deadline <= now:  # an earlier one may have called it off
                    item.deadline = None
                    item.expire(now)
                self.arm(item)
        finally:  # an exception on its way to the crank must not lose the others
            for _, _, item in waiting:
                self.arm(item)

    def _disarm(self, item: Timed) -> None:
        item.armed_at = None
        self._live -= 1

    def _top(self, heap: list[_Entry]) -> float | None:
        while heap:
            when, _, item = heap[0]
            if item.armed_at == when:
                if item.deadline is not None:
                    return when
                self._disarm(item)
            heappop(heap)
        return None

    def _compact(self, heap: list[_Entry]) -> None:
        seen: dict[Timed, None] = {}
        kept = []
        for entry in heap:
            item = entry[2]
            if item.armed_at == entry[0] and item not in seen:
                seen[item] = None
                kept.append(entry)
        heap[:] = kept
        heapify(heap)
