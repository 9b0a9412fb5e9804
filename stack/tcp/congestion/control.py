"""What a congestion control is asked and told. It knows bytes and times alone: no segment, no sequence number.

While something is being recovered the recovery steers `cwnd` (RFC 6937), from where it was to `ssthresh`; a control
says how deep that goes, what to go on with afterwards, and how the window grows while nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

UNLIMITED = 1 << 40  # bytes: no slow start threshold yet


class CongestionControl(Protocol):
    """Windows and flights are bytes, times seconds; `flight` is what is under way, as far as anybody can know."""

    name: str
    mss: int  # payload of a segment; changes with the path's MTU
    cwnd: int
    ssthresh: int

    def acknowledged(self, acked: int, flight: int, rtt: float | None, now: float) -> None:
        """`acked` new bytes, of `flight` before this ACK; not while anything is being recovered. `rtt` is this ACK's
        own sample, None where it allows none."""

    def reduce(self, flight: int, now: float) -> None:
        """A congestion event: loss was inferred, or the network has marked a packet. Sets `ssthresh`, not `cwnd`."""

    def recovered(self, flight: int, now: float) -> None:
        """The recovery that `reduce` began is over: sets `cwnd`."""

    def timed_out(self, flight: int, first: bool, now: float) -> None:
        """The retransmission timer expired, for the first time since anything was acknowledged or again."""

    def undo(self) -> None:
        """The last reduction was for nothing: what was thought lost had arrived."""

    def idle(self, seconds: float, rto: float, now: float) -> None:
        """Nothing was under way, nothing was sent for `seconds`, at least a time-out; now something will be."""

    def limited(self, flight: int, now: float) -> None:
        """All that the application had is sent, and `cwnd` would allow a segment more."""


# (mss, initial window in bytes): made when the handshake is done
Factory: TypeAlias = Callable[[int, int], CongestionControl]
