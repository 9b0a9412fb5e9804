"""The timer of what was sent and is not acknowledged: one deadline, `retransmit_at`, for what comes first of these.

The retransmission time-out (RFC 6298), or the persist timer of a closed window (RFC 9293 3.8.6.1), or the SYN's; before
it a loss probe (RFC 8985 7), or a look at what was overtaken (6). What is to be sent beyond the windows is handed back.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.failure import failure
from stack.tcp import mtu
from stack.tcp.events import tell
from stack.tcp.states import SYN_RECEIVED, SYN_SENT
from stack.tcp.transmission import Transmission

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

DELAYED_ACK = 0.2  # seconds that a peer may sit on a lone segment's ACK (RFC 8985 7.2: WCDelAckT)
ADVICE = 3  # time-outs in a row after which IP is told: R1 of RFC 9293 3.8.3
LEAST_PTO = 0.01  # seconds; a probe sent sooner would too often be in vain


def arm(connection: Connection, now: float) -> None:
    """Something is in flight, and was sent now or acknowledged in part: set `retransmit_at`."""
    rtt, recovery, sender = connection.rtt, connection.recovery, connection.sender
    at = connection.rto_at
    if at is None:
        at = connection.rto_at = now + rtt.rto
    connection.lone = False
    probing = connection.sack and connection.config.loss_probes
    if probing and (recovery is None or recovery.may_probe()) and sender.snd_wnd:
        srtt = rtt.srtt
        if srtt is None:
            pto = 1.0
        elif sender.snd_nxt - sender.snd_una <= sender.mss:
            pto = srtt + srtt + DELAYED_ACK
            connection.lone = True
        else:
            pto = srtt + srtt
            if pto < LEAST_PTO:
                pto = LEAST_PTO
        if now + pto < at:
            at = now + pto
        connection.probe_due = True
    else:
        connection.probe_due = False
        if recovery is not None and recovery.reorder_at is not None and recovery.reorder_at < at:
            at = recovery.reorder_at
    connection.retransmit_at = at


def start_timer(connection: Connection, fresh: bool, now: float) -> None:
    """Data has been sent, if windows allowed it; `fresh`: nothing was in flight before (RFC 6298 5.1)."""
    if connection.sender.in_flight is not None:
        if fresh:
            connection.progress_at = now
            connection.rto_at = None
            arm(connection, now)
        elif connection.retransmit_at is None or connection.lone:
            arm(connection, now)
    elif connection.retransmit_at is None:
        connection.rto_at = None
        connection.probe_due = False
        connection.retransmit_at = now + connection.rtt.rto  # to probe the window
        connection.progress_at = now


def expired(connection: Connection, now: float) -> Transmission | None:
    """`retransmit_at` has come. What it sends, if that is not for the windows to decide."""
    connection.retransmit_at = None
    connection.is_straight = False
    recovery = connection.recovery
    if connection.probe_due:
        return _loss_probe(connection, now)
    if recovery is not None and recovery.reorder_at is not None and recovery.reorder_at <= now:
        entered = recovery.entered
        recovery.overtaken(connection.sender, connection.congestion, connection.rtt, now)
        if recovery.entered > entered and connection.on_event is not None:
            tell(connection, "recovery", recovery.entered, now)
        return None
    return _time_out(connection, now)


def _loss_probe(connection: Connection, now: float) -> Transmission | None:
    """RFC 8985 7.3: provoke an ACK that shows what is missing; the time-out begins anew.

    The time counts from what was sent last (7.2): if that was after it was set, it is set again.
    """
    sender = connection.sender
    if sender.in_flight is None:
        return None
    arm(connection, connection.last_sent)
    if not connection.probe_due or (connection.retransmit_at or now) > now:
        return None
    connection.retransmit_at = connection.rto_at = None
    recovery = connection.mend()
    transmission = sender.loss_probe(now)
    if transmission is not None:
        if connection.on_event is not None:
            tell(connection, "probe", transmission.end - transmission.seq, now)
        recovery.probed(transmission.retransmitted, sender.snd_nxt)
    return transmission


def _time_out(connection: Connection, now: float) -> Transmission | None:
    """RFC 6298 5.4 to 5.7; for a closed window the persist timer."""
    sender, config = connection.sender, connection.config
    state = connection.state
    if state is SYN_SENT or state is SYN_RECEIVED:
        limit = config.syn_retries if state is SYN_SENT else config.synack_retries
    else:
        limit = config.retries
        if connection.orphan:
            limit = min(limit, config.orphan_retries)
    patience = config.user_timeout
    if connection.retries >= limit if patience is None else now - connection.progress_at >= patience:
        connection.drop(connection.soft_error or failure(errno.ETIMEDOUT))
        return None
    connection.retries += 1
    if connection.retries == ADVICE and state is not SYN_RECEIVED:  # where it may be a stranger who is silent
        connection.stack.ip.doubt(connection.emitter.route)
    connection.rtt.back_off()
    if patience is not None:  # RFC 5482: the last time-out is not to come long after the user's
        connection.rtt.hasten(connection.progress_at + patience - now)
    if state is SYN_SENT or state is SYN_RECEIVED:
        connection.syn_owed = True
        return None
    if sender.snd_wnd == 0 or not (sender.flying() or sender.reneged()):
        connection.probing = True
        if connection.on_event is not None:
            tell(connection, "probe", sender.snd_wnd, now)
        connection.retransmit_at = connection.rto_at = now + connection.rtt.rto
        return sender.probe(now)
    connection.timeouts += 1
    mtu.timed_out(connection)
    if connection.on_event is not None:
        tell(connection, "timeout", connection.retries, now)
    recovery = connection.mend()
    recovery.timed_out(connection.retries > 1, sender, connection.congestion, connection.rtt, now)
    recovery.frto &= config.frto
    return None
