"""One inside endpoint and one peer: what was said between them, and when that is forgotten.

Of TCP it follows SYN, FIN and RST alone. Whether their sequence numbers are plausible is for the ends to say: a forged
RST costs a connection that lives its long time-out, not its translation (RFC 7857 2.2).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from netif.wire.ip import ICMP, TCP
from netif.wire.tcp import FIN, RST, SYN
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.napt.config import NaptConfig
    from stack.napt.table import Mapping, Table

OUT, IN = 1, 2  # who speaks: bits of `syns` and `fins`
_BOTH = OUT | IN


class State(enum.Enum):
    OPENING = "opening"  # TCP: one side has not said SYN
    ESTABLISHED = "established"  # the one state of UDP and ICMP
    CLOSING = "closing"  # TCP: both have said FIN, or one RST


OPENING, ESTABLISHED, CLOSING = State
TRANSITIONS: dict[State, frozenset[State]] = {
    OPENING: frozenset((ESTABLISHED, CLOSING)),
    ESTABLISHED: frozenset((CLOSING,)),
    CLOSING: frozenset((OPENING,)),  # another connection between the same ports
}


class Session(Timed):
    __slots__ = ("_fins", "_reset", "_syns", "_table", "lifetime", "mapping", "peer", "state")

    def __init__(self, table: Table, mapping: Mapping, peer: bytes) -> None:
        super().__init__()
        self.maintenance = True
        self._table = table
        self.mapping = mapping
        self.peer = peer  # its address, for TCP with its port
        self.state = OPENING if mapping.protocol == TCP else ESTABLISHED
        self._syns = self._fins = 0
        self._reset = False
        self.lifetime = self._lifetime(table.config)

    def _lifetime(self, config: NaptConfig) -> float:
        protocol = self.mapping.protocol
        if protocol == TCP:
            return config.tcp_established if self.state is ESTABLISHED else config.tcp_transitory
        return config.icmp if protocol == ICMP else config.udp

    def passed(self, side: int, flags: int, now: float) -> None:
        """A packet has gone through; the flags are TCP's."""
        if self.mapping.protocol == TCP:
            state = self._judged(side, flags)
            if state is not self.state:
                self._become(state)
        elif side == IN:
            return  # RFC 4787 REQ-6: what comes from outside keeps no mapping alive
        self.deadline = now + self.lifetime
        if self.armed_at is None or self.deadline < self.armed_at:
            self._table.stack.arm(self)

    def _judged(self, side: int, flags: int) -> State:
        if flags & RST:
            self._reset = True
        elif flags & SYN:
            if self.state is CLOSING:
                self._syns = self._fins = 0
                self._reset = False
            self._syns |= side
        if flags & FIN:
            self._fins |= side
        if self._reset or self._fins == _BOTH:
            return CLOSING
        return ESTABLISHED if self._syns == _BOTH and self.state is not CLOSING else OPENING

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        self.state = state
        self.lifetime = self._lifetime(self._table.config)

    def expire(self, now: float) -> None:
        self._table.end(self)
