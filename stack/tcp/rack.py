"""Which segments are lost, by time: RACK (RFC 8985 sections 5 and 6). Knows no timer; `detect` says when to ask again.

A segment is lost when one that was sent after it has arrived, and it had its round trip and a reordering window more.
What was delivered before anything went wrong needs no record: whatever is selectively acknowledged was sent later.
"""

from __future__ import annotations

from stack.tcp.scoreboard import Delivery, Scoreboard
from stack.tcp.transmission import FLYING

DUPLICATE_THRESHOLD = 3  # segments
_PERSISTENCE = 16  # recoveries for which a widened window is kept


class Rack:
    __slots__ = (
        "again",
        "dsack_round",
        "end_seq",
        "fack",
        "persist",
        "reo_wnd",
        "reo_wnd_mult",
        "reordering_seen",
        "rtt",
        "xmit_ts",
    )

    def __init__(self, snd_una: int, rtt: float) -> None:
        self.xmit_ts = 0.0  # of the segment sent last among the delivered
        self.end_seq = snd_una
        self.again = False  # it had been sent before
        self.rtt = rtt  # its round trip
        self.fack = snd_una  # the highest sequence number delivered
        self.reordering_seen = False
        self.dsack_round: int | None = None
        self.reo_wnd = 0.0
        self.reo_wnd_mult = 1
        self.persist = _PERSISTENCE

    def delivered(self, news: list[Delivery], ack: int, min_rtt: float, echo: int | None, now: float) -> bool:
        """RFC 8985 6.2 steps 2 and 3. True if what had been overtaken came, sent only once: the path reorders."""
        fack = before = self.fack
        reordered = False
        for _, end, sent_at, retransmitted in news:
            if end > fack:
                fack = end
            elif end < before and not retransmitted:
                reordered = True
            rtt = now - sent_at
            if retransmitted:
                if end <= ack and echo is not None and echo < int(sent_at * 1000):
                    continue  # it is the first copy that arrived; the echo says nothing of what is out of order
                if rtt < min_rtt:
                    continue
            self.rtt = rtt
            if sent_at > self.xmit_ts or (sent_at == self.xmit_ts and end > self.end_seq):
                self.xmit_ts = sent_at
                self.end_seq = end
                self.again = retransmitted
        self.fack = fack
        if reordered:
            self.reordering_seen = True
        return reordered

    def duplicate_heard(self, snd_nxt: int) -> None:
        """Step 4: the peer had a segment twice. Once a round trip that widens the window."""
        if self.dsack_round is None:
            self.dsack_round = snd_nxt
            self.reo_wnd_mult += 1
            self.persist = _PERSISTENCE

    def recovered(self) -> None:
        """Step 4: a recovery is over, without a duplicate."""
        self.persist -= 1
        if self.persist <= 0:
            self.reo_wnd_mult = 1

    def update_window(self, srtt: float | None, min_rtt: float, segments: int, recovering: bool) -> None:
        """Step 4: how long what was overtaken is waited for."""
        enough = recovering or segments >= DUPLICATE_THRESHOLD
        if enough and not self.reordering_seen:
            self.reo_wnd = 0.0
        else:
            self.reo_wnd = 0.0 if srtt is None else min(self.reo_wnd_mult * min_rtt / 4, srtt)

    def detect(self, board: Scoreboard, now: float) -> float | None:
        """Step 5: mark what is lost. When to look again for what may be; None if nothing is waited for."""
        patience = self.rtt + self.reo_wnd
        waiting = board.lose_sent_before(self.xmit_ts, self.end_seq, self.again, patience, now)
        return None if waiting is None else waiting + patience

    def timed_out(self, board: Scoreboard, now: float) -> None:
        """Section 6.3: the first segment is lost, and whatever was sent long enough ago."""
        patience = self.rtt + self.reo_wnd
        for at, one in enumerate(list(board.ranges)):
            if one.state == FLYING and (not at or one.sent_at + patience <= now):
                board.lose(one)
