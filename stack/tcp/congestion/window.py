"""What the congestion controls here have in common: a window that grows by use, and keeps no size that nobody uses.

Time goes by rounds: a round is over when more is acknowledged than was under way when it began, which bytes alone
can tell. RFC 5681 3.1 and 4.1; RFC 7661, whose pipeACK (4.2) is measured here as the largest flight of a round: the
volume of a round trip, by either end. A class of its own needs to say `avoid` and `reduce`; see docs/congestion.md.

Slow start adds the bytes acknowledged, not min(N, SMSS) for each ACK (RFC 5681 3.1): a receiver of super-frames sends
one ACK for forty segments, and would need 140 round trips to a megabyte. `flush` bounds the bursts instead.
"""

from __future__ import annotations

import math

from stack.tcp.congestion.control import UNLIMITED

NON_VALIDATED_PERIOD = 300.0  # seconds, RFC 7661 4.4.3
_SAMPLING_PERIOD = 1.0  # seconds at least, RFC 7661 4.5.1


class Window:
    __slots__ = (
        "credit",
        "cwnd",
        "initial",
        "last",
        "left",
        "mss",
        "pipe",
        "pipe_at",
        "prior_cwnd",
        "prior_ssthresh",
        "rtt",
        "ssthresh",
        "used",
        "validated_at",
    )
    name = "window"
    often = 0  # `avoid` is asked 2 ** often times in a window

    def __init__(self, mss: int, initial_window: int) -> None:
        self.mss = mss
        self.initial = initial_window
        self.cwnd = self.prior_cwnd = initial_window
        self.ssthresh = self.prior_ssthresh = UNLIMITED
        self.credit = 0  # bytes acknowledged in congestion avoidance since it was asked last
        self.left = 0  # bytes after whose acknowledgment the round ends
        self.used = 0  # the largest flight in this round, and
        self.last = 0  # in the one before
        self.rtt = 0.0  # seconds, smoothed; one sample a round
        self.pipe = UNLIMITED  # RFC 7661's pipeACK; this while it is undefined (4.2)
        self.pipe_at = -math.inf
        self.validated_at = math.inf  # when a good part of the window was in use; not known before the first round

    # while nothing is lost

    def acknowledged(self, acked: int, flight: int, rtt: float | None, now: float) -> None:
        if flight > self.used:
            self.used = flight
        self.left -= acked
        if self.left < 0:
            self.round_over(flight - acked, rtt, now)
        cwnd = self.cwnd
        if cwnd < self.ssthresh:
            # what was never used is no proof that more would fit; half, since it doubles in a round (as Linux)
            if self.used + self.used > cwnd or self.last + self.last > cwnd:
                self.slow_start(acked, rtt)
        else:
            credit = self.credit = self.credit + acked
            if credit << self.often >= cwnd:
                self.credit = 0
                if self.filled():
                    self.avoid(credit, now)

    def slow_start(self, acked: int, rtt: float | None) -> None:
        """RFC 5681 3.1"""
        cwnd = self.cwnd + acked
        self.cwnd = cwnd if cwnd < self.ssthresh else self.ssthresh

    def avoid(self, acked: int, now: float) -> None:
        """Congestion avoidance: `acked` bytes of a window that is in full use have arrived."""
        raise NotImplementedError

    def filled(self) -> bool:
        """The window, not the application or the peer, has limited what was sent in this round or the last."""
        room = self.cwnd - self.mss
        return self.used > room or self.last > room

    def round_over(self, under_way: int, rtt: float | None, now: float) -> None:
        """Another begins, with so much under way."""
        used = self.last = self.used
        self.used = 0
        self.left = under_way
        if rtt is not None:
            self.rtt += (rtt - self.rtt) / 4 if self.rtt else rtt
        if used >= self.pipe or now - self.pipe_at > max(_SAMPLING_PERIOD, 3 * self.rtt):
            self.pipe = used
            self.pipe_at = now
        if self.validated():
            self.validated_at = now
        else:
            self.expire(now)

    # what was not used for long

    def validated(self) -> bool:
        """RFC 7661 4.3: half the window at least was in use lately; the initial one needs no proof."""
        return self.pipe + self.pipe >= self.cwnd or self.cwnd <= self.initial

    def expire(self, now: float) -> None:
        """RFC 7661 4.4.3: after five minutes half of what was not used is gone."""
        if now - self.validated_at > NON_VALIDATED_PERIOD:
            self.validated_at = now
            self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
            self.cwnd = max(self.cwnd // 2, min(self.initial, self.cwnd))
        elif self.validated_at == math.inf:
            self.validated_at = now

    def idle(self, seconds: float, rto: float, now: float) -> None:
        """RFC 5681 4.1, in the manner of RFC 2861 and Linux: the window is halved for each time-out that has gone by,
        down to the initial one; slow start finds the way back."""
        if self.cwnd > self.initial and rto < math.inf:
            self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
            times = min(math.ceil(seconds / rto) - 1, 64)
            self.cwnd = max(self.cwnd >> times, self.initial)
        self.expire(now)

    def limited(self, flight: int, now: float) -> None:
        """The rounds tell as much."""

    # when something is

    def reduce(self, flight: int, now: float) -> None:
        volume = self.volume(flight)
        self.remember()
        self.ssthresh = max(volume // 2, 2 * self.mss)

    def volume(self, flight: int) -> int:
        """What the path was asked to carry when it lost something: RFC 5681 3.1 (4); RFC 7661 4.4.1."""
        return min(flight if self.validated() else max(flight, self.pipe), self.cwnd)

    def remember(self) -> None:
        """For `undo`; what was measured under the larger window says nothing of the smaller (RFC 7661 4.4.1)."""
        self.prior_cwnd = self.cwnd
        self.prior_ssthresh = self.ssthresh
        self.credit = 0
        self.pipe = UNLIMITED
        self.pipe_at = -math.inf

    def recovered(self, flight: int, now: float) -> None:
        self.cwnd = self.ssthresh

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        if first:  # RFC 5681 3.1: ssthresh is held when the same segment is lost again
            self.reduce(flight, now)
        self.cwnd = self.mss
        self.credit = 0

    def undo(self) -> None:
        self.cwnd = max(self.cwnd, self.prior_cwnd)
        self.ssthresh = max(self.ssthresh, self.prior_ssthresh)
