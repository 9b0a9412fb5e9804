"""What was accepted from the application and is not yet acknowledged: unsent, in flight, or lost.

Decides which bytes make the next segment: windows, Nagle and the sender's silly-window avoidance (RFC 9293 3.7.4,
3.8.6.2.1). Knows sequence numbers and bytes; no clock (it is given `now`), no timer, no header, no state of RFC 9293.
Every queue is drained from its ends: nothing is scanned.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter

import attrs

from netif.link import Buffer
from stack.seq import unwrap

OPEN, QUEUED, SENT = 0, 1, 2  # Sender.fin
_BY_REFERENCE = 4096  # bytes; smaller writes are copied together
_TAIL = 16384  # bytes up to which small writes are gathered in one bytearray


@attrs.define(eq=False)
class Transmission:
    """One range of sequence numbers on its way: [seq, end), the views that hold its bytes, when it was last sent."""

    seq: int
    end: int
    views: tuple[Buffer, ...]
    sent_at: float
    fin: bool = False  # its last sequence number is the FIN
    retransmitted: bool = False


_by_seq = attrgetter("seq")


def skip(views: tuple[Buffer, ...], count: int) -> tuple[Buffer, ...]:
    """The views without their first `count` bytes."""
    for index, view in enumerate(views):
        size = len(view)
        if count < size:
            return (memoryview(view)[count:], *views[index + 1 :]) if count else views[index:]
        count -= size
    return ()


def take(views: tuple[Buffer, ...], count: int) -> tuple[Buffer, ...]:
    """The first `count` bytes of the views."""
    taken: list[Buffer] = []
    for view in views:
        if count <= 0:
            break
        taken.append(view if len(view) <= count else memoryview(view)[:count])
        count -= len(view)
    return tuple(taken)


class Sender:
    __slots__ = (
        "buffered",
        "capacity",
        "fin",
        "in_flight",
        "iss",
        "lost",
        "lost_bytes",
        "max_window",
        "mss",
        "nodelay",
        "snd_nxt",
        "snd_sml",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "unsent",
        "unsent_bytes",
    )

    def __init__(self, iss: int, capacity: int, nodelay: bool) -> None:
        self.iss = iss
        self.snd_una = iss
        self.snd_nxt = iss
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.max_window = 0  # the largest window that the peer ever offered
        self.mss = 536  # RFC 9293 3.7.1, net of options; set by the handshake
        self.capacity = capacity
        self.nodelay = nodelay
        self.buffered = 0  # bytes unsent or unacknowledged
        self.unsent: deque[Buffer] | None = None
        self.unsent_bytes = 0
        self.in_flight: deque[Transmission] | None = None  # in order of sequence numbers
        self.lost: deque[Transmission] | None = None  # to be sent again, in order
        self.lost_bytes = 0
        self.snd_sml = iss  # end of the last segment that was smaller than mss (RFC 9293 appendix A.3)
        self.fin = OPEN

    # from the application

    def write(self, data: Buffer) -> int:
        """Accept what there is room for; the number of bytes."""
        length = len(data)
        room = self.capacity - self.buffered
        if length > room:
            if room <= 0:
                return 0
            data = memoryview(data)[:room]
            length = room
        elif not length:
            return 0
        unsent = self.unsent
        if unsent is None:
            unsent = self.unsent = deque()
        self.buffered += length
        self.unsent_bytes += length
        if length >= _BY_REFERENCE and (type(data) is bytes or (type(data) is memoryview and type(data.obj) is bytes)):
            unsent.append(data)
        elif not unsent:
            unsent.append(bytes(data))
        else:
            tail = unsent[-1]
            if type(tail) is bytearray and len(tail) + length <= _TAIL:
                tail += data
            elif type(tail) is bytes and len(tail) < _BY_REFERENCE:
                unsent[-1] = bytearray(tail) + data
            else:
                unsent.append(bytearray(data))
        return length

    def finish(self) -> None:
        """No more data: a FIN follows what is queued."""
        if self.fin == OPEN:
            self.fin = QUEUED

    def discard(self) -> None:
        """Nothing of it will ever be sent, or sent again."""
        self.unsent = self.in_flight = self.lost = None
        self.unsent_bytes = self.lost_bytes = self.buffered = 0

    def in_network(self, seq: int) -> bool:
        """A segment that began at `seq`, 32 bits, may be on its way."""
        return self.snd_una <= unwrap(seq, self.snd_una) < self.snd_nxt

    def lose_larger(self, size: int) -> None:
        """What was sent in larger segments than this cannot have arrived: it is the next to be sent."""
        in_flight = self.in_flight
        if in_flight:
            lost = [each for each in in_flight if each.end - each.seq - each.fin > size]
            kept = deque(each for each in in_flight if each.end - each.seq - each.fin <= size)
            self.in_flight = kept or None
            self.lost = deque(sorted((*lost, *(self.lost or ())), key=_by_seq)) or None
            self.lost_bytes += sum(each.end - each.seq for each in lost)

    # from the peer

    def window_update(self, seq: int, ack: int, window: int) -> None:
        """RFC 9293 3.10.7.4: take the window, unless a later segment has brought one."""
        if self.snd_wl1 < seq or (self.snd_wl1 == seq and self.snd_wl2 <= ack):
            self.snd_wnd = window
            self.snd_wl1 = seq
            self.snd_wl2 = ack
            if window > self.max_window:
                self.max_window = window

    def acknowledged(self, ack: int) -> float | None:
        """Forget everything before `ack`. When the newest of it was sent; None if any of it was sent twice (Karn)."""
        newest: float | None = None
        ambiguous = False
        released = ack - self.snd_una
        self.snd_una = ack
        in_flight = self.in_flight
        while in_flight:
            first = in_flight[0]
            if first.seq >= ack:
                break
            newest = first.sent_at
            ambiguous = ambiguous or first.retransmitted
            if first.end <= ack:
                in_flight.popleft()
                if first.fin:
                    released -= 1
            else:
                first.views = skip(first.views, ack - first.seq)
                first.seq = ack
        if not in_flight:
            self.in_flight = None  # an idle connection keeps no empty queues
        lost = self.lost
        while lost and lost[0].seq < ack:
            first = lost[0]
            ambiguous = True
            if first.end <= ack:
                self.lost_bytes -= first.end - first.seq
                lost.popleft()
                if first.fin:
                    released -= 1
            else:
                self.lost_bytes -= ack - first.seq
                first.views = skip(first.views, ack - first.seq)
                first.seq = ack
        self.buffered -= released
        return None if ambiguous else newest

    def lose_head(self, count: int) -> None:
        """What was sent at snd_una is lost, up to `count` bytes of it: they are the next to be sent."""
        in_flight = self.in_flight
        if not in_flight or in_flight[0].seq != self.snd_una:
            return
        first = in_flight[0]
        if first.end - first.seq > count + first.fin:
            head = self._split(first, count)
        else:
            head = in_flight.popleft()
        lost = self.lost
        if lost is None:
            lost = self.lost = deque()
        lost.appendleft(head)
        self.lost_bytes += head.end - head.seq

    def lose_all(self) -> None:
        """A time-out: nothing that was sent is in the network any more."""
        in_flight, lost = self.in_flight, self.lost
        if in_flight:
            self.lost = deque(sorted((*in_flight, *lost), key=_by_seq)) if lost else in_flight
            self.in_flight = None
        self.lost_bytes = self.snd_nxt - self.snd_una

    # what to send

    def next(self, now: float, cwnd: int, limit: int) -> Transmission | None:
        """The segment to send now, of at most `limit` bytes (a multiple of mss), or None."""
        if self.lost:
            return self._resend(now, cwnd, limit)
        count = self.unsent_bytes
        if not count and self.fin != QUEUED:
            return None
        nxt = self.snd_nxt
        window = self.snd_una + self.snd_wnd - nxt
        free = cwnd - (nxt - self.snd_una)
        usable = window if window < free else free
        if usable <= 0:
            return None
        mss = self.mss
        fin = self.fin == QUEUED
        if count > usable or count > limit:
            count = usable if usable < limit else limit
            fin = False
            if count >= mss:
                count -= count % mss
            elif usable < window or count + count < self.max_window:
                return None  # RFC 9293 3.8.6.2.1: a sliver of the window is not worth a segment
        elif count % mss and not fin and self.snd_sml > self.snd_una and not self.nodelay:
            count -= count % mss  # Nagle, as Minshall changed it: one small segment at a time
            if not count:
                return None
        if fin and count + 1 > window:
            fin = False
            if not count:
                return None
        return self._emit(now, count, fin)

    def probe(self, now: float) -> Transmission | None:
        """What a closed or silly window is asked with: one byte, or all that the window takes (RFC 9293 3.8.6.1)."""
        if self.in_flight:
            self.lose_all()
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        if self.lost:
            return self._cut_lost(now, max(1, min(self.snd_wnd, self.mss)))
        if self.unsent_bytes:
            small = self.snd_sml
            probe = self._emit(now, min(self.unsent_bytes, self.mss, max(window, 1)), False)
            self.snd_sml = small  # it should keep nothing waiting
            return probe
        if self.fin == QUEUED:
            return self._emit(now, 0, True)
        return None

    def fin_acknowledged(self) -> bool:
        return self.fin == SENT and self.snd_una == self.snd_nxt

    def _emit(self, now: float, count: int, fin: bool) -> Transmission:
        seq = self.snd_nxt
        views = self._take(count) if count else ()
        end = seq + count
        if count % self.mss:
            self.snd_sml = end
        if fin:
            end += 1
            self.fin = SENT
        self.snd_nxt = end
        transmission = Transmission(seq, end, views, now, fin)
        in_flight = self.in_flight
        if in_flight is None:
            in_flight = self.in_flight = deque()
        in_flight.append(transmission)
        return transmission

    def _take(self, count: int) -> tuple[Buffer, ...]:
        """Remove `count` bytes from the unsent ones."""
        unsent = self.unsent
        assert unsent is not None
        self.unsent_bytes -= count
        first = unsent[0]
        size = len(first)
        if size == count:
            if len(unsent) == 1:
                self.unsent = None
            else:
                unsent.popleft()
            return (first if type(first) is not bytearray else bytes(first),)
        taken: list[Buffer] = []
        while count:
            first = unsent[0]
            if type(first) is bytearray:
                first = bytes(first)  # writes go on at the end of a new one
            size = len(first)
            if size <= count:
                unsent.popleft()
                taken.append(first)
                count -= size
            else:
                view = memoryview(first)
                taken.append(view[:count])
                unsent[0] = view[count:]
                count = 0
        return tuple(taken)

    def _resend(self, now: float, cwnd: int, limit: int) -> Transmission | None:
        lost = self.lost
        assert lost
        seq = lost[0].seq
        usable = self.snd_una + self.snd_wnd - seq
        if usable <= 0:
            return None
        mss = self.mss
        if limit > usable:
            limit = usable if usable < mss else usable - usable % mss
        free = cwnd - (self.snd_nxt - self.snd_una - self.lost_bytes)
        if free < limit:
            if free >= mss:
                limit = free - free % mss
            elif seq != self.snd_una:
                return None  # but the first hole is always filled at once
        return self._cut_lost(now, limit)

    def _cut_lost(self, now: float, limit: int) -> Transmission:
        """Up to `limit` bytes from the front of the lost ones, ranges that were sent apart put together."""
        lost, in_flight = self.lost, self.in_flight
        assert lost
        head = lost.popleft()
        length = head.end - head.seq - head.fin
        if length > limit:
            lost.appendleft(head)
            head = self._split(head, limit)
        elif length < self.mss and not head.fin:
            parts = list(head.views)
            while lost and lost[0].seq == head.end and not head.fin:
                size = lost[0].end - lost[0].seq - lost[0].fin
                if size > limit - length:
                    break
                following = lost.popleft()
                length += size
                parts.extend(following.views)
                head.end = following.end
                head.fin = following.fin
            head.views = tuple(parts)
        self.lost_bytes -= head.end - head.seq
        head.sent_at = now
        head.retransmitted = True
        if in_flight is None:
            in_flight = self.in_flight = deque()
        if not in_flight or in_flight[-1].seq < head.seq:
            in_flight.append(head)
        else:  # the first hole is filled while what follows it is in flight
            at = 0
            while in_flight[at].seq < head.seq:
                at += 1
            in_flight.insert(at, head)
        return head

    @staticmethod
    def _split(whole: Transmission, count: int) -> Transmission:
        """Take the first `count` bytes off a range."""
        seq = whole.seq
        head = Transmission(seq, seq + count, take(whole.views, count), whole.sent_at, False, whole.retransmitted)
        whole.views = skip(whole.views, count)
        whole.seq = seq + count
        return head
