"""One ACK, as far as loss is concerned: what it says, and what had not been said before. RFC 2018, RFC 2883.

Blocks that lie outside of what is in flight, or tell nothing, are not looked at. Decides nothing.
"""

from __future__ import annotations

import attrs

from stack.tcp.scoreboard import Delivery, Scoreboard
from stack.tcp.sender import Sender

Blocks = tuple[tuple[int, int], ...]


@attrs.define(eq=False)
class Heard:
    ack: int
    blocks: Blocks  # SACK's, in their order
    duplicate: bool  # as RFC 5681 2 defines it
    echo: int | None  # TSecr, as milliseconds of our own clock
    # what it comes to
    prior_una: int = 0
    news: list[Delivery] = attrs.field(factory=list)  # what had not arrived before
    sacked: int = 0  # bytes newly held out of order
    delivered: int = 0  # bytes newly arrived
    dsack: tuple[int, int] | None = None
    sample: float | None = None  # seconds
    marked: int = 0  # bytes found lost, ever, before it was heard
    relost: int = 0  # of them, sent again before

    def read(self, sender: Sender, board: Scoreboard | None, now: float) -> None:
        """Put on the board, and take off it, what it says; `now` makes it a measure of the round trip."""
        self.prior_una = sender.snd_una
        if self.blocks:
            self._read_blocks(sender, board)
            for _, _, sent_at, again in self.news:
                if not again:
                    self.sample = now - sent_at if self.sample is None else min(self.sample, now - sent_at)
        if self.ack > self.prior_una:
            if board is None:
                sender.acknowledged(self.ack)
                return
            news: list[Delivery] = []
            ambiguous = sender.settle(board, self.ack, news)
            if news and not ambiguous:
                self.sample = now - news[-1][2]
            self.news += news

    def measure(self, min_rtt: float, now: float) -> None:
        """RFC 7323 4.1, for what was sent twice: the round trip by the echo, if that tells which copy was heard.

        An echo older than the second copy may have been sent for the first and lost on its way, and be repeated for the
        second: what lies between them is no round trip. It is one where the second cannot be heard of yet. A DSACK says
        that it was the second. For what was sent once the echo is a bound: this ACK was sent after that segment had
        arrived; what else it tells may have arrived long before, and been told by ACKs that were lost.
        """
        echo = self.echo
        again_at = max((at for _, _, at, again in self.news if again), default=now)
        too_soon = now - again_at < 0.9 * min_rtt  # for the second copy's ACK
        if self.dsack is not None and not too_soon:
            self.sample = now - again_at
        elif echo is None:
            return
        elif self.sample is not None:
            self.sample = min(self.sample, now - echo / 1000)
        elif self.ack > self.prior_una and (too_soon or echo >= int(again_at * 1000)):
            self.sample = (int(now * 1000) - echo) / 1000

    def _read_blocks(self, sender: Sender, board: Scoreboard | None) -> None:
        blocks = self.blocks
        start, end = blocks[0]
        inside = len(blocks) > 1 and blocks[1][0] <= start and end <= blocks[1][1]
        if start < end and (end <= self.ack or inside):  # RFC 2883 4
            if end <= sender.snd_nxt and end - start <= sender.max_window:
                self.dsack = blocks[0]
            blocks = blocks[1:]
        if board is None:
            return
        una, nxt = sender.snd_una, sender.snd_nxt
        before = board.sacked_bytes
        for start, end in blocks:
            if una <= start < end <= nxt and start >= self.ack:
                board.sack(start, end, self.news, sender.mss)
        self.sacked = board.sacked_bytes - before

    def count(self, sender: Sender, board: Scoreboard | None, sack: bool) -> None:
        """How many bytes have arrived that had not before."""
        acked = self.ack - self.prior_una
        if sack:
            self.delivered = sum(end - seq for seq, end, _, _ in self.news)
        elif acked > 0 and board is not None:  # RFC 6937 3: less what duplicates have told of
            mss = sender.mss
            self.delivered = max(acked - board.guessed, min(acked, mss))
            board.guessed = max(0, board.guessed - max(0, acked - mss))
        elif acked > 0:
            self.delivered = acked

    def original(self, recover: int, sack: bool) -> bool:
        """Something before `recover` has arrived that was sent only once (RFC 5682).

        Without SACK all that comes with what was sent again may have waited for that.
        """
        if not sack and any(again for _, _, _, again in self.news):
            return False
        return any(end <= recover and not again for _, end, _, again in self.news)
