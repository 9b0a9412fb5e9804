"""Whether a retransmission was in vain, the original having arrived: by DSACK (RFC 2883, 3708) or by the timestamp that
is echoed (Eifel, RFC 3522). Then the reduction of the window is taken back (RFC 4015 3.2). Changes nothing itself.
"""

from __future__ import annotations


class Undo:
    __slots__ = ("again", "marker", "stamp")

    def __init__(self) -> None:
        self.marker: int | None = None  # snd_una when the window was reduced; None: nothing to take back
        self.again: int | None = None  # bytes sent again that no DSACK has told of; None: none were sent
        self.stamp: int | None = None  # ms, as timestamps count them: when the first was sent again

    def begin(self, snd_una: int, again: int) -> None:
        """The window is reduced; `again` bytes in the network were sent twice already."""
        self.marker = snd_una
        self.again = again or None

    def end(self) -> None:
        self.marker = None

    def resent(self, size: int, now: float) -> None:
        if self.stamp is None:
            self.stamp = int(now * 1000)
        self.again = size if self.again is None else self.again + size

    def duplicate(self, start: int, end: int, snd_una: int) -> None:
        """A DSACK: the peer had these bytes before."""
        if self.marker is not None and self.again and self.marker <= start and end <= snd_una:
            self.again = max(0, self.again - (end - start))

    def all_in_vain(self) -> bool:
        """DSACKs have told of every byte that was sent again."""
        return self.marker is not None and self.again == 0

    def delayed(self, echo: int | None) -> bool:
        """An ACK of new data was caused by a segment sent before any was sent again."""
        return self.marker is not None and (self.stamp is None or (echo is not None and echo < self.stamp))
