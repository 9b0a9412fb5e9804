"""What a path carries that says nothing: found out by segments of some size being acknowledged or not (RFC 4821).

A search begins when full-sized segments time out again and again (a black hole: a router drops, and its ICMP is lost),
or with the connection. It begins small and searches upwards, never above what link, routers and peer allow. A probe is
data; its loss alone is no sign of congestion (7.6.2). Sizes are those of whole IP packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

BASE, LEAST = 1024, 512  # bytes of payload: what a search begins with (RFC 4821 7.2), and after more time-outs
TIMEOUTS = 3  # in a row until a black hole is suspected (Linux: tcp_retries1)
CLOSE_ENOUGH = 8  # bytes between what passes and what does not, at which a search ends (Linux: tcp_probe_threshold)
AGAIN = 600.0  # seconds until what did not pass is tried again (RFC 4821 7.7)
PROBES = 3  # of one size in a row that are lost until it does not pass: one may be lost by chance (RFC 8899 5.1.2)
_BEHIND = 3  # segments of data that must follow a probe, so that its loss shows at once; none where loss leaves no room
_UNKNOWN = 1 << 16


class Search:
    __slots__ = ("end", "failed", "high", "lost", "low", "next_at", "others", "seq", "size", "timeouts")

    def __init__(self, low: int) -> None:
        self.low = low  # passes, or is hoped to
        self.high = _UNKNOWN  # the first that does not
        self.lost = 0  # probes in a row
        self.size = 0  # of the probe under way
        self.seq = 0
        self.end = 0
        self.next_at = 0.0  # no probe before
        self.failed = False  # a probe was lost, and is being sent again
        self.others = False  # and more than that
        self.timeouts = 0  # of the connection, when the probe was sent

    def resent(self, seq: int, end: int) -> None:
        """[seq, end) is sent again."""
        if self.size and seq < self.end and end > self.seq:
            self.lost += 1
            if self.lost == PROBES:
                self.high = self.size
                self.lost = 0
            self.size = 0
            self.failed = True
            self.others = False
        if self.failed and (seq >= self.end or end <= self.seq):
            self.others = True

    def candidate(self, most: int, now: float) -> int:
        """What to try next, `most` being the limit; 0: nothing. The largest first: often nothing is in the way."""
        if now < self.next_at:
            return 0
        if self.high > most:
            return most if most - self.low >= CLOSE_ENOUGH else 0
        if self.high - self.low > CLOSE_ENOUGH:
            return (self.low + self.high) // 2
        self.high = _UNKNOWN
        self.next_at = now + AGAIN
        return 0


def timed_out(connection: Connection) -> None:
    """The retransmission timer has expired once more (`retries` counts): is it because of the size?"""
    sender, mode = connection.sender, connection.config.mtu_probing
    in_flight = sender.in_flight
    if mode == "off" or connection.retries < TIMEOUTS or not in_flight:
        return
    if in_flight[0].end - in_flight[0].seq < sender.mss or sender.mss <= LEAST:
        return
    overhead = _overhead(connection)
    search = connection.search
    if sender.mss > BASE:
        low = BASE + overhead
    elif search is not None and connection.retries >= 2 * TIMEOUTS:
        low = LEAST + overhead
    else:
        return
    if search is None:
        connection.search = search = Search(low)
    search.low = low
    search.size = 0
    search.failed = False
    connection.measure()
    connection.congestion.mss = sender.mss


def probe(connection: Connection, now: float) -> int:
    """Before data is sent: what became of the last probe, and the next. How many bytes were sent."""
    search, sender = connection.search, connection.sender
    assert search is not None
    if search.size and sender.snd_una >= search.end:
        search.low, search.size, search.lost = search.size, 0, 0
        _grow(connection)
    if sender.board is not None or search.size:
        return 0
    if search.failed:
        search.failed = False
        if not search.others and connection.timeouts == search.timeouts:
            connection.congestion.undo()  # RFC 4821 7.6.2
    overhead = _overhead(connection)
    route = connection.emitter.route
    size = search.candidate(min(route.mtu, connection.peer_mss + overhead - _options(connection)), now)
    payload = size - overhead
    if payload <= sender.mss or sender.unsent_bytes < payload + _BEHIND * sender.mss:
        return 0
    cwnd, behind = connection.congestion.cwnd, _BEHIND * sender.mss
    if sender.in_flight is None and cwnd < payload + behind:
        cwnd, behind = max(cwnd, payload), 0  # one segment may always go, of whatever size
    room = min(sender.snd_wnd, cwnd) - (sender.snd_nxt - sender.snd_una)
    return _send(connection, search, size, payload, cwnd, now) if room >= payload + behind else 0


def _send(connection: Connection, search: Search, size: int, payload: int, cwnd: int, now: float) -> int:
    """One segment that is larger than the others."""
    from stack.tcp.output import transmit

    sender, emitter = connection.sender, connection.emitter
    usual = sender.mss
    sender.mss = emitter.mss = payload
    try:
        transmission = sender.next(now, cwnd, payload)
        if transmission is None:
            return 0
        transmit(connection, transmission, now)
    finally:
        sender.mss = emitter.mss = usual
    sent = transmission.end - transmission.seq
    if sent == payload:
        search.size, search.seq, search.end = size, transmission.seq, transmission.end
        search.timeouts = connection.timeouts
    return sent


def _grow(connection: Connection) -> None:
    connection.measure()
    connection.congestion.mss = connection.sender.mss


def _options(connection: Connection) -> int:
    return connection.emitter.header_length - 20


def _overhead(connection: Connection) -> int:
    """The headers of a segment."""
    return (20 if len(connection.local[0]) == 4 else 40) + connection.emitter.header_length
