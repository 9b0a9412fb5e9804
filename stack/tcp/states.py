"""The states of a connection (RFC 9293 section 3.3.2) and which may follow which (its figure 5).

`Connection.become` alone changes state, and asserts what stands here.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    __hash__ = object.__hash__  # by identity, at C speed; nothing depends on an order of hashes

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


CLOSED = State.CLOSED
LISTEN = State.LISTEN
SYN_SENT = State.SYN_SENT
SYN_RECEIVED = State.SYN_RECEIVED
ESTABLISHED = State.ESTABLISHED
FIN_WAIT_1 = State.FIN_WAIT_1
FIN_WAIT_2 = State.FIN_WAIT_2
CLOSE_WAIT = State.CLOSE_WAIT
CLOSING = State.CLOSING
LAST_ACK = State.LAST_ACK
TIME_WAIT = State.TIME_WAIT

TRANSITIONS: dict[State, tuple[State, ...]] = {
    CLOSED: (SYN_SENT,),
    LISTEN: (SYN_RECEIVED, CLOSED),
    SYN_SENT: (ESTABLISHED, SYN_RECEIVED, CLOSED),
    SYN_RECEIVED: (ESTABLISHED, FIN_WAIT_1, CLOSED),
    ESTABLISHED: (FIN_WAIT_1, CLOSE_WAIT, CLOSED),
    FIN_WAIT_1: (FIN_WAIT_2, CLOSING, TIME_WAIT, CLOSED),
    FIN_WAIT_2: (TIME_WAIT, CLOSED),
    CLOSE_WAIT: (LAST_ACK, CLOSED),
    CLOSING: (TIME_WAIT, CLOSED),
    LAST_ACK: (CLOSED,),
    TIME_WAIT: (CLOSED,),
}
