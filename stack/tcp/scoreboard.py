"""What the peer has of the bytes in flight, what is lost, and what was sent again: made when the first is suspected.

It works on the sender's own ranges, in order of sequence numbers, and cuts them where a SACK does (RFC 2018). Ranges
never sent again are in order of time too; those sent again have a heap by time, lost ones a heap by number. Entries of
heaps go stale and are dropped when they come up; nothing is scanned twice. Decides nothing: `rack` and `recovery` do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from heapq import heapify, heappop, heappush

from stack.tcp.transmission import DONE, FLYING, LOST, SACKED, Transmission, by_seq, join, skip, split, take

# What has newly arrived at the peer: seq, end, when it was last sent, whether it was sent more than once
Delivery = tuple[int, int, float, bool]
_PIECES = 64  # that may be cut off, and one for every 256 bytes in flight


class Scoreboard:
    __slots__ = (
        "count",
        "forced",
        "guessed",
        "judged",
        "limit",
        "lost",
        "lost_bytes",
        "marked",
        "pieces",
        "ranges",
        "refused",
        "relost",
        "resent",
        "sacked",
        "sacked_bytes",
    )

    def __init__(self, ranges: deque[Transmission], limit: int) -> None:
        self.ranges = ranges  # the sender's
        self.limit = limit  # of ranges held by the peer
        self.refused = False  # a SACK would have made one range too many
        self.sacked = 0  # ranges that the peer holds
        self.sacked_bytes = 0
        self.pieces = 0  # ranges that SACKs have cut off others, and that are not whole again
        self.lost_bytes = 0  # to be sent again
        self.marked = 0  # bytes found lost, ever
        self.relost = 0  # of them, sent again before
        self.guessed = 0  # bytes that duplicate ACKs without SACK say have arrived
        self.lost: list[tuple[int, int, Transmission]] = []  # heap by sequence number
        self.resent: list[tuple[float, int, Transmission]] = []  # heap by the time of sending
        self.count = 0  # ties are broken by order
        self.forced = 0  # bytes at snd_una that go whatever the window says; one segment always does
        self.judged = ranges[0].seq  # before it, none that was sent once is in flight
        for one in ranges:
            if one.retransmitted:
                self._note_resent(one)

    def left(self) -> int:
        """Bytes in [snd_una, snd_nxt) that are not in the network."""
        return self.sacked_bytes + self.lost_bytes + self.guessed

    def trivial(self) -> bool:
        """Nothing is known of what is in flight but that it is."""
        return not (self.sacked_bytes or self.lost_bytes or self.guessed)

    # what the peer says

    def sack(self, start: int, end: int, delivered: list[Delivery], mss: int = 1) -> None:
        """[start, end), within what is in flight, has arrived. What of it is news is added to `delivered`.

        Whole segments count, as they were sent in sizes of `mss` (RFC 2018 5): a part of one is not worth cutting it.
        """
        ranges = self.ranges
        at = max(bisect_right(ranges, start, key=by_seq) - 1, 0)
        while at < len(ranges):
            one = ranges[at]
            if one.seq >= end:
                break
            if one.state == SACKED or one.end <= start:
                at += 1
                continue
            first = max(0, -(-(start - one.seq) // mss) * mss)
            size = one.end - one.seq if one.end <= end else (end - one.seq) // mss * mss
            if first >= size:
                at += 1
                continue
            cuts = (first > 0) + (size < one.end - one.seq)
            if self.sacked >= self.limit or (cuts and self.pieces >= self._most_pieces()):
                self.refused = True
                break
            self.pieces += cuts
            if first:
                self._cut(at, first)
                at += 1
                one = ranges[at]
            if one.end - one.seq > size - first:
                one = self._cut(at, size - first)
            delivered.append((one.seq, one.end, one.sent_at, one.retransmitted))
            at = self._hold(at, one) + 1

    def acknowledged(self, ack: int, delivered: list[Delivery]) -> tuple[int, bool]:
        """All before `ack` is done with. (FINs among it, whether any of it had been sent again.)"""
        ranges = self.ranges
        fins, ambiguous = 0, False
        while ranges and ranges[0].seq < ack:
            one = ranges[0]
            end = min(one.end, ack)
            size = end - one.seq
            if one.state == SACKED:
                self.sacked_bytes -= size
            else:
                delivered.append((one.seq, end, one.sent_at, one.retransmitted))
                ambiguous = ambiguous or one.retransmitted
                if one.state == LOST:
                    self.lost_bytes -= size
            if one.end <= ack:
                if one.state == SACKED:
                    self.sacked -= 1
                one.state = DONE
                one.views = ()  # a stale entry of a heap is not to keep them
                fins += one.fin
                ranges.popleft()
                self.pieces -= self.pieces > 0
            else:
                one.views = skip(one.views, size)
                one.seq = ack
                if one.state == LOST:
                    self._note_lost(one)
        return fins, ambiguous

    def duplicate(self, size: int) -> int:
        """A duplicate ACK without SACK: some segment has arrived, whichever. Bytes by which fewer are in the network.

        Never more than there were, nor the one that is missing: a lie may claim no more than all that was sent.
        """
        ranges = self.ranges
        out = ranges[-1].end - ranges[0].seq - max(self.lost_bytes, size)
        size = max(0, min(size, out - self.guessed))
        self.guessed += size
        return size

    def reneged(self) -> bool:
        """The peer acknowledges up to what it said it held, but not that: it has thrown it away (RFC 2018 8)."""
        return self.ranges[0].state == SACKED

    def forget_sacked(self) -> None:
        """RFC 2018 8: what the peer held it may hold no more."""
        for one in self.ranges:
            if one.state == SACKED:
                one.state = FLYING
                self.sacked_bytes -= one.end - one.seq
                self.lose(one)
        self.sacked = 0

    # what is lost

    def lose(self, one: Transmission) -> None:
        one.state = LOST
        size = one.end - one.seq
        self.lost_bytes += size
        self.marked += size
        if one.retransmitted:
            self.relost += size
        self._note_lost(one)

    def lose_head(self, size: int) -> None:
        """Up to `size` bytes at snd_una are lost."""
        one = self.ranges[0]
        if one.state != FLYING:
            return
        if one.end - one.seq > size + one.fin:
            one = self._cut(0, size)
        self.lose(one)

    def lose_all(self) -> None:
        """Nothing that was sent is in the network any more, but for what the peer has."""
        for one in self.ranges:
            if one.state == FLYING:
                self.lose(one)
        self.guessed = self.forced = 0
        self.resent.clear()

    def lose_larger(self, size: int) -> None:
        """What was sent in larger segments than this has not arrived."""
        for one in self.ranges:
            if one.state == FLYING and one.end - one.seq - one.fin > size:
                self.lose(one)

    def unlose(self) -> None:
        """What was found lost is under way after all."""
        for one in self.ranges:
            if one.state == LOST:
                one.state = FLYING
                if one.retransmitted:
                    self._note_resent(one)
        self.lost_bytes = 0
        self.lost.clear()
        self.judged = self.ranges[0].seq

    def lose_sent_before(self, sent_at: float, end: int, again: bool, patience: float, now: float) -> float | None:
        """What was sent before the segment of (sent_at, end), `patience` ago or longer, is lost (RFC 8985 6.2 step 5).

        Of what was sent before it, but not that long ago: when the last was sent. Numbers tell which of two sent at one
        time was the first, but not of one sent `again` and another that was not.
        """
        waiting = self._judge_first(sent_at, end, patience, now)
        while self.resent:
            when, _, one = self.resent[0]
            if one.state == FLYING and one.sent_at == when:
                if when > sent_at or (when == sent_at and not (again and one.end < end)):
                    break
                if when + patience > now:
                    waiting = when if waiting is None or when > waiting else waiting
                    break
                self.lose(one)
            heappop(self.resent)
        return waiting

    def _judge_first(self, sent_at: float, end: int, patience: float, now: float) -> float | None:
        """Of those that were sent once."""
        ranges = self.ranges
        at = bisect_left(ranges, self.judged, key=by_seq)
        while at < len(ranges):
            one = ranges[at]
            if one.state == FLYING and not one.retransmitted:
                if one.sent_at > sent_at or (one.sent_at == sent_at and one.end >= end):
                    return None
                if one.sent_at + patience > now:
                    return self._last_before(sent_at, end, at)
                self.lose(one)
            self.judged = one.end
            at += 1
        return None

    def _last_before(self, sent_at: float, end: int, first: int) -> float:
        ranges = self.ranges
        at = bisect_left(ranges, end, lo=first + 1, key=by_seq) - 1
        while at > first:
            one = ranges[at]
            if one.state == FLYING and not one.retransmitted and (one.sent_at, one.end) < (sent_at, end):
                break
            at -= 1
        return ranges[at].sent_at

    # what is sent again

    def next_lost(self) -> Transmission | None:
        lost = self.lost
        while lost:
            seq, _, one = lost[0]
            if one.state == LOST and one.seq == seq:
                return one
            heappop(lost)
        return None

    def resend(self, one: Transmission, limit: int, now: float, mss: int = 1) -> Transmission:
        """Up to `limit` bytes of the first lost range, and of those that follow it: what fits whole, and the beginning
        of one that would be cut anyway, unless the window takes less than `mss`."""
        length = one.end - one.seq - one.fin
        if length > limit:
            one = self._cut(bisect_left(self.ranges, one.seq, key=by_seq), limit)
        elif length < limit and not one.fin:
            self._join(one, limit - length, limit if limit >= mss else None)
        self.lost_bytes -= one.end - one.seq
        one.state = FLYING
        self.sent_again(one, now)
        return one

    def flying_again(self) -> bool:
        """Something that was sent again is in the network."""
        resent = self.resent
        while resent:
            when, _, one = resent[0]
            if one.state == FLYING and one.sent_at == when:
                return True
            heappop(resent)
        return False

    def again_bytes(self) -> int:
        """Bytes in the network that were sent again."""
        return sum(one.end - one.seq for one in self.ranges if one.retransmitted and one.state == FLYING)

    def tail(self, size: int) -> Transmission:
        """The last `size` bytes, or the last range if that is smaller."""
        ranges = self.ranges
        one = ranges[-1]
        length = one.end - one.seq - one.fin
        if length > size:
            self._cut(len(ranges) - 1, length - size)
        return one

    def sent_again(self, one: Transmission, now: float) -> None:
        """A range goes out once more; as a probe, it may well be in the network still."""
        one.sent_at = now
        one.retransmitted = True
        self._note_resent(one)

    # ranges

    def _join(self, one: Transmission, room: int, cut_above: int | None) -> None:
        ranges = self.ranges
        following = bisect_left(ranges, one.seq, key=by_seq) + 1
        views = one.views
        while following < len(ranges):
            other = ranges[following]
            size = other.end - other.seq - other.fin
            if other.state != LOST or size > room or one.fin:
                if room and other.state == LOST and not one.fin and cut_above is not None and size > cut_above:
                    views = join(views, take(other.views, room))
                    other.views = skip(other.views, room)
                    other.seq += room
                    one.end = other.seq
                    self._note_lost(other)
                break
            views = join(views, other.views)
            one.end = other.end
            one.fin = other.fin
            other.state, other.views = DONE, ()
            del ranges[following]
            self.pieces -= self.pieces > 0
            room -= size
        one.views = views

    def _hold(self, at: int, one: Transmission) -> int:
        """The peer holds `one`, which is joined with what it holds at either side. Where that is now."""
        ranges = self.ranges
        size = one.end - one.seq
        if one.state == LOST:
            self.lost_bytes -= size
        one.state = SACKED
        self.sacked_bytes += size
        self.sacked += 1
        if at + 1 < len(ranges) and ranges[at + 1].state == SACKED:
            self._absorb(one, at + 1)
        if at and ranges[at - 1].state == SACKED:
            self._absorb(ranges[at - 1], at)
            at -= 1
        return at

    def _absorb(self, one: Transmission, at: int) -> None:
        other = self.ranges[at]
        one.views = join(one.views, other.views)
        one.end = other.end
        one.fin = other.fin
        other.state, other.views = DONE, ()
        del self.ranges[at]
        self.sacked -= 1
        self.pieces -= self.pieces > 0

    def _most_pieces(self) -> int:
        """A range costs a few hundred bytes: SACKs of single bytes must not make more of them than there are bytes."""
        return _PIECES + ((self.ranges[-1].end - self.ranges[0].seq) >> 8)

    def _cut(self, at: int, count: int) -> Transmission:
        """Take the first `count` bytes off the range there; they come before it."""
        whole = self.ranges[at]
        head = split(whole, count)
        self.ranges.insert(at, head)
        if whole.state == LOST:
            self._note_lost(head)
            self._note_lost(whole)
        elif whole.state == FLYING and whole.retransmitted:
            self._note_resent(head)
        return head

    def _note_lost(self, one: Transmission) -> None:
        self.count += 1
        heappush(self.lost, (one.seq, self.count, one))
        if len(self.lost) > 64 + 2 * len(self.ranges):
            self.lost = [entry for entry in self.lost if entry[2].state == LOST and entry[2].seq == entry[0]]
            heapify(self.lost)

    def _note_resent(self, one: Transmission) -> None:
        self.count += 1
        heappush(self.resent, (one.sent_at, self.count, one))
        if len(self.resent) > 64 + 2 * len(self.ranges):
            self.resent = [entry for entry in self.resent if entry[2].state == FLYING and entry[2].sent_at == entry[0]]
            heapify(self.resent)
