"""What the peer has sent: bytes in order for the application, bytes out of order, and what we owe in acknowledgments.

The window comes from the room in the buffer; its right edge never moves left, and moves right in steps that are worth
a segment (RFC 9293 3.8.6.2.2, MUST-39). Under window scaling it is `edge`, the furthest ever offered, that is honoured
(RFC 7323 2.4). Knows no clock, no timer, no header, no state of RFC 9293.
"""

from __future__ import annotations

from collections import deque

from netif.link import Buffer
from stack.tcp.reassembly import Reassembly, compact
from stack.tcp.reports import Reports

_SMALL = 512  # bytes; payloads below this are gathered, so that objects do not outweigh their bytes
_GATHER = 4096
_LARGE = 512 << 10  # bytes of a buffer that is called so


class Receiver:
    __slots__ = (
        "ack_now",
        "capacity",
        "duplicates",
        "edge",
        "fin_at",
        "max_ranges",
        "mss",
        "owed",
        "queue",
        "queued",
        "rcv_nxt",
        "reassembly",
        "refused",
        "reports",
        "sack",
        "shift",
        "strays",
        "unoffered",
    )

    def __init__(self, capacity: int, max_ranges: int) -> None:
        self.capacity = capacity
        self.max_ranges = max_ranges
        self.rcv_nxt = 0
        self.edge = 0  # the first sequence number that was never offered
        self.unoffered = 0  # what a SYN's window had no room to say
        self.shift = 0  # RFC 7323 window scale of what we offer
        self.mss = 536  # the peer's segments, as far as we know
        self.queue: deque[Buffer] | None = None
        self.queued = 0  # bytes in order that nobody has read
        self.reassembly: Reassembly | None = None
        self.fin_at: int | None = None
        self.refused = False  # a segment left one hole too many
        self.owed = 0  # segments that nothing has acknowledged
        self.ack_now = False
        self.duplicates = 0  # acknowledgments owed for segments out of order, one for each (RFC 5681 4.2)
        self.sack = False  # both sides agreed on it (RFC 2018)
        self.strays = 0  # segments that came ahead of a hole
        self.reports: Reports | None = None  # what SACKs have to say; None: nothing

    def start(self, rcv_nxt: int, window: int) -> None:
        """The peer's SYN has told where it begins. Our own offers `window`, or has offered what `edge` says."""
        window = max(window, self.edge - self.rcv_nxt)
        self.rcv_nxt = rcv_nxt
        self.edge = rcv_nxt + window
        self.unoffered = self.capacity - window

    def scale(self, shift: int) -> None:
        """The handshake agreed on a window scale; a buffer larger than it can express is never offered whole."""
        self.shift = shift
        self.capacity = min(self.capacity, 0xFFFF << shift)

    # windows and acknowledgments

    def advertise(self) -> int:
        """The window field of a segment that acknowledges rcv_nxt; with it every debt of ACKs is paid."""
        edge = self.rcv_nxt + self.capacity - self.queued
        grown = edge - self.edge
        if grown > 0 and (grown >= self.mss or grown + grown >= self.capacity):
            self.edge = edge
        self.owed = self.unoffered = self.duplicates = 0
        self.ack_now = False
        return (self.edge - self.rcv_nxt) >> self.shift

    def update_due(self) -> bool:
        """Reading has opened enough to tell the peer without being asked: a quarter of the buffer, or half a large one,
        since that leaves the peer enough to go on with, and each update is a frame."""
        opened = self.rcv_nxt + self.capacity - self.queued - self.edge
        if opened << 2 < self.capacity:
            return False
        if self.edge - self.rcv_nxt >= self.mss:
            opened -= self.unoffered  # the next ACK is soon enough
        return opened > 0 and opened << (1 if self.capacity > _LARGE else 2) >= self.capacity and self.fin_at is None

    def acceptable(self, seq: int, length: int) -> bool:
        """RFC 9293 3.10.7.4, first check; `length` counts SYN and FIN."""
        if not length:  # at the edge too: a peer that has filled the window has no other number for its ACKs
            return self.rcv_nxt <= seq <= self.edge
        return seq < self.edge and seq + length > self.rcv_nxt

    # from the peer

    def text(self, seq: int, payload: Buffer, fin: bool, gso_size: int) -> bool:
        """Take an acceptable segment's bytes. True when, with them or before them, the FIN has come into order."""
        length = len(payload)
        rcv_nxt = self.rcv_nxt
        limit = self.edge
        if fin:
            self._note_fin(seq + length)
        if self.fin_at is not None:
            limit = self.fin_at
        if seq + length > limit:
            length = max(0, limit - seq)
            payload = compact(payload[:length])
            self.ack_now = True  # say where the window ends
        if seq < rcv_nxt:
            self.ack_now = True  # RFC 9293: what was received before is acknowledged again
            if self.sack and length:
                self._report().duplicate(seq, min(rcv_nxt, seq + length))
            payload = compact(payload[rcv_nxt - seq :])
            length = len(payload)
            seq = rcv_nxt
        if length and seq > rcv_nxt:
            self.duplicates += min(3, -(-length // (gso_size or self.mss)))  # of a super-frame as many as it takes
            self._out_of_order(seq, payload)
            return False
        if length:
            self._in_order(payload, length, gso_size)
        if self.fin_at is not None:
            if self.rcv_nxt == self.fin_at:
                self.rcv_nxt += 1
                self.edge = max(self.edge, self.rcv_nxt)
                self.owed += not length
                self.ack_now |= not fin  # it had come before, ahead of a hole
                self.reassembly = None
                return True
            self.ack_now = True
        return False

    def _in_order(self, payload: Buffer, length: int, gso_size: int) -> None:
        """Bytes that begin at rcv_nxt, all within the window; there are some."""
        size = gso_size or self.mss
        self.owed += 1 if length <= size else -(-length // size)
        if self.reassembly is None:
            self.append(payload, length)
            self.rcv_nxt += length
        else:
            self._fill(payload, length)

    def finished(self) -> bool:
        """The FIN has been received, and all before it."""
        return self.fin_at is not None and self.rcv_nxt > self.fin_at

    def _note_fin(self, at: int) -> None:
        """A FIN beyond the window is cut off with what precedes it; one before bytes that are there is a lie."""
        if self.fin_at is None and self.rcv_nxt <= at <= self.edge:
            reassembly = self.reassembly
            if reassembly is None or reassembly.ranges.ends[-1] <= at:
                self.fin_at = at

    def append(self, payload: Buffer, length: int) -> None:
        """Bytes in order join the queue."""
        queue = self.queue
        self.queued += length
        if queue is None:
            self.queue = deque((payload,))
        elif length >= _SMALL or not queue or len(last := queue[-1]) >= _GATHER:
            queue.append(payload)
        elif type(last) is bytearray:
            last += payload
        elif len(last) < _SMALL:
            queue[-1] = bytearray(last) + payload
        else:
            queue.append(payload)

    def _out_of_order(self, seq: int, payload: Buffer) -> None:
        self.strays += 1
        self.ack_now = True
        reassembly = self.reassembly
        if reassembly is None:
            reassembly = self.reassembly = Reassembly(self.max_ranges, 256 + self.capacity // 512)
        end = seq + len(payload)
        twice = reassembly.ranges.overlap(seq, end) if self.sack else None
        if not reassembly.add(seq, payload):
            self.refused = True
        elif self.sack:
            reports = self._report()
            if twice is not None:
                reports.duplicate(*twice)
            reports.arrived(reassembly.ranges.around(seq) or (seq, end), twice is not None)

    def old(self, seq: int, end: int) -> None:
        """A segment outside the window; what lies before it has come again, and is acknowledged again (RFC 2883)."""
        self.ack_now = True
        if self.sack and seq < end and seq < self.rcv_nxt:
            self._report().duplicate(seq, min(end, self.rcv_nxt))

    def _report(self) -> Reports:
        reports = self.reports
        if reports is None:
            reports = self.reports = Reports()
        return reports

    def blocks(self, most: int) -> tuple[tuple[int, int], ...]:
        """What the SACK option of the next segment says; to be asked where there are `reports`."""
        reports, reassembly = self.reports, self.reassembly
        assert reports is not None
        said = reports.next(None if reassembly is None else reassembly.ranges, most)
        if reassembly is None and not reports.pending:
            self.reports = None
        return said

    def held(self) -> int:
        """Bytes kept, in order or not."""
        return self.queued if self.reassembly is None else self.queued + self.reassembly.held

    def _fill(self, payload: Buffer, length: int) -> None:
        """Bytes in order may close a hole. Where some of them are here already, those came first, and stay."""
        reassembly = self.reassembly
        assert reassembly is not None
        self.ack_now = True  # RFC 5681 4.2: also when a hole is filled in part
        seq = self.rcv_nxt
        if self.sack and (twice := reassembly.ranges.overlap(seq, seq + length)) is not None:
            self._report().duplicate(*twice)
        for start, stop in list(reassembly.ranges.gaps(seq, seq + length)):
            self._follow(reassembly)
            part = payload[start - seq : stop - seq]
            self.append(part if stop - start == length else compact(part), stop - start)
            self.rcv_nxt = stop
        self._follow(reassembly)
        if not len(reassembly.ranges):
            self.reassembly = None

    def _follow(self, reassembly: Reassembly) -> None:
        """Move what was kept and is in order now."""
        while (piece := reassembly.next(self.rcv_nxt)) is not None:
            self.append(piece, len(piece))
            self.rcv_nxt += len(piece)

    # to the application

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; there must be some."""
        queue = self.queue
        assert queue is not None
        first = queue[0]
        size = len(first)
        if len(queue) == 1 and size <= count:
            self.queue = None
            self.queued = 0
            return first if type(first) is bytes else bytes(first)
        if size > count:
            view = memoryview(first)
            queue[0] = view[count:]
            self.queued -= count
            return bytes(view[:count])
        taken = [queue.popleft()]
        while queue and size < count:
            first = queue[0]
            rest = count - size
            if len(first) <= rest:
                taken.append(queue.popleft())
                size += len(first)
            else:
                view = memoryview(first)
                taken.append(view[:rest])
                queue[0] = view[rest:]
                size = count
        if not queue:
            self.queue = None
        self.queued -= size
        return b"".join(taken)

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as there are bytes; how many."""
        queue = self.queue
        at, room = 0, len(buffer)
        while queue and room:
            first = queue[0]
            size = len(first)
            if size <= room:
                buffer[at : at + size] = first
                queue.popleft()
            else:
                view = memoryview(first)
                buffer[at:] = view[:room]
                queue[0] = view[room:]
                size = room
            at += size
            room -= size
        if not queue:
            self.queue = None
        self.queued -= at
        return at

    def peek(self, count: int) -> bytes:
        queue = self.queue
        taken: list[Buffer] = []
        for part in queue or ():
            if count <= 0:
                break
            taken.append(part if len(part) <= count else memoryview(part)[:count])
            count -= len(part)
        return b"".join(taken)

    def discard(self) -> None:
        """Nobody will read what there is."""
        self.queue = None
        self.queued = 0
        self.reassembly = None
