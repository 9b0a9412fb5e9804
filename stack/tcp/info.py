"""What a connection can say about itself: a frozen value, for people and tests, and Linux' `struct tcp_info` of it.

Names are those of `struct tcp_info`, without `tcpi_`. Here times are seconds and amounts bytes; `pack` says them in
Linux' units (microseconds or milliseconds, segments).
"""

from __future__ import annotations

from math import ceil, inf
from struct import Struct
from typing import TYPE_CHECKING

import attrs

from stack.tcp.congestion.control import UNLIMITED
from stack.tcp.figures import BUFFER_LIMITED, BUSY, RECEIVER_LIMITED
from stack.tcp.handshake import own_mss
from stack.tcp.sender import SENT
from stack.tcp.states import CLOSED, LISTEN, State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.listener import Listener

TIMESTAMPS, SACK, WINDOW_SCALE, ECN, ECN_SEEN = 1, 2, 4, 8, 16  # TcpInfo.options
_LAYOUT = Struct("@8B24I4Q6I4Q2I2Q4I2I2HI")
_NUMBERS = [
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
]
_UNLIMITED = 0x7FFFFFFF  # TCP_INFINITE_SSTHRESH
_NO_RATE = (1 << 64) - 1


@attrs.frozen(kw_only=True)
class TcpInfo:
    state: State
    ca_state: int = 0  # 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss
    retransmits: int = 0  # time-outs in a row, without progress
    probes: int = 0  # of a closed window, or keep-alives, that nobody has answered
    backoff: int = 0  # doublings of the time-out
    options: int = 0  # TIMESTAMPS | SACK | WINDOW_SCALE | ECN | ECN_SEEN, as agreed on
    snd_wscale: int = 0  # the peer's windows are shifted by so much
    rcv_wscale: int = 0
    delivery_rate_app_limited: bool = False  # delivery_rate says what the application sent, not what the path can do
    rto: float = 0.0  # seconds
    ato: float = 0.0  # seconds that an ACK may be delayed
    snd_mss: int = 0  # bytes of payload in the segments that we send
    rcv_mss: int = 0  # and in those that the link lets the peer send
    unacked: int = 0  # bytes sent and not acknowledged (Linux: segments); of a listener: connections not yet accepted
    sacked: int = 0  # of them, held by the peer behind a hole (Linux: segments); of a listener: its backlog
    lost: int = 0  # of them, thought lost, sent again or not (Linux: segments)
    retrans: int = 0  # of them, sent more than once and under way (Linux: segments)
    last_data_sent: float = 0.0  # seconds since
    last_data_recv: float = 0.0  # seconds since
    last_ack_recv: float = 0.0  # seconds since anything came
    pmtu: int = 0  # bytes of an IP packet
    rcv_ssthresh: int = 0  # bytes that the window may grow to now
    rtt: float | None = None  # seconds, smoothed; None: not measured
    rttvar: float = 0.0  # seconds
    snd_ssthresh: int = UNLIMITED  # bytes (Linux: segments)
    snd_cwnd: int = 0  # bytes (Linux: segments)
    advmss: int = 0  # the MSS that we announced
    reordering: int = 3  # segments
    rcv_rtt: float | None = None  # seconds, as the receiver sees it; None: not measured
    rcv_space: int = 0  # bytes that the application reads in a round trip, at most
    total_retrans: int = 0  # segments or super-segments sent again
    bytes_acked: int = 0
    bytes_received: int = 0
    segs_out: int = 0
    segs_in: int = 0
    notsent_bytes: int = 0
    min_rtt: float | None = None  # seconds; None: not measured
    data_segs_in: int = 0
    data_segs_out: int = 0
    delivery_rate: float = 0.0  # bytes a second, over the last round trip
    busy_time: float = 0.0  # seconds with anything to send or to be acknowledged
    rwnd_limited: float = 0.0  # seconds of them that the peer's window was what kept us
    sndbuf_limited: float = 0.0  # seconds of them that the application waited for room in the buffer
    delivered: int = 0  # bytes known to have arrived (Linux: segments)
    bytes_sent: int = 0  # with what was sent again
    bytes_retrans: int = 0
    dsack_dups: int = 0  # segments that the peer says it had twice
    reord_seen: int = 0  # 1: the path has been seen to reorder
    rcv_ooopack: int = 0  # segments or super-segments that came ahead of a hole
    snd_wnd: int = 0  # bytes that the peer offers
    rcv_wnd: int = 0  # bytes that we offer
    total_rto: int = 0  # time-outs
    # what Linux does not tell
    congestion: str = ""  # the control's name
    unread: int = 0  # bytes that wait for the application
    receive_buffer: int = 0  # bytes
    send_buffer: int = 0  # bytes
    fast_retransmits: int = 0  # losses that ACKs told of
    undone: int = 0  # reductions of the window that were in vain, and taken back

    @classmethod
    def of(cls, connection: Connection) -> TcpInfo:
        return _gather(connection)

    @classmethod
    def of_listener(cls, listener: Listener) -> TcpInfo:
        if listener.state is not LISTEN:
            return cls(state=CLOSED)
        return cls(state=LISTEN, unacked=len(listener.queue), sacked=listener.backlog)

    # the same, in our own words

    @property
    def cwnd(self) -> int:
        return self.snd_cwnd

    @property
    def ssthresh(self) -> int:
        return self.snd_ssthresh

    @property
    def srtt(self) -> float | None:
        return self.rtt

    @property
    def unsent(self) -> int:
        return self.notsent_bytes

    @property
    def unacknowledged(self) -> int:
        return self.unacked

    @property
    def retries(self) -> int:
        return self.retransmits

    @property
    def retransmissions(self) -> int:
        return self.total_retrans

    @property
    def timeouts(self) -> int:
        return self.total_rto

    @property
    def timestamps(self) -> bool:
        return bool(self.options & TIMESTAMPS)

    @property
    def ecn(self) -> bool:
        return bool(self.options & ECN)

    @property
    def send_scale(self) -> int:
        return self.snd_wscale

    @property
    def receive_scale(self) -> int:
        return self.rcv_wscale

    def pack(self) -> bytes:
        """Linux' `struct tcp_info`, as of 6.8."""
        return _pack(self)


