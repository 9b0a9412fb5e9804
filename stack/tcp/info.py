"""What a connection can say about itself: a frozen value, for people, tests and TCP_INFO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from stack.tcp.states import State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection


@attrs.frozen(kw_only=True)
class TcpInfo:
    """Times are seconds, sizes and windows bytes."""

    state: State
    snd_mss: int  # payload of the segments we send
    rto: float
    srtt: float | None
    rttvar: float
    congestion: str  # the control's name
    cwnd: int
    ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    unsent: int
    unacknowledged: int
    unread: int
    retries: int  # time-outs in a row
    retransmissions: int
    timeouts: int
    fast_retransmits: int
    timestamps: bool
    ecn: bool
    send_scale: int
    receive_scale: int

    @classmethod
    def of(cls, connection: Connection) -> TcpInfo:
        sender, receiver = connection.sender, connection.receiver
        rtt, congestion = connection.rtt, connection.congestion
        return cls(
            state=connection.state,
            snd_mss=sender.mss,
            rto=rtt.rto,
            srtt=rtt.srtt,
            rttvar=rtt.rttvar,
            congestion=congestion.name,
            cwnd=congestion.cwnd,
            ssthresh=congestion.ssthresh,
            snd_wnd=sender.snd_wnd,
            rcv_wnd=receiver.edge - receiver.rcv_nxt,
            unsent=sender.unsent_bytes,
            unacknowledged=sender.snd_nxt - sender.snd_una,
            unread=receiver.queued,
            retries=connection.retries,
            retransmissions=connection.retransmissions,
            timeouts=connection.timeouts,
            fast_retransmits=connection.fast_retransmits,
            timestamps=connection.stamped,
            ecn=connection.ecn is not None,
            send_scale=connection.send_shift,
            receive_scale=receiver.shift,
        )
