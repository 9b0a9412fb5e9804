"""What an arriving segment does to a connection: RFC 9293 section 3.10.7.3 and .4, in its order, with the tests that
RFC 7323 (PAWS) and RFC 5961 (exact RST, challenge ACKs) put into it.

Changes state and notes what is owed; sends nothing, wakes nobody: that is `output.flush`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from netif.wire.tcp import ACK, ECE, FIN, RST, SYN, URG
from stack.failure import failure
from stack.limits import LITTLE
from stack.seq import unwrap
from stack.tcp import autotuning, urgent
from stack.tcp.ecn import agreed
from stack.tcp.events import tell
from stack.tcp.heard import Blocks, Heard
from stack.tcp.sender import SENT
from stack.tcp.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
)

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.ecn import Ecn
    from stack.tcp.segment import Segment

_ASK_AGAIN = 0.01  # seconds until the next SYN after one was answered from an older connection (figure 9)
_MORE = FIN | URG  # what else than text there may be to look at
_PAWS_IDLE = 24 * 86400.0  # seconds after which a timestamp says nothing any more (RFC 7323 5.5)


def segment_arrives(connection: Connection, segment: Segment, now: float) -> None:
    """RFC 9293 3.10.7: what `segment`, whose numbers are still those of the wire, does to `connection`."""
    state = connection.state
    if state is SYN_SENT:
        connection.figures.bare_in += 1
        _in_syn_sent(connection, segment, now)
        return
    connection.is_straight = False  # it may be again, when all is done that this asks for
    receiver = connection.receiver
    rcv_nxt = receiver.rcv_nxt
    seq = segment.seq = unwrap(segment.seq, rcv_nxt)
    flags = segment.flags
    if connection.stamped:
        timestamp = segment.options.timestamp
        if (timestamp is None or timestamp[0] != connection.ts_recent) and not _fresh(connection, segment, now):
            return
    connection.last_heard = now
    connection.probes = 0
    connection.figures.bare_in += 1

    # First, the sequence number
    length = segment.length
    if seq != rcv_nxt or length > receiver.edge - seq:
        irs = rcv_nxt - 1 if connection.fast is None else connection.fast.irs or rcv_nxt - 1
        if state is SYN_RECEIVED and flags & SYN and seq == irs and not (flags & ACK and connection.passive):
            if not _handshake_repeated(connection, segment):
                return
        elif not receiver.acceptable(seq, length + (flags & FIN) + (1 if flags & SYN else 0)):
            if not _unacceptable(connection, segment):
                return
            length = 0
        flags = segment.flags

    if flags & (RST | SYN):
        # Second, the RST bit
        if flags & RST:
            if seq == rcv_nxt:
                connection.reset_by_peer()
            else:
                connection.stack.drop("tcp_reset_in_window", connection)
                connection.challenge()
            return
        # Third, security. Fourth, the SYN bit
        connection.stack.drop("tcp_syn_in_window", connection)
        if state is SYN_RECEIVED and connection.passive and connection.fast is None:
            connection.drop(None)  # back to LISTEN, as if it had never come
            return
        connection.challenge()
        return

    if connection.stamped and seq <= connection.last_ack_sent:  # RFC 7323 5.3 R3
        assert timestamp is not None, "PAWS lets nothing else but a RST come here"
        connection.ts_recent = timestamp[0]
        connection.ts_recent_at = now

    # Fifth, the ACK field
    if not flags & ACK:
        connection.stack.drop("tcp_unacceptable", connection)
        return
    if not _acknowledgment(connection, segment, now):
        return

    if connection.changeable and segment.options.user_timeout is not None:
        connection.adopt_user_timeout(segment.options.user_timeout)

    if length or flags & _MORE:
        # Sixth, the URG bit
        if flags & URG or connection.urgent is not None:
            urgent.arrives(connection, segment)
        # Seventh, the text. Eighth, the FIN bit
        if length or flags & FIN:
            text(connection, segment, now)


def _fresh(connection: Connection, segment: Segment, now: float) -> bool:
    """RFC 7323 5.3 R1: not an old duplicate, by its timestamp (PAWS)."""
    timestamp = segment.options.timestamp
    recent = connection.ts_recent
    if timestamp is not None:
        tsval = timestamp[0]
        if unwrap(tsval, recent) > recent or now - connection.ts_recent_at > _PAWS_IDLE:
            return True
        if segment.length or segment.flags & FIN:
            connection.receiver.old(segment.seq, segment.seq + segment.length)  # as Linux, also a duplicate
        elif not segment.flags & RST:
            connection.challenge()  # two that disagree about the time must not answer each other for ever
    if segment.flags & RST:
        return True
    connection.stack.drop("tcp_paws", connection)  # RFC 7323 3.2: also when it bears none though both agreed on it
    return False


def _handshake_repeated(connection: Connection, segment: Segment) -> bool:
    """The peer's SYN again, in SYN-RECEIVED. True: it acknowledges ours, so that the rest of it counts."""
    if segment.flags & RST:
        return False
    if not agreed(segment.flags):
        connection.ecn = None  # RFC 3168 6.1.1.1: it has thought better of it
    if segment.flags & ACK:  # both sides opened at once: figure 7
        segment.flags &= ~SYN
        segment.seq += 1
        segment.window >>= connection.send_shift  # RFC 7323 2.2: in a SYN it is not scaled
        connection.receiver.ack_now = True
        return True
    if connection.stamped and segment.options.timestamp is not None:
        connection.ts_recent = segment.options.timestamp[0]
    connection.syn_owed = True  # ours was lost
    return False


