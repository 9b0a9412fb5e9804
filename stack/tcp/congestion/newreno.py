"""NewReno's window (RFC 5681), counted in bytes. Knows nothing of what was lost, or why.

Slow start adds the bytes acknowledged, not min(N, SMSS) for each ACK (RFC 5681 3.1): a receiver of super-frames sends
one ACK for forty segments, and would need 140 round trips to a megabyte. `flush` bounds the bursts instead.
"""

from __future__ import annotations

from stack.tcp.congestion.control import UNLIMITED


class NewReno:
    __slots__ = ("credit", "cwnd", "initial", "mss", "prior_cwnd", "prior_ssthresh", "ssthresh")
    name = "newreno"

    def __init__(self, mss: int, initial_window: int) -> None:
        self.mss = mss
        self.initial = initial_window
        self.cwnd = self.prior_cwnd = initial_window
        self.ssthresh = self.prior_ssthresh = UNLIMITED
        self.credit = 0  # bytes acknowledged towards the next increase in congestion avoidance

    def acknowledged(self, acked: int, flight: int, rtt: float | None, now: float) -> None:
        cwnd = self.cwnd
        if flight + flight < cwnd:
            return  # what was never used is no proof that more would fit (RFC 7661)
        if cwnd < self.ssthresh:
            self.cwnd = min(cwnd + acked, self.ssthresh)
            return
        self.credit += acked
        if self.credit >= cwnd:  # RFC 5681 3.1: one SMSS for each window acknowledged
            self.credit -= cwnd
            self.cwnd = cwnd + self.mss

    def reduce(self, flight: int, now: float) -> None:
        self.prior_cwnd = self.cwnd
        self.prior_ssthresh = self.ssthresh
        self.ssthresh = max(flight // 2, 2 * self.mss)
        self.credit = 0

    def recovered(self, flight: int, now: float) -> None:
        # RFC 6582 3.2 (3), option 1: no burst into a pipe that has run empty
        self.cwnd = min(self.ssthresh, max(flight, self.mss) + self.mss)

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        if first:  # RFC 5681 3.1: ssthresh is held when the same segment is lost again
            self.reduce(flight, now)
        self.cwnd = self.mss
        self.credit = 0

    def undo(self) -> None:
        self.cwnd = max(self.cwnd, self.prior_cwnd)
        self.ssthresh = max(self.ssthresh, self.prior_ssthresh)

    def idle(self, seconds: float, rto: float, now: float) -> None:
        """RFC 5681 4.1"""
        self.cwnd = min(self.cwnd, self.initial)

    def limited(self, flight: int, now: float) -> None:
        pass
