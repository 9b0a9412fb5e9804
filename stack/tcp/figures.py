"""What is counted of a connection beside what it works with: segments, times, rates. For `info` alone.

Counted once for each frame or flush, never for each byte; what follows from sequence numbers is not counted at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.info import TcpInfo

IDLE, BUSY, RECEIVER_LIMITED, BUFFER_LIMITED = range(4)  # what a sender does, or waits for


class Figures:
    __slots__ = (
        "acks_out",
        "app_limited",
        "bare_in",
        "buffer_limited",
        "busy",
        "data_at",
        "data_segs_in",
        "data_segs_out",
        "rate",
        "rate_at",
        "rate_una",
        "receiver_limited",
        "resent_bytes",
        "sent_at",
        "since",
        "what",
    )

    def __init__(self, now: float) -> None:
        self.data_segs_out = 0  # as many as go over the wire, of a super-frame too
        self.acks_out = 0  # whatever bears no data, SYN and RST too
        self.bare_in = 0  # frames that brought no data
        self.data_segs_in = 0  # as many as went over the wire, as far as it said
        self.resent_bytes = 0
        self.sent_at = now  # data, last
        self.data_at = now  # data came, last
        self.rate = 0.0  # bytes a second that were acknowledged, over the last round trip
        self.rate_at = now  # when that began, and at which snd_una
        self.rate_una = 0
        self.app_limited = False  # the application had nothing more to say meanwhile
        self.what = IDLE
        self.since = now
        self.busy = self.receiver_limited = self.buffer_limited = 0.0  # seconds spent so, until `since`

    def sample(self, connection: Connection, now: float) -> None:
        """New data is acknowledged, a round trip or more after the last look."""
        una = connection.sender.snd_una
        elapsed = now - self.rate_at
        if self.rate_una and elapsed > 0:
            self.rate = (una - self.rate_una) / elapsed
            self.app_limited = not connection.sender.unsent_bytes
        self.rate_una = una
        self.rate_at = now

    def turn(self, what: int, now: float) -> None:
        """From now on the sender does something else."""
        before = self.what
        if before == BUSY:
            self.busy += now - self.since
        elif before == RECEIVER_LIMITED:
            self.receiver_limited += now - self.since
        elif before == BUFFER_LIMITED:
            self.buffer_limited += now - self.since
        self.what = what
        self.since = now

    def spent(self, what: int, now: float) -> float:
        """Seconds so far."""
        spans = (0.0, self.busy, self.receiver_limited, self.buffer_limited)
        return spans[what] + (now - self.since if what == self.what else 0.0)


def info(connection: Connection) -> TcpInfo:
    """All of it, in a value that is imported when somebody asks."""
    from stack.tcp.info import TcpInfo

    return TcpInfo.of(connection)
