"""CUBIC (RFC 9438): the window is a cubic function of the time since the last loss, flat around where that happened.

Counted in bytes; the RFC's segments are `mss`. C and K count segments and seconds. Slow start is HyStart++'s while
nothing has been lost yet. After a loss the whole window is reduced, not the flight (4.6 leaves the choice, Linux does
so), but for one that was not in use.
"""

from __future__ import annotations

from stack.tcp.congestion.hystart import HyStart
from stack.tcp.congestion.window import Window

C = 0.4  # segments / s**3
BETA = 0.7
ALPHA = 3 * (1 - BETA) / (1 + BETA)  # segments a round trip: as fast as Reno on average, with beta as it is (4.3)


class Cubic(Window):
    __slots__ = (
        "alpha",
        "began",
        "cwnd_prior",
        "drained",
        "epoch",
        "hystart",
        "k",
        "saved",
        "searching",
        "w_est",
        "w_max",
    )
    name = "cubic"
    often = 4  # of a window of a thousand segments 16 ACKs are looked at, not 500

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.searching = True  # the first slow start goes on, and HyStart with it
        self.hystart: HyStart | None = None  # made when the window first grows: many never do
        self.epoch: float | None = None  # when this congestion avoidance began; None: it has not
        self.w_max = 0.0  # bytes; 0: none, so that the next begins at its plateau (4.8, 4.10)
        self.cwnd_prior = 0  # bytes before the last reduction
        self.k = 0.0  # seconds from `epoch` to W_max
        self.w_est = 0.0  # bytes: what Reno would have
        self.alpha = ALPHA
        self.began = 0.0  # when this round did
        self.drained = True  # nothing was under way then
        self.saved: tuple[float, int, float, float | None, float, float, bool, HyStart | None] | None = None

    def slow_start(self, acked: int, rtt: float | None) -> None:
        if self.searching:
            hystart = self.hystart
            if hystart is None:
                hystart = self.hystart = HyStart()
            acked = hystart.growth(acked, rtt, self.mss)
        cwnd = self.cwnd + acked
        self.cwnd = cwnd if cwnd < self.ssthresh else self.ssthresh
        self.epoch = None

    def avoid(self, acked: int, now: float) -> None:
        if self.epoch is None:
            self._begin(now)
        assert self.epoch is not None
        cwnd, mss = self.cwnd, self.mss
        acked = min(acked, cwnd)
        self.w_est += self.alpha * mss * acked / cwnd
        if self.w_est >= self.cwnd_prior:
            self.alpha = 1.0
        beyond = now - self.epoch - self.k
        if self.w_max + C * mss * beyond * beyond * beyond < self.w_est:  # 4.3
            self.cwnd = max(cwnd, int(self.w_est))
            return
        beyond += self.rtt
        target = self.w_max + C * mss * beyond * beyond * beyond
        if target > cwnd:  # 4.4, 4.5
            growth = min(target - cwnd, cwnd / 2)
            self.cwnd = cwnd + round(growth * acked / cwnd)

    def _begin(self, now: float) -> None:
        """4.2; 4.8 and 4.10 where there is no W_max to go to."""
        cwnd = self.cwnd
        self.epoch = now
        self.w_est = cwnd
        self.alpha = ALPHA
        if self.w_max > cwnd:
            self.k = float(((self.w_max - cwnd) / self.mss / C) ** (1 / 3))
        else:
            self.k = 0.0
            if not self.w_max:
                self.cwnd_prior = cwnd
            self.w_max = cwnd

    def round_over(self, under_way: int, rtt: float | None, now: float) -> None:
        if self.epoch is not None:  # 4.2, 5.8: without the time in which the window was not what limited
            lasted = now - self.began
            if self.used + self.mss <= self.cwnd:
                self.epoch += lasted
            elif self.drained and rtt is not None and lasted > rtt:
                self.epoch += lasted - rtt
        self.began = now
        self.drained = under_way <= 0
        super().round_over(under_way, rtt, now)
        if self.hystart is not None and self.hystart.round_over():
            self.ssthresh = self.cwnd
            self._search_over()

    def _search_over(self) -> None:
        self.searching = False
        self.hystart = None

    def reduce(self, flight: int, now: float) -> None:
        volume = self.volume(flight)
        self.remember()
        self.ssthresh = max(round(volume * BETA), 2 * self.mss)
        cwnd = self.cwnd_prior = self.cwnd
        self.w_max = cwnd * (1 + BETA) / 2 if cwnd < self.w_max else cwnd  # 4.7
        self.epoch = None
        self._search_over()

    def volume(self, flight: int) -> int:
        return self.cwnd if self.validated() else super().volume(flight)

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        super().timed_out(flight, first, now)
        self.w_max = 0.0  # 4.8
        self.epoch = None
        self._search_over()

    def remember(self) -> None:
        super().remember()
        curve = self.w_max, self.cwnd_prior, self.k, self.epoch, self.w_est, self.alpha
        self.saved = (*curve, self.searching, self.hystart)

    def undo(self) -> None:
        """4.9.2: a window that has grown beyond what it was goes on as it is."""
        if self.saved is not None and self.cwnd <= self.prior_cwnd:
            super().undo()
            self.w_max, self.cwnd_prior, self.k, self.epoch, self.w_est, self.alpha = self.saved[:6]
            self.searching, self.hystart = self.saved[6:]
        self.saved = None
