"""Proportional Rate Reduction (RFC 6937, and RFC 9937 which made it a standard), counted in bytes.

While a loss is repaired, or the window reduced for a mark, it says how much may be sent for what is heard to have
arrived: so that at the end ssthresh is in flight, neither in a burst nor after a silence. Sends nothing.
"""

from __future__ import annotations


class Prr:
    __slots__ = ("delivered", "out", "recover_fs")

    def __init__(self, recover_fs: int) -> None:
        self.recover_fs = max(recover_fs, 1)  # what will have been delivered by the end
        self.delivered = 0
        self.out = 0  # bytes sent since it began

    def window(self, delivered: int, pipe: int, ssthresh: int, mss: int, safe: bool) -> int:
        """The congestion window now that `delivered` more bytes have arrived.

        `safe`: snd_una has advanced, and no further loss was found.
        """
        self.delivered += delivered
        if pipe > ssthresh:
            count = -(-self.delivered * ssthresh // self.recover_fs) - self.out
        else:
            count = max(self.delivered - self.out, delivered)  # the conservative bound
            if safe:
                count += mss  # the slow start bound
            count = min(ssthresh - pipe, count)
        if not self.out:
            count = max(count, mss)  # the fast retransmit itself
        return pipe + max(count, 0)