def _unacceptable(connection: Connection, segment: Segment) -> bool:
    """A segment outside the window. True: its acknowledgment counts all the same (the window being closed)."""
    if segment.flags & RST:
        connection.stack.drop("tcp_unacceptable", connection)
        return False
    receiver = connection.receiver
    if segment.length or segment.flags & FIN:
        end = segment.seq + segment.length + (segment.flags & FIN)
        receiver.old(segment.seq, end)
        if end == receiver.rcv_nxt:
            timestamp = segment.options.timestamp
            if connection.stamped and timestamp is not None:
                connection.ts_recent = timestamp[0]  # our ACK was lost: the next one measures this copy's round trip
        if segment.seq == receiver.rcv_nxt and receiver.edge == receiver.rcv_nxt and not segment.flags & SYN:
            segment.flags &= ~FIN
            return True
    else:
        connection.challenge()  # two that disagree must not answer each other for ever
    connection.stack.drop("tcp_unacceptable", connection)
    return False


def _acknowledgment(connection: Connection, segment: Segment, now: float) -> bool:
    """Fifth check. False: the segment is dropped."""
    sender = connection.sender
    una = sender.snd_una
    ack = segment.ack = unwrap(segment.ack, una)
    state = connection.state
    if state is SYN_RECEIVED:
        if not una < ack <= sender.snd_nxt:
            connection.layer.refuse(connection.local, connection.remote, segment)
            connection.stack.drop("tcp_unacceptable", connection)
            return False
        if not connection.established(segment, now):
            return False
        una = sender.snd_una
    if ack > sender.snd_nxt or (ack < una and (ack < una - sender.max_window or ack <= sender.iss)):
        connection.stack.drop("tcp_ack_unsent", connection)  # RFC 5961 5.2; what is before our SYN was never sent
        connection.challenge()
        return False
    if segment.flags & ECE and connection.ecn is not None and ack >= una:
        _echo_arrives(connection, connection.ecn, ack, now)
    window = segment.window << connection.send_shift
    recovery = connection.recovery
    if (connection.sack and segment.options.sack) or (recovery is not None and not recovery.calm):
        _suspicious(connection, segment, _is_duplicate(connection, segment, window), now)
    elif ack > una:
        new_data_acknowledged(connection, ack, ack - una, segment.options.timestamp, now)
    elif not connection.sack and _is_duplicate(connection, segment, window):
        _suspicious(connection, segment, True, now)
    if ack > una and (now >= connection.figures.rate_at + connection.rtt.latest or connection.on_event is not None):
        _progress(connection, ack - una, now)
    if ack >= una:
        sender.window_update(segment.seq, ack, window)
        if connection.probing:
            connection.probe_answered()
    if sender.fin == SENT and sender.snd_una == sender.snd_nxt:
        return _fin_acknowledged(connection, now)
    return True


