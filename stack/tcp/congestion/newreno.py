"""NewReno: one segment more in each round trip, half the flight after a loss (RFC 5681, RFC 6582)."""

from __future__ import annotations

from stack.tcp.congestion.window import Window


class NewReno(Window):
    __slots__ = ()
    name = "newreno"

    def avoid(self, acked: int, now: float) -> None:
        self.credit = acked - self.cwnd
        self.cwnd += self.mss

    def recovered(self, flight: int, now: float) -> None:
        # RFC 6582 3.2 (3), option 1: no burst into a pipe that has run empty
        self.cwnd = min(self.ssthresh, max(flight, self.mss) + self.mss)
