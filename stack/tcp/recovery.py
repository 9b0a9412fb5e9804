"""What the ACKs say about loss: duplicate ACKs, fast retransmit and NewReno's recovery (RFC 5681 3.2, RFC 6582).

Counts and decides; holds no segments and sends nothing. `inflation` is what duplicate ACKs add to the congestion
window: each says that a segment has left the network. Up to the third it is limited transmit (RFC 3042).
"""

from __future__ import annotations

DUPLICATE_THRESHOLD = 3


class Recovery:
    __slots__ = ("duplicates", "fast", "impatient", "inflation", "recover", "stride")

    def __init__(self, iss: int) -> None:
        self.recover = iss  # the highest sequence number sent when loss was last met
        self.duplicates = 0
        self.inflation = 0  # bytes on top of cwnd
        self.fast = False  # in fast recovery: between the third duplicate and the ACK of `recover`
        self.impatient = False  # the first partial ACK has been seen
        self.stride = 0  # bytes to send again at once

    def duplicate(self, snd_una: int, snd_nxt: int, mss: int) -> bool:
        """A duplicate ACK arrived. True: the segment at snd_una is lost, resend it and reduce the window."""
        self.duplicates += 1
        if self.fast:
            self.inflation += mss
            return False
        if self.duplicates > DUPLICATE_THRESHOLD or snd_una <= self.recover:
            return False  # RFC 6582 3.2 (2): duplicates of what a time-out sent again are no new loss
        self.inflation = self.duplicates * mss
        if self.duplicates < DUPLICATE_THRESHOLD:
            return False
        self.fast = True
        self.impatient = False
        self.stride = mss
        self.recover = snd_nxt
        return True

    def acknowledged(self, snd_una: int, acked: int, mss: int) -> bool:
        """New data was acknowledged. True: partially, so that the next hole begins at snd_una; resend it.

        A hole that goes on where what was sent again ends is of a super-frame: twice as much is resent each time, lest
        it take a round trip for each of its forty segments.
        """
        self.duplicates = 0
        if not self.fast:
            self.inflation = 0
            return False
        if snd_una >= self.recover:
            self.fast = False
            self.inflation = 0
            return False
        self.stride = 2 * self.stride if acked <= self.stride else mss
        # RFC 6582 3.2 (3): deflate by what was acknowledged, and let one segment go
        self.inflation = max(0, self.inflation - acked) + (mss if acked >= mss else 0)
        return True

    def restart_timer(self) -> bool:
        """For a partial ACK: only the first restarts the timer (RFC 6582's impatient variant)."""
        first = not self.impatient
        self.impatient = True
        return first

    def timed_out(self, snd_nxt: int) -> None:
        """RFC 6582 3.2 (4)"""
        self.recover = snd_nxt
        self.duplicates = 0
        self.inflation = 0
        self.fast = False
