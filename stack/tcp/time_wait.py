"""TIME-WAIT (RFC 9293 3.6, figure 5): what is left of a connection for 2 MSL, as little as its duties need.

It acknowledges the peer's FIN again, refuses what else belongs to the old connection, and gives way to a new SYN that
cannot be mistaken for an old one: the peer's (RFC 9293 3.6.1 MAY-2, RFC 6191), or ours. A RST ends it, as RFC 9293
3.10.7.4 wants it and Linux does; RFC 1337 advises against it, for which there is a switch. One deadline for all.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from netif.wire.options import emit_timestamp
from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.seq import MASK, unwrap
from stack.tcp.states import CLOSED, TIME_WAIT
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.tcp.config import TcpConfig
    from stack.tcp.connection import Connection
    from stack.tcp.layer import Key, Tcp
    from stack.tcp.segment import Segment

_TICK = 1.0  # seconds; no clock of timestamps ticks more slowly (RFC 7323 5.4)
_SILENCE = 0.5  # seconds after an ACK to what is not acceptable, lest two that disagree answer each other for ever


class TimeWait:
    __slots__ = (
        "connection",
        "deaf_to_resets",
        "duration",
        "expires",
        "key",
        "layer",
        "rcv_nxt",
        "silent_until",
        "snd_nxt",
        "ts_recent",
        "window",
    )
    state = TIME_WAIT

    def __init__(self, layer: Tcp, key: Key, connection: Connection, now: float) -> None:
        self.layer = layer
        self.key = key
        self.connection: Connection | None = None if connection.orphan else connection  # told when it is over
        self.duration = 2 * connection.config.msl
        self.expires = now + self.duration
        self.deaf_to_resets = connection.config.rfc1337
        self.silent_until = now
        self.snd_nxt = connection.sender.snd_nxt
        self.rcv_nxt = connection.receiver.rcv_nxt
        self.window = (connection.receiver.edge - connection.receiver.rcv_nxt) >> connection.receiver.shift
        self.ts_recent = connection.ts_recent if connection.stamped else None

    def segment_arrives(self, segment: Segment, now: float) -> None:
        seq = unwrap(segment.seq, self.rcv_nxt)
        flags = segment.flags
        timestamp = segment.options.timestamp
        recent = self.ts_recent
        newer = recent is not None and timestamp is not None and unwrap(timestamp[0], recent) > recent
        if flags & (SYN | ACK | RST) == SYN:
            if self._is_new(seq, None if timestamp is None else timestamp[0]):
                self.layer.reopen(self, segment, now)
                return
        elif flags & RST:
            if seq == self.rcv_nxt and not self.deaf_to_resets:
                self.layer.end_time_wait(self)
            else:
                self.layer.stack.drop("tcp_reset_in_window", self)
            return
        if flags & FIN and seq + segment.length + 1 == self.rcv_nxt:
            if newer and timestamp is not None:
                self.ts_recent = timestamp[0]
            self.layer.time_waits.restart(self, now)
        else:
            self.layer.stack.drop("tcp_unacceptable", self)
            harmless = not flags & (SYN | FIN) and seq == self.rcv_nxt
            if not segment.length and (harmless or now < self.silent_until):  # data is never part of a loop
                return
            self.silent_until = now + _SILENCE
        if self.layer.may_challenge():
            said = b"" if recent is None else emit_timestamp(self.layer.clock(), self.ts_recent or 0)
            self.layer.answer(self.key, self.snd_nxt & MASK, self.rcv_nxt & MASK, ACK, self.window, said)

    def _is_new(self, seq: int, tsval: int | None) -> bool:
        """RFC 6191 2: may a SYN with these begin another connection between the same ports?"""
        recent = self.ts_recent
        if tsval is None or recent is None:
            return tsval is not None or seq > self.rcv_nxt
        tsval = unwrap(tsval, recent)
        return tsval > recent or (tsval == recent and seq > self.rcv_nxt)

    def may_give_way(self, config: TcpConfig, now: float) -> bool:
        """To a SYN of ours: all that is left of the old connection has older timestamps (Linux' tcp_tw_reuse)."""
        allowed = config.reuse_time_wait
        if allowed == "never" or self.ts_recent is None or not config.timestamps:
            return False
        local, _, remote, _ = self.key
        near = local == remote or self.layer.stack.ip.is_local(remote)
        return (near or allowed == "always") and now - (self.expires - self.duration) > _TICK

    def next_iss(self) -> int:
        """Beyond all that the old connection can have used."""
        return self.snd_nxt + 0x10001 & MASK

    def over(self) -> None:
        if self.connection is not None:
            self.connection.become(CLOSED)
            self.connection.stack.owe(self.connection)


class TimeWaits(Timed):
    """All of one host's, in the order in which they end."""

    __slots__ = ("_layer", "entries", "limit")

    def __init__(self, layer: Tcp, limit: int) -> None:
        super().__init__()
        self.maintenance = True
        self._layer = layer
        self.limit = limit
        self.entries: dict[Key, TimeWait] = {}

    def add(self, entry: TimeWait) -> None:
        self.entries[entry.key] = entry
        if len(self.entries) > self.limit:
            self._layer.stack.stats.count("time_wait_full")
            self._layer.end_time_wait(next(iter(self.entries.values())))
        if self.deadline is None:
            self._aim()

    def restart(self, entry: TimeWait, now: float) -> None:
        """The peer's FIN came again: it has not got our ACK of it."""
        entry.expires = now + entry.duration
        del self.entries[entry.key]
        self.entries[entry.key] = entry
        self._aim()

    def remove(self, entry: TimeWait) -> None:
        del self.entries[entry.key]

    def expire(self, now: float) -> None:
        for entry in tuple(takewhile(lambda entry: entry.expires <= now, self.entries.values())):
            self._layer.end_time_wait(entry)
        self._aim()

    def _aim(self) -> None:
        """The first ends first, but for connections whose MSL differs: those may end a little late."""
        first = next(iter(self.entries.values()), None)
        deadline = first.expires if first is not None else None
        if deadline != self.deadline:
            self.deadline = deadline
            self._layer.stack.arm(self)
