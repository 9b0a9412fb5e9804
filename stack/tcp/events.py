"""What happens to a connection, for traces and plots: one callable that is told of each step, with the figures of then.

`connection.on_event`, which begins as `stack.tcp_events`, is None or a callable. It is called under the gate, like
`stack.trace`: it may look and remember, but not enter a socket. Silence costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

KINDS = {
    "state": "it is in another state now; detail: which it was in",
    "acked": "an ACK of new data; detail: bytes",
    "sent": "data sent for the first time; detail: bytes",
    "retransmit": "data sent again; detail: bytes",
    "timeout": "a retransmission time-out; detail: how many in a row",
    "probe": "a loss probe, or a closed window is asked; detail: bytes",
    "recovery": "loss was found by ACKs, or by RACK's timer, and the window is reduced; detail: how often so far",
    "undo": "a reduction was in vain, and is taken back; detail: how often so far",
}


class TcpEvent(NamedTuple):
    """Times are seconds, sizes bytes."""

    at: float  # the stack's clock
    kind: str  # one of KINDS
    connection: Connection
    detail: int | str
    state: str
    cwnd: int
    ssthresh: int
    srtt: float | None
    rto: float
    flight: int  # sent and not acknowledged
    snd_wnd: int
    rcv_wnd: int


Hook: TypeAlias = Callable[[TcpEvent], None]


def tell(connection: Connection, kind: str, detail: int | str, now: float) -> None:
    """The caller has seen that `on_event` is not None."""
    hook = connection.on_event
    assert hook is not None
    sender, receiver, congestion = connection.sender, connection.receiver, connection.congestion
    hook(
        TcpEvent(
            now,
            kind,
            connection,
            detail,
            connection.state.value,
            congestion.cwnd,
            congestion.ssthresh,
            connection.rtt.srtt,
            connection.rtt.rto,
            sender.snd_nxt - sender.snd_una,
            sender.snd_wnd,
            receiver.edge - receiver.rcv_nxt,
        )
    )
