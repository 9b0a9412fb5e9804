"""The round-trip time, its minimum of late (RFC 8985 6.1) and the retransmission time-out (RFC 6298). Knows no segment
and no clock: it takes samples.

The minimum is added to SRTT, not put under the sum: a peer that delays its ACKs by up to `minimum` then never
causes a time-out (RFC 6298 2.4 would have 1 s; Linux does as here).
"""

from __future__ import annotations

from math import inf

SPAN = 150.0  # seconds; a minimum counts for at most twice that


class RttEstimator:
    __slots__ = ("latest", "least", "maximum", "min_rtt", "minimum", "rto", "rttvar", "srtt", "turn")

    def __init__(self, initial: float, minimum: float, maximum: float) -> None:
        self.srtt: float | None = None
        self.rttvar = 0.0
        self.rto = initial  # seconds, backed off or not
        self.latest = 0.0
        self.min_rtt = inf  # of this span and the one before it
        self.least = inf  # of this span
        self.turn = 0.0  # when the next begins
        self.minimum = minimum
        self.maximum = maximum

    def sample(self, rtt: float, now: float = 0.0) -> None:
        """A round trip of a segment sent once (Karn), or vouched for by its timestamp. Ends any back-off (5.7)."""
        self.latest = rtt
        if rtt < self.least:
            self.least = rtt
            if rtt < self.min_rtt:
                self.min_rtt = rtt
        if now >= self.turn:
            self.min_rtt = self.least
            self.least = rtt
            self.turn = now + SPAN
        srtt = self.srtt
        if srtt is None:
            self.srtt = srtt = rtt
            self.rttvar = rttvar = rtt / 2
        else:
            error = rtt - srtt
            rttvar = self.rttvar
            self.rttvar = rttvar = rttvar + ((error if error >= 0 else -error) - rttvar) / 4
            self.srtt = srtt = srtt + error / 8
        variance = 4 * rttvar  # as `restore`, which would be a call for each
        rto = srtt + (variance if variance > self.minimum else self.minimum)
        self.rto = rto if rto < self.maximum else self.maximum

    def restore(self) -> None:
        """Forget the back-off, since the path is known to be alive."""
        if self.srtt is not None:
            variance = 4 * self.rttvar
            rto = self.srtt + (variance if variance > self.minimum else self.minimum)
            self.rto = rto if rto < self.maximum else self.maximum

    def back_off(self) -> None:
        """RFC 6298 5.5"""
        self.rto = min(self.rto * 2, self.maximum)

    def hasten(self, limit: float) -> None:
        """Do not wait longer than `limit`, but for what the minimum asks."""
        self.rto = min(self.rto, max(limit, self.minimum))

    def restart_after_lost_syn(self) -> None:
        """RFC 6298 5.7: the SYN was sent more than once, so nothing has been measured yet."""
        if self.srtt is None:
            self.rto = min(3.0, self.maximum)
