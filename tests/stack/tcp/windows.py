"""A path for a congestion control alone: ACKs of two segments, evenly over each round trip, in virtual time."""

from __future__ import annotations

MSS = 1000


class Path:
    def __init__(self, window, *, rtt=0.1, now=0.0, acked=2 * MSS):
        self.window, self.rtt, self.now, self.acked = window, rtt, now, acked

    def run(self, seconds, *, use=None):
        """The window is full, or `use` bytes of it, for so long."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.ack(use=use)

    def ack(self, *, use=None):
        flight = min(self.window.cwnd, use or self.window.cwnd)
        self.now += self.rtt * min(1.0, self.acked / flight)
        self.window.acknowledged(min(self.acked, flight), flight, self.rtt, self.now)

    def round(self, *, use=None):
        """One round trip."""
        left = min(self.window.cwnd, use or self.window.cwnd)
        while left > 0:
            self.ack(use=use)
            left -= self.acked

    def lose(self):
        """One loss, recovered from in a round trip."""
        self.window.reduce(self.window.cwnd, self.now)
        self.window.cwnd = self.window.ssthresh
        self.now += self.rtt
        self.window.recovered(self.window.cwnd, self.now)
