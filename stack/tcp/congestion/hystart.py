"""HyStart++ (RFC 9406): leaves the first slow start when round trips grow longer, before the queue overflows.

Until it is sure, conservative slow start (CSS) grows at a quarter of the pace for five rounds. Knows samples and
rounds; no window. Two deviations. Growth is not capped at 8 SMSS an ACK (4.2, L): of super-frames one ACK tells of
forty segments. And since such a peer's rounds may have less than N_RTT_SAMPLE ACKs, one counts for as many as would
have come for every second segment; what CSS is there for, a few samples that mislead, it then mends.
"""

from __future__ import annotations

import math

MIN_RTT_THRESH = 0.004  # seconds
MAX_RTT_THRESH = 0.016
MIN_RTT_DIVISOR = 8
N_RTT_SAMPLE = 8
CSS_GROWTH_DIVISOR = 4
CSS_ROUNDS = 5


class HyStart:
    __slots__ = ("baseline", "current", "last", "rounds", "samples")

    def __init__(self) -> None:
        self.current = math.inf  # seconds: the shortest round trip of this round
        self.last = math.inf  # and of the one before
        self.samples = 0  # in this round
        self.baseline = math.inf  # in CSS: the round trip that led to it
        self.rounds = 0  # of CSS

    def growth(self, acked: int, rtt: float | None, mss: int) -> int:
        """How much of what was acknowledged the window is to grow by; what `rtt` tells counts from the next ACK on."""
        growth = acked if self.baseline == math.inf else acked // CSS_GROWTH_DIVISOR
        if rtt is not None:
            if rtt < self.current:
                self.current = rtt
            samples = self.samples
            self.samples = samples + (acked // (2 * mss) or 1)
            if self.baseline < math.inf:
                if self.samples >= N_RTT_SAMPLE and self.current < self.baseline:
                    self.baseline = math.inf  # it was a mistake
            elif samples < N_RTT_SAMPLE <= self.samples:  # once: the minimum only falls in what is left of the round
                self._judge()
        return growth

    def _judge(self) -> None:
        last = self.last
        if last < math.inf:
            threshold = max(MIN_RTT_THRESH, min(last / MIN_RTT_DIVISOR, MAX_RTT_THRESH))
            if self.current >= last + threshold:
                self.baseline = self.current
                self.rounds = 0

    def round_over(self) -> bool:
        """True: slow start has gone on for long enough."""
        self.last = self.current
        self.current = math.inf
        self.samples = 0
        if self.baseline == math.inf:
            return False
        self.rounds += 1
        return self.rounds >= CSS_ROUNDS
