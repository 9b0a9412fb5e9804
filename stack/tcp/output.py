"""What a connection sends now, and when it acts next: one answer, `flush`, asked after any number of changes.

Everything that is sent is sent here: SYNs, data, what was lost, probes, acknowledgments, the last RST. Timers are three
(`retransmit_at`: see `retransmission`; `acknowledge_at`; `idle_at`: keep-alive or FIN-WAIT-2); their time comes here.
RFC 9293 3.8, RFC 6298 5, RFC 5681, RFC 9293 3.8.6.1 (probes), 3.8.4 (keep-alive), 3.8.6.3 (delayed ACK).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from netif.wire.options import emit_sack
from netif.wire.tcp import ACK, ECE, FIN, PSH, RST, SYN, URG
from stack.failure import failure
from stack.seq import MASK
from stack.tcp import autotuning, fast, fastopen, mtu
from stack.tcp.ecn import ECT_0, SETUP, Ecn
from stack.tcp.events import tell
from stack.tcp.figures import BUFFER_LIMITED, BUSY, IDLE, RECEIVER_LIMITED, Figures
from stack.tcp.retransmission import arm, expired, start_timer
from stack.tcp.sender import QUEUED
from stack.tcp.states import CLOSED, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT
from stack.tcp.transmission import Transmission

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

MOST_DUPLICATES = 16  # duplicate ACKs sent in one flush
GRAIN = 4096  # bytes by which what a connection holds may change until it is counted
BURST = 256 << 10  # bytes sent in one flush; the rest in the next turn, so that what arrives is heard in between


def flush(connection: Connection, now: float) -> None:
    """Send what is owed, set `connection.deadline`, wake who may go on."""
    state = connection.state
    route = connection.emitter.route
    if route.generation != connection.stack.ip.generation:
        connection.rerouted()
    if route.interface.blocked and state is not CLOSED:
        route.interface.waiting[connection] = None
        connection.deadline = None  # whatever is due by then is due when there is room again
    else:
        at = connection.retransmit_at
        if at is not None and at <= now:
            probe = expired(connection, now)
            if probe is not None:
                transmit(connection, probe, now)
        at = connection.idle_at
        if at is not None and at <= now:
            _idle_timeout(connection, now)
        state = connection.state
        if state is CLOSED:
            connection.stack.timers.forget(connection)
            _last_word(connection, now)
        elif state is SYN_SENT or state is SYN_RECEIVED:
            _shake_hands(connection, now)
        else:
            _converse(connection, now)
    if connection.readers is not None and (connection.readable() or connection.stirred()):
        connection.wake_readers()
    if connection.writers is not None and connection.writable():
        connection.wake_writers()


def _converse(connection: Connection, now: float) -> None:
    sender, receiver = connection.sender, connection.receiver
    if now >= connection.tune_at:
        autotuning.adjust(connection, now)
    if receiver.duplicates or (receiver.reports is not None and receiver.ack_now):
        _send_duplicates(connection, now)
    deadline = None
    if sender.unsent_bytes or sender.board is not None or sender.fin == QUEUED:
        if _send_data(connection, now):
            deadline = now
    elif sender.in_flight is None:
        connection.retransmit_at = None
    elif connection.retransmit_at is None:
        arm(connection, now)
    if receiver.owed or receiver.ack_now:
        _acknowledge(connection, now)
    held = sender.buffered + (receiver.queued if receiver.reassembly is None else receiver.held())
    if held > connection.charged + GRAIN or held < connection.charged - GRAIN:
        connection.layer.charge(connection, held)
    if connection.squeezed is not connection.layer.memory.pressed:
        connection.squeeze(not connection.squeezed)
    what = doing(connection) if sender.buffered else IDLE
    if what != connection.figures.what:
        connection.figures.turn(what, now)
    if deadline is None:
        deadline = connection.retransmit_at
    at = connection.acknowledge_at
    if at is not None and (deadline is None or at < deadline):
        deadline = at
    at = connection.idle_at
    if at is not None and (deadline is None or at < deadline):
        deadline = at
    connection.deadline = deadline
    if not connection.is_straight:
        fast.settle(connection)


def doing(connection: Connection) -> int:
    """What a sender that holds something does, or waits for."""
    sender = connection.sender
    if sender.unsent_bytes:
        return RECEIVER_LIMITED if sender.snd_una + sender.snd_wnd - sender.snd_nxt < sender.mss else BUSY
    return BUSY if connection.writers is None else BUFFER_LIMITED


def _send_data(connection: Connection, now: float) -> bool:
    """Send all that windows and the link allow. True: more may go, in the next turn."""
    sender, congestion, emitter = connection.sender, connection.congestion, connection.emitter
    fresh = sender.in_flight is None
    if fresh:
        connection.restart(now - connection.last_sent, now)
    cwnd = congestion.cwnd
    limit = emitter.payload_limit() if sender.board is not None or sender.unsent_bytes > emitter.mss else emitter.mss
    if connection.urgent is not None and connection.urgent.ahead_of(sender.snd_una):
        limit = emitter.mss  # whoever cuts a super-frame repeats its pointer
    interface = emitter.route.interface
    burst = BURST
    if connection.search is not None:
        burst -= mtu.probe(connection, now)
        limit = emitter.payload_limit()
    while (transmission := sender.next(now, cwnd, limit)) is not None:
        transmit(connection, transmission, now)
        burst -= transmission.end - transmission.seq
        if interface.blocked:
            interface.waiting[connection] = None
            break
        if burst <= 0:
            break
        if not sender.unsent_bytes and sender.board is None and sender.fin != QUEUED:
            flight = sender.snd_nxt - sender.snd_una
            if cwnd - flight >= sender.mss:
                congestion.limited(flight, now)
            break
    if sender.board is not None and (recovery := connection.recovery) is not None:
        first = sender.board.ranges[0]
        if first.retransmitted and first.sent_at == now:
            connection.rto_at = connection.retransmit_at = None  # as Linux: what is waited for has just been sent
        if recovery.prr is not None:
            recovery.prr.out += BURST - burst
        if sender.patient and sender.snd_nxt == recovery.recover:
            sender.patient = recovery.frto = False  # RFC 5682 3.1 step 2.b: there is no room for anything new
            return _send_data(connection, now)
    start_timer(connection, fresh, now)
    return burst <= 0


def transmit(connection: Connection, transmission: Transmission, now: float) -> None:
    """Send one range of sequence numbers; it acknowledges all that has come."""
    sender, receiver = connection.sender, connection.receiver
    length = transmission.end - transmission.seq
    flags = ACK
    if transmission.fin:
        length -= 1
        flags = ACK | FIN
        connection.is_straight = False
    if length and not sender.unsent_bytes and (sender.board is None or not sender.board.lost_bytes):
        flags |= PSH
    ect = 0
    ecn = connection.ecn
    if ecn is not None:
        # RFC 3168 6.1.4 to 6.1.6: neither what is sent again, nor a FIN alone, nor what asks a closed window
        fresh = length > 0 and not transmission.retransmitted and not connection.probing
        flags |= ecn.flags(connection.fast_retransmits + connection.timeouts + ecn.answered, fresh)
        ect = ECT_0 if fresh else 0
    urgent = 0 if connection.urgent is None else connection.urgent.ahead_of(transmission.seq)
    if transmission.retransmitted:
        connection.retransmissions += 1
        if connection.search is not None:
            connection.search.resent(transmission.seq, transmission.end)
        connection.figures.resent_bytes += length
        if connection.recovery is not None:
            connection.recovery.resent(transmission.end - transmission.seq, now)
    if connection.on_event is not None:
        tell(connection, "retransmit" if transmission.retransmitted else "sent", length, now)
    _count(connection.figures, length, sender.mss, now)
    if connection.quick and connection.figures.data_segs_in:
        connection.quick = 0  # it answers: from here on ACKs may ride on answers
    connection.last_sent = now
    connection.acknowledge_at = None
    ack = connection.last_ack_sent = receiver.rcv_nxt
    connection.emitter.segment(
        transmission.seq,
        ack,
        flags if not urgent else flags | URG,
        receiver.advertise(),
        int(now * 1000) + connection.timestamp_base & MASK,
        connection.ts_recent,
        transmission.views,
        length,
        ect,
        b"" if receiver.reports is None else _report(connection, sender.mss - length),
        urgent,
    )


def _count(figures: Figures, length: int, mss: int, now: float) -> None:
    if length:
        figures.sent_at = now
        figures.data_segs_out += 1 if length <= mss else -(-length // mss)
    else:
        figures.acks_out += 1


def _send_duplicates(connection: Connection, now: float) -> None:
    """RFC 5681 4.2: a segment out of order is acknowledged at once, each of a batch for itself, for the peer counts."""
    receiver = connection.receiver
    count = min(receiver.duplicates, MOST_DUPLICATES)
    if count and receiver.rcv_nxt != connection.last_ack_sent:
        count += 1  # the first of them says something new, and is no duplicate
    if receiver.reports is not None:
        count = max(count, len(receiver.reports.pending))  # each duplicate is reported (RFC 2883 4)
    for _ in range(count):
        send_ack(connection, now)


def _acknowledge(connection: Connection, now: float) -> None:
    """Of what has come and no data has acknowledged: the second segment at once, the first after a while."""
    receiver = connection.receiver
    if connection.quick:
        connection.quick = max(connection.quick - receiver.owed, 0)
    elif not receiver.ack_now and receiver.owed < 2:
        at = connection.acknowledge_at
        if at is None:
            connection.acknowledge_at = now + connection.config.delayed_ack
            return
        if at > now:
            return
    send_ack(connection, now)


def _report(connection: Connection, room: int) -> bytes:
    """The SACK option of the next segment, as far as there is room for it."""
    most = min(3 if connection.stamped else 4, room - 4 >> 3)
    if most <= 0:
        return b""
    blocks = connection.receiver.blocks(most)
    return emit_sack(tuple([(start & MASK, end & MASK) for start, end in blocks])) if blocks else b""


def send_ack(connection: Connection, now: float, seq: int | None = None, flags: int = ACK) -> None:
    sender, receiver = connection.sender, connection.receiver
    if seq is None:
        seq = sender.snd_nxt
        edge = sender.snd_una + sender.snd_wnd
        if seq > edge and (connection.probing or seq - edge >> connection.send_shift):
            seq = edge  # a probe, or what a shrunk window cut off: there the peer would not even look at the ACK
    ecn = connection.ecn
    if ecn is not None and ecn.echo and flags == ACK:
        flags = ACK | ECE
    connection.acknowledge_at = None
    connection.figures.acks_out += 1
    ack = connection.last_ack_sent = receiver.rcv_nxt
    tsval = int(now * 1000) + connection.timestamp_base & MASK
    said = b"" if receiver.reports is None or flags & RST else _report(connection, 40)
    urgent = 0
    if connection.urgent is not None and (urgent := connection.urgent.ahead_of(seq)):
        flags |= URG
    window = receiver.advertise()
    connection.emitter.segment(seq, ack, flags, window, tsval, connection.ts_recent, said=said, urgent=urgent)


def _last_word(connection: Connection, now: float) -> None:
    """The connection is closed; its RST goes out, and nothing more ever."""
    if connection.reset_owed:
        connection.reset_owed = False
        send_ack(connection, now, flags=RST | ACK)
        sender = connection.sender
        if connection.probing and sender.snd_nxt > sender.snd_una + sender.snd_wnd:
            send_ack(connection, now, sender.snd_nxt, RST | ACK)  # the peer may have taken the probe: only one is exact
    connection.emitter.route.owner = None


def _shake_hands(connection: Connection, now: float) -> None:
    if connection.syn_owed:
        _send_syn(connection, now)
    elif connection.receiver.ack_now:
        send_ack(connection, now, connection.sender.snd_nxt)
    connection.deadline = connection.retransmit_at


def _send_syn(connection: Connection, now: float) -> None:
    sender, receiver, config, emitter = connection.sender, connection.receiver, connection.config, connection.emitter
    connection.syn_owed = False
    answering = connection.state is SYN_RECEIVED
    flags = SYN | ACK if answering else SYN
    again = sender.snd_nxt != sender.snd_una
    if again:
        connection.retransmissions += 1
    if answering:
        flags |= ECE if connection.ecn is not None else 0
    elif again:
        connection.ecn = None  # RFC 3168 6.1.1.1: something on the path may not bear it
    elif config.ecn == "on":
        connection.ecn = Ecn()
        flags |= SETUP
    timestamp = (int(now * 1000) + connection.timestamp_base & MASK, connection.ts_recent)
    payload = () if connection.fast is None or answering else fastopen.rides(connection, again)
    options = connection.syn_options(timestamp if connection.stamped or (config.timestamps and not answering) else None)
    window = min(receiver.capacity, 0xFFFF)
    receiver.edge = max(receiver.edge, receiver.rcv_nxt + window)
    sender.snd_nxt = sender.snd_una + 1
    connection.figures.acks_out += 1
    connection.last_sent = now
    connection.last_ack_sent = receiver.rcv_nxt
    ack = receiver.rcv_nxt if answering else 0
    emitter.syn(sender.snd_una, ack, flags, window, options, payload)
    if connection.retransmit_at is None:
        connection.retransmit_at = now + connection.rtt.rto


def _idle_timeout(connection: Connection, now: float) -> None:
    """Keep-alive (RFC 9293 3.8.4), or the end of a FIN-WAIT-2 that nobody owns."""
    connection.idle_at = None
    connection.is_straight = False
    if connection.state is FIN_WAIT_2 and connection.orphan:
        connection.drop(None)
        return
    config = connection.config
    if not config.keepalive:
        return
    sender = connection.sender
    if sender.snd_una != sender.snd_nxt:  # the retransmissions ask already
        connection.idle_at = now + config.keepalive_interval
        return
    due = connection.last_heard + config.keepalive_idle
    if not connection.probes and now < due:  # compared as it is set: `now - last_heard` is rounded otherwise
        connection.idle_at = due
        return
    if connection.probes >= config.keepalive_count:
        connection.drop(connection.soft_error or failure(errno.ETIMEDOUT), reset=True)
        return
    connection.probes += 1
    connection.idle_at = now + config.keepalive_interval
    send_ack(connection, now, sender.snd_nxt - 1)
