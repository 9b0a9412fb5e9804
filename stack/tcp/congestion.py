"""How much may be in flight: NewReno's window (RFC 5681), counted in bytes. Knows nothing of what was lost, or why.

Slow start adds the bytes acknowledged, not min(N, SMSS) for each ACK (RFC 5681 3.1): a receiver of super-frames sends
one ACK for forty segments, and would need 140 round trips to a megabyte. `flush` bounds the bursts instead.
"""

from __future__ import annotations

from typing import Protocol

UNLIMITED = 1 << 40  # bytes: no slow start threshold yet


class CongestionControl(Protocol):
    cwnd: int  # bytes
    ssthresh: int  # bytes
    mss: int

    def acknowledged(self, acked: int, flight: int, now: float) -> None:
        """`acked` new bytes, of `flight` that were under way; not while anything is being recovered."""

    def fast_retransmit(self, flight: int, now: float) -> None:
        """Loss was inferred from duplicate ACKs."""

    def recovered(self, flight: int) -> None:
        """All that was under way at the time of the loss is acknowledged."""

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        """The retransmission timer expired, for the first time since anything was acknowledged or again."""

    def idle(self) -> None:
        """Nothing was sent for longer than a time-out."""


class NewReno:
    __slots__ = ("credit", "cwnd", "initial", "mss", "ssthresh")

    def __init__(self, mss: int, initial_window: int) -> None:
        self.mss = mss
        self.initial = initial_window
        self.cwnd = initial_window
        self.ssthresh = UNLIMITED
        self.credit = 0  # bytes acknowledged towards the next increase in congestion avoidance

    def acknowledged(self, acked: int, flight: int, now: float) -> None:
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

    def fast_retransmit(self, flight: int, now: float) -> None:
        self.ssthresh = max(flight // 2, 2 * self.mss)
        self.cwnd = self.ssthresh
        self.credit = 0

    def recovered(self, flight: int) -> None:
        # RFC 6582 3.2 (3), option 1: no burst into a pipe that has run empty
        self.cwnd = min(self.ssthresh, max(flight, self.mss) + self.mss)

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        if first:  # RFC 5681 3.1: ssthresh is held when the same segment is lost again
            self.ssthresh = max(flight // 2, 2 * self.mss)
        self.cwnd = self.mss
        self.credit = 0

    def idle(self) -> None:
        """RFC 5681 4.1"""
        self.cwnd = min(self.cwnd, self.initial)
