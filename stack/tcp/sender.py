"""What was accepted from the application and is not yet acknowledged: unsent, or sent and in `in_flight`.

Decides which bytes make the next segment: windows, Nagle and the sender's silly-window avoidance (RFC 9293 3.7.4,
3.8.6.2.1). Knows sequence numbers and bytes; no clock (it is given `now`), no timer, no header, no state of RFC 9293.
What became of the bytes in flight stands on the `board`, which there is only while something is out of order.
"""

from __future__ import annotations

from collections import deque

from netif.link import Buffer
from stack.seq import unwrap
from stack.tcp.scoreboard import Delivery, Scoreboard
from stack.tcp.transmission import Transmission, skip

OPEN, QUEUED, SENT = 0, 1, 2  # Sender.fin
_BY_REFERENCE = 4096  # bytes; smaller writes are copied together
_TAIL = 16384  # bytes up to which small writes are gathered in one bytearray


class Sender:
    __slots__ = (
        "board",
        "buffered",
        "capacity",
        "cork",
        "fin",
        "in_flight",
        "iss",
        "max_sacked",
        "max_window",
        "mss",
        "nodelay",
        "patient",
        "snd_nxt",
        "snd_sml",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "unsent",
        "unsent_bytes",
    )

    def __init__(self, iss: int, capacity: int, nodelay: bool, max_sacked: int = 4096) -> None:
        self.iss = iss
        self.snd_una = iss
        self.snd_nxt = iss
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.max_window = 0  # the largest window that the peer ever offered
        self.mss = 536  # RFC 9293 3.7.1, net of options; set by the handshake
        self.capacity = capacity
        self.max_sacked = max_sacked  # ranges that the peer holds behind holes; more are not remembered
        self.nodelay = nodelay
        self.cork = False  # what does not fill a segment waits
        self.buffered = 0  # bytes unsent or unacknowledged
        self.unsent: deque[Buffer] | None = None
        self.unsent_bytes = 0
        self.in_flight: deque[Transmission] | None = None  # [snd_una, snd_nxt), in order of sequence numbers
        self.board: Scoreboard | None = None  # what of that is lost, or held by the peer behind what is lost
        self.patient = False  # what is lost waits for what was never sent (RFC 5682)
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
        self.unsent = self.in_flight = self.board = None
        self.unsent_bytes = self.buffered = 0

    def in_network(self, seq: int) -> bool:
        """A segment that began at `seq`, 32 bits, may be on its way."""
        return self.snd_una <= unwrap(seq, self.snd_una) < self.snd_nxt

    def lose_larger(self, size: int) -> None:
        """What was sent in larger segments than this cannot have arrived: it is the next to be sent."""
        board = self.scoreboard()
        if board is not None:
            board.lose_larger(size)

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
        if self.board is not None:
            return self._acknowledged_on(self.board, ack)
        newest: Transmission | None = None
        ambiguous = False
        released = ack - self.snd_una
        self.snd_una = ack
        in_flight = self.in_flight
        while in_flight:
            first = in_flight[0]
            if first.end > ack:
                if first.seq < ack:
                    newest = first
                    ambiguous = ambiguous or first.retransmitted
                    first.views = skip(first.views, ack - first.seq)
                    first.seq = ack
                break
            newest = in_flight.popleft()
            if first.retransmitted:
                ambiguous = True
            if first.fin:
                released -= 1
        else:
            self.in_flight = None  # an idle connection keeps no empty queues
        self.buffered -= released
        return None if ambiguous or newest is None else newest.sent_at

    def _acknowledged_on(self, board: Scoreboard, ack: int) -> float | None:
        delivered: list[Delivery] = []
        ambiguous = self.settle(board, ack, delivered)
        return None if ambiguous or not delivered else delivered[-1][2]

    def settle(self, board: Scoreboard, ack: int, delivered: list[Delivery]) -> bool:
        """As `acknowledged`, noting what had not arrived before. True if any of that was sent twice."""
        fins, ambiguous = board.acknowledged(ack, delivered)
        self.buffered -= ack - self.snd_una - fins
        self.snd_una = ack
        if not self.in_flight:
            self.in_flight = self.board = None
        return ambiguous

    def scoreboard(self) -> Scoreboard | None:
        """Made if there is none and anything is in flight."""
        board = self.board
        if board is None and self.in_flight:
            board = self.board = Scoreboard(self.in_flight, self.max_sacked)
        return board

    def flying(self) -> int:
        """Bytes in the network, as far as we know (RFC 6675's pipe)."""
        out = self.snd_nxt - self.snd_una
        return out if self.board is None else out - self.board.left()

    def reneged(self) -> bool:
        """The peer has thrown away what it said it held (RFC 2018 8)."""
        return self.board is not None and self.board.reneged()

    def lose_all(self) -> None:
        """Nothing that was sent is in the network any more."""
        board = self.scoreboard()
        if board is not None:
            board.lose_all()

    # what to send

    def next(self, now: float, cwnd: int, limit: int) -> Transmission | None:
        """The segment to send now, of at most `limit` bytes (a multiple of mss), or None."""
        board = self.board
        if board is not None:
            if board.lost_bytes and not self.patient:
                return self._resend(board, now, cwnd, limit)
            cwnd += board.left()
        count = self.unsent_bytes
        if not count and self.fin != QUEUED:
            return None
        nxt = self.snd_nxt
        window = self.snd_una + self.snd_wnd - nxt
        free = cwnd - (nxt - self.snd_una)
        usable = window if window < free else free
        if usable <= 0:  # but a FIN alone is no burden on the network (as in Linux)
            return None if count or window <= 0 else self.emit(now, 0, True)
        mss = self.mss
        fin = self.fin == QUEUED
        if count > usable or count > limit:
            count = usable if usable < limit else limit
            fin = False
            if count >= mss:
                count -= count % mss
            elif usable < window or count + count < self.max_window:
                return None  # RFC 9293 3.8.6.2.1: a sliver of the window is not worth a segment
        elif count % mss and not fin and (self.cork or (self.snd_sml > self.snd_una and not self.nodelay)):
            count -= count % mss  # Nagle, as Minshall changed it: one small segment at a time
            if not count:
                return None
        if fin and count + 1 > window:
            fin = False
            if not count:
                return None
        return self.emit(now, count, fin)

    def probe(self, now: float) -> Transmission | None:
        """What a closed or silly window is asked with: one byte, or all that the window takes (RFC 9293 3.8.6.1)."""
        board = self.scoreboard()
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        if board is not None:
            if board.reneged():
                board.forget_sacked()
            board.lose_all()
            first = board.next_lost()
            if first is not None:
                return board.resend(first, max(1, min(self.snd_wnd, self.mss)), now)
        if self.unsent_bytes:
            small = self.snd_sml
            probe = self.emit(now, min(self.unsent_bytes, self.mss, max(window, 1)), False)
            self.snd_sml = small  # it should keep nothing waiting
            return probe
        if self.fin == QUEUED:
            return self.emit(now, 0, True)
        return None

    def loss_probe(self, now: float) -> Transmission | None:
        """RFC 8985 7.3: a new segment if the peer's window takes one, else the last one again; whatever cwnd says."""
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        count = min(self.unsent_bytes, self.mss)
        if count and count <= window:
            fin = self.fin == QUEUED and count == self.unsent_bytes and count < window
            return self.emit(now, count, fin)
        if not count and self.fin == QUEUED and window > 0:
            return self.emit(now, 0, True)
        board = self.scoreboard()
        if board is None:
            return None
        last = board.tail(self.mss)
        board.sent_again(last, now)
        return last

    def went_before(self, count: int) -> None:
        """So many unsent bytes have gone with the SYN, and arrived."""
        if count:
            self._take(count)
            self.buffered -= count
            self.snd_una += count
            self.snd_nxt += count

    def fin_acknowledged(self) -> bool:
        return self.fin == SENT and self.snd_una == self.snd_nxt

    def emit(self, now: float, count: int, fin: bool = False) -> Transmission:
        """The next `count` unsent bytes are on their way."""
        seq = self.snd_nxt
        end = seq + count
        if count % self.mss:
            self.snd_sml = end
        if fin:
            end += 1
            self.fin = SENT
        self.snd_nxt = end
        transmission = Transmission(seq, end, self._take(count) if count else (), now, fin)
        if self.in_flight is None:
            self.in_flight = deque((transmission,))
        else:
            self.in_flight.append(transmission)
        return transmission

    def _take(self, count: int) -> tuple[Buffer, ...]:
        """Remove `count` bytes from the unsent ones."""
        unsent = self.unsent
        assert unsent is not None
        self.unsent_bytes -= count
        first = unsent[0]
        size = len(first)
        if size == count:
            if self.unsent_bytes:
                unsent.popleft()
            else:
                self.unsent = None
            return (first if type(first) is not bytearray else bytes(first),)
        if size > count and type(first) is not bytearray:
            view = memoryview(first)
            unsent[0] = view[count:]
            return (view[:count],)
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

    def _resend(self, board: Scoreboard, now: float, cwnd: int, limit: int) -> Transmission | None:
        first = board.next_lost()
        assert first is not None
        usable = self.snd_una + self.snd_wnd - first.seq
        if usable <= 0:
            return None
        mss = self.mss
        if limit > usable:
            limit = usable if usable < mss else usable - usable % mss
        free = cwnd - self.flying()
        if free < limit:
            if free >= mss:
                limit = free - free % mss
            elif first.seq != self.snd_una:
                return None
            elif limit > mss:
                limit = max(mss, min(limit, board.forced))  # the first hole is always filled at once
        return board.resend(first, limit, now, mss)