def _gather(connection: Connection) -> TcpInfo:
    sender, receiver, figures = connection.sender, connection.receiver, connection.figures
    recovery, board, tuning = connection.recovery, sender.board, connection.tuning
    rtt, congestion, config = connection.rtt, connection.congestion, connection.config
    now, route = connection.stack.now, connection.emitter.route
    acked = max(sender.snd_una - sender.iss - 1 - sender.fin_acknowledged(), 0)
    sent = max(sender.snd_nxt - sender.iss - 1 - (sender.fin == SENT), 0)
    received = 0 if connection.irs is None else receiver.rcv_nxt - connection.irs - 1 - receiver.finished()
    sacked = again = lost = 0
    if board is not None:
        sacked, again = board.sacked_bytes, board.again_bytes()
        lost = board.lost_bytes + again  # as Linux counts them: until they are acknowledged
    return TcpInfo(
        state=connection.state,
        ca_state=0 if recovery is None else recovery.state,
        retransmits=connection.retries,
        probes=connection.retries if connection.probing else connection.probes,
        backoff=connection.retries,
        options=_options(connection),
        snd_wscale=connection.send_shift,
        rcv_wscale=receiver.shift,
        delivery_rate_app_limited=figures.app_limited,
        rto=rtt.rto,
        ato=config.delayed_ack,
        snd_mss=sender.mss,
        rcv_mss=receiver.mss,
        unacked=sender.snd_nxt - sender.snd_una,
        sacked=sacked,
        lost=lost,
        retrans=again,
        last_data_sent=now - figures.sent_at,
        last_data_recv=now - figures.data_at,
        last_ack_recv=now - connection.last_heard,
        pmtu=route.mtu,
        rcv_ssthresh=receiver.capacity,
        rtt=rtt.srtt,
        rttvar=rtt.rttvar,
        snd_ssthresh=congestion.ssthresh,
        snd_cwnd=congestion.cwnd,
        advmss=own_mss(config, route.interface.mtu, len(connection.local[0])),
        rcv_rtt=None if tuning is None else tuning.rtt,
        rcv_space=10 * receiver.mss if tuning is None else tuning.space,
        total_retrans=connection.retransmissions,
        bytes_acked=acked,
        bytes_received=received,
        segs_out=figures.data_segs_out + figures.acks_out,
        segs_in=figures.bare_in + figures.data_segs_in,
        notsent_bytes=sender.unsent_bytes,
        min_rtt=None if rtt.min_rtt == inf else rtt.min_rtt,
        data_segs_in=figures.data_segs_in,
        data_segs_out=figures.data_segs_out,
        delivery_rate=figures.rate,
        busy_time=sum(figures.spent(what, now) for what in (BUSY, RECEIVER_LIMITED, BUFFER_LIMITED)),
        rwnd_limited=figures.spent(RECEIVER_LIMITED, now),
        sndbuf_limited=figures.spent(BUFFER_LIMITED, now),
        delivered=acked + sacked,
        bytes_sent=sent + figures.resent_bytes,
        bytes_retrans=figures.resent_bytes,
        dsack_dups=0 if recovery is None else recovery.dsacks,
        reord_seen=0 if recovery is None else int(recovery.rack.reordering_seen),
        rcv_ooopack=receiver.strays,
        snd_wnd=sender.snd_wnd,
        rcv_wnd=receiver.edge - receiver.rcv_nxt,
        total_rto=connection.timeouts,
        congestion=congestion.name,
        unread=receiver.queued,
        receive_buffer=connection.receive_room,
        send_buffer=connection.send_room,
        fast_retransmits=connection.fast_retransmits,
        undone=0 if recovery is None else recovery.undone,
    )


