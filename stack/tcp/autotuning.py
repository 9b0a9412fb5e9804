"""How large a connection's buffers are, where the application did not say: as large as the path has use for.

Receiving: twice what the application read in the last round trip, and more while that grows (dynamic right-sizing), so
that the peer's window is never what limits it. Sending: twice the congestion window, looked at only when a write finds
no room. Both begin small, grow up to the configuration's bound, and stop growing while memory is short. Buffers never
shrink by themselves: what a window has offered stays offered (RFC 9293 3.8.6.2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.seq import unwrap

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.tcb import ControlBlock

NEVER = float("inf")
_SHORTEST = 0.001  # seconds of a round trip; below it the clock of the timestamps says nothing
_FIRST_SEGMENTS = 10  # read within a round trip without being worth more room (RFC 6928)


class Tuning:
    """What the receiving half of one connection has measured."""

    __slots__ = ("at", "mark", "mark_at", "read", "rtt", "space", "tsecr")

    def __init__(self, read: int, space: int, rtt: float | None, now: float) -> None:
        self.read = read  # sequence number up to which the application had read when this round trip began
        self.at = now  # that was then
        self.space = space  # bytes read in the round trip that had most of them
        self.rtt = None if rtt is None else max(rtt, _SHORTEST)  # seconds, seen from here
        self.mark = 0  # a window's worth of data was asked for up to here ...
        self.mark_at = now  # ... then: its arrival takes a round trip or more
        self.tsecr = 0

    def sample(self, rtt: float) -> None:
        rtt = max(rtt, _SHORTEST)
        self.rtt = rtt if self.rtt is None else self.rtt + (rtt - self.rtt) / 8


def receive_limit(connection: ControlBlock) -> int:
    """The largest receive buffer that tuning may give, and that windows can express."""
    return min(connection.config.largest_receive_buffer(), 0xFFFF << connection.receiver.shift)


def measure(connection: Connection, length: int, timestamp: tuple[int, int] | None, now: float) -> None:
    """A data segment came while a look at the buffer is due: what it says of the round trip. By the timestamp that it
    echoes; its peer may have waited for the application, so samples are averaged (RFC 7323 4.3)."""
    tuning = connection.tuning
    if tuning is None:
        receiver = connection.receiver
        rtt = connection.rtt.srtt
        read = receiver.rcv_nxt - receiver.queued
        tuning = connection.tuning = Tuning(read, _FIRST_SEGMENTS * receiver.mss, rtt, now)
        tuning.mark = receiver.edge
    if connection.stamped and timestamp is not None and timestamp[1] != tuning.tsecr:
        tuning.tsecr = timestamp[1]
        if length * 2 >= connection.receiver.mss:
            clock = int(now * 1000) + connection.timestamp_base
            tuning.sample((clock - unwrap(timestamp[1], clock)) / 1000)


def adjust(connection: Connection, now: float) -> None:
    """At most once a round trip: give the receive buffer what the application's reading has earned it."""
    tuning = connection.tuning
    if tuning is None:
        return
    receiver = connection.receiver
    if not connection.stamped and receiver.rcv_nxt >= tuning.mark:
        elapsed = max(now - tuning.mark_at, _SHORTEST)
        if tuning.mark_at < now and (tuning.rtt is None or elapsed < tuning.rtt):
            tuning.rtt = elapsed
        tuning.mark = max(receiver.edge, receiver.rcv_nxt + 1)
        tuning.mark_at = now
    rtt = tuning.rtt
    if rtt is None or now - tuning.at < rtt:
        connection.tune_at = tuning.at + (rtt or 0.0) if connection.stamped else 0.0
        return
    read = receiver.rcv_nxt - receiver.queued
    copied = read - tuning.read
    tuning.read = read
    tuning.at = now
    connection.tune_at = now + rtt if connection.stamped else 0.0
    if copied > tuning.space and not connection.squeezed:
        _grow_receive(connection, tuning, copied)


def _grow_receive(connection: Connection, tuning: Tuning, copied: int) -> None:
    """Twice as much as was read, since the sender may double its rate while that is found out; and the growth since
    the last time twice on top, for that was of the last round trip, not of the next."""
    wanted = 2 * copied + 16 * connection.receiver.mss
    wanted += 2 * (wanted * (copied - tuning.space) // tuning.space)
    tuning.space = copied
    limit = receive_limit(connection)
    if wanted > connection.receive_room:
        connection.receive_room = min(wanted, limit)
        connection.squeeze(connection.squeezed)
    if connection.receive_room >= limit:
        connection.tune_at = NEVER
        connection.tuning = None


def grow_send(connection: ControlBlock) -> bool:
    """A write found no room. True: now there is some."""
    config = connection.config
    if config.send_buffer is not None or connection.squeezed or connection.layer.memory.pressed:
        return False
    congestion, mss = connection.congestion, connection.sender.mss
    wanted = min(2 * max(congestion.cwnd, config.initial_window * mss), config.send_buffer_max)
    if wanted <= connection.send_room:
        return False
    connection.send_room = connection.sender.capacity = wanted
    return True
