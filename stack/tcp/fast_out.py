"""The fast path out: what a straight connection sends, for which `output` would come to the same.

Data that was never sent, and acknowledgments; whatever is out of the ordinary is `output`'s, which says why anything
here is as it is. Both send the same bytes and leave the same state behind. Headers come from the connection's template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.wire.tcp import PSH
from stack.seq import MASK
from stack.tcp import output
from stack.tcp.autotuning import adjust
from stack.tcp.figures import IDLE
from stack.tcp.output import BURST, GRAIN, doing, send_ack
from stack.tcp.retransmission import arm, start_timer
from stack.tcp.sender import QUEUED

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.template import Template

LONGEST = 1 << 16  # bytes of a packet


def flush(connection: Connection, now: float) -> None:
    """Send what is owed, set `connection.deadline`, wake who may go on."""
    stack, template = connection.stack, connection.emitter.template
    due, idle_at = connection.retransmit_at, connection.idle_at
    if (
        not connection.is_straight
        or template is None
        or (due is not None and due <= now)
        or (idle_at is not None and idle_at <= now)
        or template.generation != stack.ip.generation
        or template.link is not template.neighbour.link
        or template.interface.blocked
        or (connection.sender.fin == QUEUED and connection.sender.unsent_bytes < BURST + LONGEST)  # comes soon
        or stack.trace is not None
        or connection.on_event is not None
    ):
        output.flush(connection, now)
        if connection.is_straight:
            connection.emitter.prepare()
        return
    sender, receiver = connection.sender, connection.receiver
    if now >= connection.tune_at and connection.tuning is not None:
        adjust(connection, now)
    deadline = None
    if sender.unsent_bytes:
        if _send_data(connection, template, now):
            deadline = now
    elif sender.in_flight is None:
        connection.retransmit_at = None
    elif connection.retransmit_at is None:
        arm(connection, now)
    if receiver.owed or receiver.ack_now:
        due = connection.acknowledge_at
        if receiver.ack_now or receiver.owed > 1 or (due is not None and due <= now):
            _send_ack(connection, template, now)
        elif due is None:
            connection.acknowledge_at = now + connection.config.delayed_ack
    held = sender.buffered + receiver.queued
    if held > connection.charged + GRAIN or held < connection.charged - GRAIN:
        connection.layer.charge(connection, held)
    if connection.squeezed is not connection.layer.memory.pressed:
        connection.squeeze(not connection.squeezed)
    what = doing(connection) if sender.buffered else IDLE
    if what != connection.figures.what:
        connection.figures.turn(what, now)
    if deadline is None:
        deadline = connection.retransmit_at
    due = connection.acknowledge_at
    if due is not None and (deadline is None or due < deadline):
        deadline = due
    if idle_at is not None and (deadline is None or idle_at < deadline):
        deadline = idle_at
    connection.deadline = deadline
    if connection.readers is not None and receiver.queued:
        connection.wake_readers()
    if connection.writers is not None and connection.writable():
        connection.wake_writers()


def _send_ack(connection: Connection, template: Template, now: float) -> None:
    sender = connection.sender
    if sender.snd_nxt > sender.snd_una + sender.snd_wnd:  # the window has shrunk: there is a choice of numbers
        send_ack(connection, now)
        return
    connection.layer.fast_out += 1
    connection.figures.acks_out += 1
    connection.acknowledge_at = None
    ack = connection.last_ack_sent = connection.receiver.rcv_nxt
    window = connection.receiver.advertise()
    tsval = int(now * 1000) + connection.timestamp_base & MASK
    template.ack(sender.snd_nxt & MASK, ack & MASK, window, tsval, connection.ts_recent)


def _send_data(connection: Connection, template: Template, now: float) -> bool:
    """Send all that windows and the link allow. True: more may go, in the next turn."""
    sender, interface = connection.sender, template.interface
    una, nxt, mss, unsent = sender.snd_una, sender.snd_nxt, sender.mss, sender.unsent_bytes
    fresh = una == nxt
    if fresh and now - connection.last_sent > connection.rtt.rto:
        connection.restart(now - connection.last_sent, now)
    edge, right = una + sender.snd_wnd, una + connection.congestion.cwnd
    limit = template.limit if unsent > mss else mss
    last = nxt + BURST
    frames = segments = ack = window = tsval = 0
    while True:
        usable = (right if right < edge else edge) - nxt
        count = unsent
        if count > usable or count > limit:
            count = usable if usable < limit else limit
            if count >= mss:
                count -= count % mss
            elif usable <= 0 or usable < edge - nxt or count + count < sender.max_window:
                break
        elif count % mss and (sender.cork or (sender.snd_sml > una and not sender.nodelay)):
            count -= count % mss
            if not count:
                break
        if not frames:  # what all of them acknowledge
            connection.last_sent = connection.figures.sent_at = now
            connection.acknowledge_at = None
            connection.last_ack_sent = connection.receiver.rcv_nxt
            ack, window = connection.last_ack_sent & MASK, connection.receiver.advertise()
            tsval = int(now * 1000) + connection.timestamp_base & MASK
        payload = sender.emit(now, count).views
        unsent -= count
        pushed = 0 if unsent else PSH
        template.data(nxt & MASK, ack, pushed, window, tsval, connection.ts_recent, payload, count)
        nxt += count
        frames += 1
        segments += 1 if count <= mss else -(-count // mss)
        if interface.blocked:
            interface.waiting[connection] = None
            break
        if nxt >= last:
            break
        if not unsent:
            if right - nxt >= mss:
                connection.congestion.limited(nxt - una, now)
            break
    connection.figures.data_segs_out += segments
    connection.layer.fast_out += frames
    start_timer(connection, fresh, now)
    return nxt >= last
