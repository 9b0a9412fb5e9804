"""One direction of an impaired wire: what befalls a frame, when it is due, and how many met which end.

In this order: scripts; an outage; loss, burst loss; a copy; a turned bit; the queue and the rate; delay, jitter and
going ahead. It is told the time, and decides by it, its own dice and the order of the frames alone. All that waits is
bounded.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

from netif.link import Buffer, Offload
from netif.wire.checksum import complete, partial_sum
from netif.wire.segment import finish
from tapio.amounts import Chance, Depth
from tapio.faults import QUEUE, Faults
from tapio.filter import look
from tapio.lane_words import explain
from tapio.script import DROP, DUPLICATE, PASS, Direction, Script, Verdict

Frame: TypeAlias = tuple[Buffer, Offload | None]
Fate: TypeAlias = tuple[float, tuple[Buffer, ...], Offload | None]  # when, what

Told: TypeAlias = Callable[[Direction, bytes, tuple[str, ...], tuple[bytes, ...]], None]
"""Direction, the frame as it came, what befell it in words, the frames that go on in its place."""

_HELD = 32 << 20  # bytes of frames that may wait in one direction, each counted with its overhead
_OVERHEAD = 256  # bytes
_CE = 3  # RFC 3168 5: congestion experienced; 1 and 2 say that the transport understands it


class Coin:
    """A Chance that is thrown. With correlation, so often the last throw stands: the share stays exact."""

    __slots__ = ("chance", "dice", "last")

    def __init__(self, chance: Chance, dice: random.Random) -> None:
        self.chance = chance
        self.dice = dice
        self.last: bool | None = None

    def throw(self) -> bool:
        chance, last = self.chance, self.last
        if chance.correlation and last is not None and self.dice.random() < chance.correlation:
            return last
        self.last = last = self.dice.random() < chance.p
        return last


class Lane:
    """`seen` counts all frames; each other count names what it counts."""

    def __init__(self, direction: Direction, faults: Faults) -> None:
        self.direction = direction
        self.faults = faults
        self.scripts: Sequence[Script] = ()
        self.told: Told | None = None  # of every frame that does not pass as it is
        self.link = 14  # bytes in front of the IP header
        self.seen = 0
        self.dropped = 0  # by a script
        self.lost = 0  # by loss, and in bursts
        self.cut_off = 0  # while the wire was down
        self.duplicated = self.corrupted = self.reordered = self.marked = 0
        self.tail_dropped = 0  # the queue was full
        self.overflowed = 0  # more waited than this driver holds
        self.waiting: list[tuple[float, int, Buffer, Offload | None]] = []  # a heap by time, then by order
        self._held = 0
        self._order = 0
        self.roll(random.Random(0))  # until `open` brings the port's

    def roll(self, dice: random.Random, now: float = 0.0) -> None:
        """Begin anew, by these dice; it is `now`."""
        faults = self.faults
        self.dice = dice
        self._opened = now
        depths = (faults.queue or QUEUE, faults.ecn)
        self._counts_frames = any(depth is not None and depth.frames is not None for depth in depths)
        self._loss = Coin(faults.loss, dice) if faults.loss else None
        self._duplicate = Coin(faults.duplicate, dice) if faults.duplicate else None
        self._corrupt = Coin(faults.corrupt, dice) if faults.corrupt else None
        self._reorder = Coin(faults.reorder, dice) if faults.reorder else None
        self._in_burst = False
        self._candidates = 0  # frames since one could go ahead
        self._free_at = 0.0  # when the rate has sent all that is queued
        self._departures: deque[float] = deque()  # of what is queued, where frames are counted
        self._latest = 0.0  # when the last frame in order is due

    def has_rules(self) -> bool:
        return bool(self.faults or self.scripts)

    @property
    def counters(self) -> dict[str, int]:
        """All counts by name."""
        names = "seen dropped lost cut_off duplicated corrupted reordered marked tail_dropped overflowed"
        return {name: getattr(self, name) for name in names.split()}

    # what befalls a frame

    def fates(self, buffers: tuple[Buffer, ...], offload: Offload | None, now: float) -> Sequence[Fate]:
        """The frames that go on in this one's place, and when they are due."""
        if self.told is not None:
            return self._fates_told(self.told, buffers, offload, now)
        return self._fates(buffers, offload, now)

    def _fates_told(
        self, told: Told, buffers: tuple[Buffer, ...], offload: Offload | None, now: float
    ) -> Sequence[Fate]:
        before = self.counters
        fates = self._fates(buffers, offload, now)
        words = explain(self.faults, before, self.counters, len(fates), fates[0][0] - now if fates else 0.0)
        if words:
            changed = tuple(b"".join(pieces) for _, pieces, _ in fates)
            told(self.direction, b"".join(buffers), words, changed)
        return fates

    def _fates(self, buffers: tuple[Buffer, ...], offload: Offload | None, now: float) -> Sequence[Fate]:
        self.seen += 1
        faults = self.faults
        facts = look(b"".join(buffers), self.link) if faults.only or faults.match else None
        if faults.match is not None and facts is not None and not faults.match.holds(facts):
            return ((now, buffers, offload),)
        if self.scripts:
            buffers = (b"".join(buffers),)
            verdict = self._verdict(buffers[0])
            if verdict is not None:
                return self._as_told(verdict, buffers, offload, now)
        if faults.only is not None and facts is not None and not faults.only.holds(facts):
            return self._pass(buffers, offload, now)
        if self._is_down(now - self._opened):
            self.cut_off += 1
            return ()
        if self._loses():
            self.lost += 1
            return ()
        copies = 1
        if self._duplicate is not None and self._duplicate.throw():
            self.duplicated += 1
            copies = 2
            buffers = (b"".join(buffers),)
        if self._corrupt is not None and self._corrupt.throw():
            self.corrupted += 1
            harmed = (self._turn_a_bit(finish(buffers, offload)),)
            first = self._pass(harmed, None, now, may_overtake=True)
        else:
            first = self._pass(buffers, offload, now, may_overtake=True)
        return first if copies == 1 else (*first, *self._pass(buffers, offload, now, may_overtake=True))

    def _verdict(self, frame: Buffer) -> Verdict:
        """The first that any script gives; each is asked, since each counts."""
        verdict = None
        for script in self.scripts:
            said = script(self.direction, bytes(frame), self.seen)
            if verdict is None:
                verdict = said
        return verdict

    def _as_told(
        self, verdict: Verdict, buffers: tuple[Buffer, ...], offload: Offload | None, now: float
    ) -> Sequence[Fate]:
        if verdict is DROP:
            self.dropped += 1
            return ()
        if verdict is DUPLICATE:
            return (*self._pass(buffers, offload, now), *self._pass(buffers, offload, now))
        if isinstance(verdict, bytes):
            return self._pass((verdict,), None, now)
        if isinstance(verdict, (float, int)):
            return [(due + verdict, pieces, left) for due, pieces, left in self._pass(buffers, offload, now)]
        assert verdict is PASS, verdict
        return self._pass(buffers, offload, now)

    def _is_down(self, since: float) -> bool:
        partition, flap = self.faults.partition, self.faults.flap
        if partition is not None and partition.is_down(since):
            return True
        return flap is not None and flap.is_down(since)

    def _loses(self) -> bool:
        lost = self._loss is not None and self._loss.throw()
        burst = self.faults.burst
        if burst is not None:
            share = burst.bad if self._in_burst else burst.good
            if share and self.dice.random() < share:
                lost = True
            if self.dice.random() < (burst.r if self._in_burst else burst.p):
                self._in_burst = not self._in_burst
        return lost

    def _turn_a_bit(self, frame: bytes) -> bytes:
        """One of those behind the link header: a cable's own check would have kept the rest from anybody."""
        if not frame:
            return frame
        at = self.dice.randrange(min(self.link, len(frame) - 1), len(frame))
        return frame[:at] + bytes((frame[at] ^ 1 << self.dice.randrange(0, 8),)) + frame[at + 1 :]

    # when it is due

    def _pass(
        self, buffers: tuple[Buffer, ...], offload: Offload | None, now: float, *, may_overtake: bool = False
    ) -> Sequence[Fate]:
        """Through the queue, at the rate, and along the wire."""
        faults = self.faults
        leaves = now
        if faults.rate:
            size = sum(map(len, buffers))
            waits = max(0.0, self._free_at - now)  # seconds until what is queued has gone
            if waits and self._reaches(faults.queue or QUEUE, waits, size, now):
                self.tail_dropped += 1
                return ()
            if faults.ecn is not None and self._reaches(faults.ecn, waits, 0, now):
                buffers = self._mark(buffers)
            leaves = self._free_at = now + waits + size * 8 / faults.rate
            if self._counts_frames:
                if not waits:
                    self._departures.clear()
                self._departures.append(leaves)
        if may_overtake and self._reorder is not None and self._goes_ahead():
            self.reordered += 1
            return ((leaves, buffers, offload),)
        due = leaves + faults.delay
        if faults.jitter:
            due = max(leaves, due + faults.jitter * self._deviation())
            if faults.keep_order:
                due = self._latest = max(due, self._latest)
        return ((due, buffers, offload),)

    def _reaches(self, depth: Depth, waits: float, size: int, now: float) -> bool:
        """Whether `size` more bytes, or one more frame, is too much behind what is queued."""
        if depth.bytes is not None:
            return waits * self.faults.rate / 8 + size > depth.bytes
        departures = self._departures
        while departures and departures[0] <= now:
            departures.popleft()
        assert depth.frames is not None
        return len(departures) >= depth.frames

    def _goes_ahead(self) -> bool:
        self._candidates += 1
        if self._candidates < self.faults.gap:
            return False
        assert self._reorder is not None
        if not self._reorder.throw():
            return False
        self._candidates = 0
        return True

    def _deviation(self) -> float:
        """Of the jitter: its mean is 0, but for pareto's, which is 1."""
        distribution = self.faults.distribution
        if distribution == "normal":
            return self.dice.normalvariate()
        if distribution == "pareto":
            return 2 * (self.dice.paretovariate(3) - 1)
        return 2 * self.dice.random() - 1

    def _mark(self, buffers: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
        """RFC 3168 5: congestion experienced, where the transport understands it."""
        head, link = bytes(buffers[0]), self.link
        is_ip = link == 0 or head[link - 2 : link] == b"\x08\0"
        if len(head) < link + 20 or not is_ip or head[link + 1] & _CE not in (1, 2):
            return buffers
        self.marked += 1
        front = head[link : link + 1] + bytes((head[link + 1] | _CE,)) + head[link + 2 : link + 10]
        rest = head[link + 12 :]
        total = partial_sum(front) + partial_sum(rest[: ((head[link] & 15) << 2) - 12])
        return (head[:link] + front + complete(total).to_bytes(2, "big") + rest, *buffers[1:])

    # what waits

    def hold(self, due: float, frame: Buffer, offload: Offload | None) -> None:
        if self._held > _HELD:
            self.overflowed += 1
            return
        self._order += 1
        self._held += len(frame) + _OVERHEAD
        heappush(self.waiting, (due, self._order, frame, offload))

    def pop(self) -> Frame:
        _, _, frame, offload = heappop(self.waiting)
        self._held -= len(frame) + _OVERHEAD
        return frame, offload

    def forget(self) -> None:
        self.waiting.clear()
        self._held = 0

    def __repr__(self) -> str:
        gone = self.lost + self.dropped + self.cut_off + self.tail_dropped
        return f"{self.direction}: {self.seen} seen, {gone} lost of them, {len(self.waiting)} waiting"