def new_data_acknowledged(
    connection: Connection, ack: int, acked: int, timestamp: tuple[int, int] | None, now: float
) -> None:
    """All is well: nothing was lost, nothing is out of order."""
    sender = connection.sender
    flight = sender.snd_nxt - sender.snd_una
    sent_at = sender.acknowledged(ack)
    rtt = None
    if sent_at is not None:
        rtt = now - sent_at
        connection.rtt.sample(rtt, now)
    elif connection.stamped:  # RFC 7323 4.1: an echo tells even of what was sent twice
        connection.sample_echo(timestamp, now)
    connection.retries = 0
    connection.progress_at = now
    connection.congestion.acknowledged(acked, flight, rtt, now)
    connection.retransmit_at = connection.rto_at = None  # RFC 6298 5.2, 5.3: flush starts it again if it is needed


def _progress(connection: Connection, acked: int, now: float) -> None:
    """For whoever looks on."""
    figures = connection.figures
    if now >= figures.rate_at + connection.rtt.latest:
        figures.sample(connection, now)
    if connection.on_event is not None:
        tell(connection, "acked", acked, now)


def _echo_arrives(connection: Connection, ecn: Ecn, ack: int, now: float) -> None:
    """RFC 3168 6.1.2: the network asks for less; once for each window of data, whatever asks."""
    if connection.mend().slow_down(ack, connection.sender, connection.congestion, now):
        ecn.answered += 1


def _is_duplicate(connection: Connection, segment: Segment, window: int) -> bool:
    """RFC 5681 2; what answers a probe says nothing of loss."""
    sender = connection.sender
    return (
        segment.ack == sender.snd_una
        and not segment.length
        and not segment.flags & FIN
        and window == sender.snd_wnd
        and sender.in_flight is not None
        and not connection.probing
    )


def _suspicious(connection: Connection, segment: Segment, duplicate: bool, now: float) -> None:
    """Something is out of order, or was: see what the ACK says about it."""
    sender, recovery = connection.sender, connection.mend()
    una = sender.snd_una
    blocks: Blocks = ()
    if connection.sack and segment.options.sack:
        blocks = tuple([(unwrap(start, una), unwrap(end, una)) for start, end in segment.options.sack])
    echo = connection.echo(segment.options.timestamp, now) if connection.stamped else None
    heard = Heard(segment.ack, blocks, duplicate, echo)
    entered, undone = recovery.entered, recovery.undone
    recovery.heard(heard, sender, connection.congestion, connection.rtt, now)
    if connection.on_event is not None:
        if recovery.entered > entered:
            tell(connection, "recovery", recovery.entered, now)
        if recovery.undone > undone:
            tell(connection, "undo", recovery.undone, now)
    if segment.ack > una or not (connection.probe_due and recovery.may_probe()):
        connection.retransmit_at = None
    if segment.ack > una:
        connection.retries = 0
        connection.progress_at = now
        connection.rto_at = None
    board = sender.board
    if board is not None:
        if board.refused:
            board.refused = False
            connection.stack.stats.count("tcp_sack_full")
        if segment.ack > una and board.reneged():
            connection.rto_at = now + recovery.doubt(connection.rtt.srtt)


def _fin_acknowledged(connection: Connection, now: float) -> bool:
    """Ours is acknowledged. False: nothing more is to be done with the segment."""
    state = connection.state
    if state is FIN_WAIT_1:
        connection.become(FIN_WAIT_2)
        if connection.orphan:
            connection.idle_at = now + connection.config.fin_wait_2
    elif state is CLOSING:
        connection.enter_time_wait(now)
    elif state is LAST_ACK:
        connection.become(CLOSED)
        return False
    return True