def _options(connection: Connection) -> int:
    ecn = connection.ecn
    return (
        (TIMESTAMPS if connection.stamped else 0)
        | (SACK if connection.sack else 0)
        | (WINDOW_SCALE if connection.syn_shift is not None and connection.connected() else 0)
        | (ECN if ecn is not None else 0)
        | (ECN_SEEN if ecn is not None and ecn.seen else 0)
    )


def _pack(info: TcpInfo) -> bytes:
    mss = info.snd_mss or 1
    listening = info.state is LISTEN

    def segments(size: int) -> int:
        return min(-(-size // mss), 0xFFFFFFFF)

    def ticks(seconds: float | None, unit: float) -> int:
        return min(ceil((seconds or 0.0) * unit), 0xFFFFFFFF)

    return _LAYOUT.pack(
        _NUMBERS.index(info.state.value) + 1,
        info.ca_state,
        min(info.retransmits, 255),
        min(info.probes, 255),
        min(info.backoff, 255),
        info.options,
        info.snd_wscale | info.rcv_wscale << 4,
        int(info.delivery_rate_app_limited),
        ticks(info.rto, 1e6),
        ticks(info.ato, 1e6),
        info.snd_mss,
        info.rcv_mss,
        info.unacked if listening else segments(info.unacked),
        info.sacked if listening else segments(info.sacked),
        segments(info.lost),
        segments(info.retrans),
        0,  # fackets: Linux counts none any more
        ticks(info.last_data_sent, 1e3),
        0,  # last_ack_sent: nor does it remember that
        ticks(info.last_data_recv, 1e3),
        ticks(info.last_ack_recv, 1e3),
        info.pmtu,
        info.rcv_ssthresh,
        ticks(info.rtt, 1e6),
        ticks(info.rttvar, 1e6),
        _UNLIMITED if info.snd_ssthresh >= UNLIMITED else segments(info.snd_ssthresh),
        segments(info.snd_cwnd),
        info.advmss,
        info.reordering,
        ticks(info.rcv_rtt, 1e6),
        info.rcv_space,
        info.total_retrans,
        _NO_RATE,  # pacing_rate: nothing is paced
        _NO_RATE,
        info.bytes_acked,
        info.bytes_received,
        info.segs_out,
        info.segs_in,
        info.notsent_bytes,
        ticks(info.min_rtt, 1e6) if info.min_rtt is not None else 0xFFFFFFFF,
        info.data_segs_in,
        info.data_segs_out,
        int(info.delivery_rate),
        ceil(info.busy_time * 1e6),
        ceil(info.rwnd_limited * 1e6),
        ceil(info.sndbuf_limited * 1e6),
        segments(info.delivered),
        0,  # delivered_ce
        info.bytes_sent,
        info.bytes_retrans,
        info.dsack_dups,
        info.reord_seen,
        info.rcv_ooopack,
        min(info.snd_wnd, 0xFFFFFFFF),
        min(info.rcv_wnd, 0xFFFFFFFF),
        0,  # rehash
        min(info.total_rto, 0xFFFF),
        0,
        0,
    )