def text(connection: Connection, segment: Segment, now: float) -> None:
    """Seventh and eighth"""
    state = connection.state
    if state is not ESTABLISHED and state is not FIN_WAIT_1 and state is not FIN_WAIT_2:
        return  # after the peer's FIN there is no text; a copy of the FIN itself was answered as not acceptable
    receiver = connection.receiver
    if connection.deaf and segment.seq + segment.length > receiver.rcv_nxt and segment.length:
        connection.stack.drop("tcp_after_close", connection)
        error = None if connection.orphan else failure(errno.ECONNRESET)
        connection.drop(error, reset=True)  # RFC 9293 3.6.1: nobody will ever read it
        return
    if connection.squeezed:
        # what fills the first hole is taken: what is held ahead of it could never be read otherwise
        held = receiver.queued if segment.seq <= receiver.rcv_nxt else receiver.held()
        if held >= LITTLE:
            connection.stack.drop("socket_memory_full", connection)
            receiver.ack_now = True
            return
    if connection.ecn is not None and connection.ecn.data(segment.flags):
        receiver.ack_now = True
    if segment.length:
        connection.figures.bare_in -= 1  # it was counted as one before its text was looked at
        _data_arrived(connection, segment.length, segment.gso_size, segment.options.timestamp, now)
    if not receiver.text(segment.seq, segment.payload, bool(segment.flags & FIN), segment.gso_size):
        if receiver.refused:
            receiver.refused = False
            connection.stack.drop("tcp_out_of_order_full", connection)
        return
    if state is ESTABLISHED:
        connection.become(CLOSE_WAIT)
    elif state is FIN_WAIT_1:
        receiver.ack_now = True
        connection.become(CLOSING)
    else:
        receiver.ack_now = True
        connection.enter_time_wait(now)


def _data_arrived(
    connection: Connection, length: int, gso_size: int, timestamp: tuple[int, int] | None, now: float
) -> None:
    """For those who measure and count."""
    if now >= connection.tune_at:
        autotuning.measure(connection, length, timestamp, now)
    figures = connection.figures
    figures.data_at = now
    figures.data_segs_in += -(-length // gso_size) if gso_size else 1


def _in_syn_sent(connection: Connection, segment: Segment, now: float) -> None:
    """RFC 9293 3.10.7.3"""
    sender = connection.sender
    flags = segment.flags
    stack = connection.stack
    ack = segment.ack = unwrap(segment.ack, sender.snd_nxt)
    beyond = sender.snd_nxt if connection.fast is None else sender.snd_nxt + connection.fast.sent
    if flags & ACK and not sender.snd_una < ack <= beyond:
        if not flags & RST:
            connection.layer.refuse(connection.local, connection.remote, segment)
        stack.drop("tcp_unacceptable", connection)
        if not connection.retries:  # the RST ends what the peer still thought was open: ask again, soon, and once
            connection.retransmit_at = now + _ASK_AGAIN
        return
    if flags & RST:
        if flags & ACK:
            connection.drop(failure(errno.ECONNREFUSED))
        else:
            stack.drop("tcp_unacceptable", connection)
        return
    if not flags & SYN:
        stack.drop("tcp_unacceptable", connection)
        return
    connection.syn_arrived(segment, now)
    if not flags & ACK:  # both open at once: figure 7
        connection.become(SYN_RECEIVED)
        connection.syn_owed = True
        connection.keep_early(segment)
        return
    if not connection.established(segment, now):
        return
    sender.snd_wnd = segment.window  # RFC 7323 2.2: never scaled in a SYN
    sender.max_window = max(sender.max_window, segment.window)
    sender.snd_wl1 = segment.seq
    sender.snd_wl2 = ack
    connection.receiver.ack_now = True
    if segment.length or flags & FIN:
        segment.seq += 1
        text(connection, segment, now)
