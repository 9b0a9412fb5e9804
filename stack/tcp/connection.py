"""One connection: its change of state, in one place, and what the application may do with it.

What is known of it is in `tcb`; segments act on it in `arrival`; all it sends is in `output`. RFC 9293 3.9.1 (the
user's calls), 3.10.1 to 3.10.5 (what they do), 3.6 (closing).
"""

from __future__ import annotations

import errno
from typing import Any

import attrs

from netif.link import Buffer
from stack.failure import failure
from stack.tcp import arrival, fast, fast_out, fastopen, figures, urgent
from stack.tcp.autotuning import NEVER, grow_send
from stack.tcp.congestion import control, follow
from stack.tcp.ecn import CODE_POINT
from stack.tcp.events import tell
from stack.tcp.segment import Segment
from stack.tcp.sender import OPEN, QUEUED
from stack.tcp.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    TRANSITIONS,
    State,
)
from stack.tcp.tcb import CHALLENGES, ControlBlock

_CHALLENGE_RATE = 2.0  # a second, after the first CHALLENGES


class Connection(ControlBlock):
    __slots__ = ()

    # the machine

    def become(self, state: State) -> None:
        """The only change of state."""
        old = self.state
        assert state in TRANSITIONS[old], f"{old.value} may not become {state.value}"
        self.state = state
        self.is_straight = False
        trace = self.stack.trace
        if trace is not None:
            trace("state", self, f"{old.value} -> {state.value}")
        if self.on_event is not None:
            tell(self, "state", old.value, self.stack.now)
        if state is CLOSED:
            self.retransmit_at = self.acknowledge_at = self.idle_at = None
            self.sender.discard()
            self.layer.forget(self, old)

    def open(self) -> None:
        """Send a SYN; with `listener`, in answer to one (`syn_arrived` has been told)."""
        self.become(SYN_SENT if self.listener is None else SYN_RECEIVED)
        self.syn_owed = True
        self.stack.owe(self)

    segment_arrives = arrival.segment_arrives
    flush = fast_out.flush

    def established(self, segment: Segment, now: float) -> bool:
        """Our SYN is acknowledged, and the peer's has come. False: the listener has no room for it now."""
        listener = self.listener
        if listener is not None and not listener.take(self):
            return False
        sender, rtt = self.sender, self.rtt
        timestamp = segment.options.timestamp if self.stamped else None
        if self.retransmit_at is None:
            pass  # a cookie was answered: nobody knows when it was sent
        elif not self.retransmissions or self.echo(timestamp, now) == int(self.last_sent * 1000):
            rtt.sample(now - self.last_sent, now)  # an echo of an earlier one may have been on its way more than once
        initial = self.config.initial_window * sender.mss
        if self.retries:  # RFC 6298 5.7, RFC 5681 3.1
            rtt.restart_after_lost_syn()
            initial = sender.mss
        self.congestion = control(self.config.congestion)(sender.mss, initial)
        sender.snd_una += 1
        if self.fast is not None:
            fastopen.established(self, segment)
        sender.snd_sml = sender.snd_una
        sender.snd_wl1 = segment.seq
        sender.snd_wl2 = segment.ack
        self.retransmit_at = self.rto_at = None
        self.retries = 0
        self.progress_at = now
        self.become(ESTABLISHED)
        if self.config.keepalive:
            self.idle_at = now + self.config.keepalive_idle
        if sender.fin == QUEUED:  # closed before it was open
            self.become(FIN_WAIT_1)
        if self.early is not None:
            early, self.early = self.early, None
            arrival.text(self, early, now)
        fast.settle(self)
        return True

    def challenge(self) -> None:
        """Owe the ACK that makes an honest peer say exactly what it means (RFC 5961), within the rate limits.

        The connection's own keeps two that disagree from answering each other for ever.
        """
        now = self.stack.now
        left = min(CHALLENGES, self.challenges + (now - self.challenged_at) * _CHALLENGE_RATE)
        self.challenged_at = now
        if left < 1:
            self.stack.drop("challenge_ack_rate", self)
        elif self.layer.may_challenge():
            self.receiver.ack_now = True
            left -= 1
        self.challenges = left

    def reset_by_peer(self) -> None:
        state = self.state
        if state is SYN_RECEIVED and self.passive:
            self.drop(fastopen.reset(self))  # else back to LISTEN, as if it had never come
        elif state is SYN_RECEIVED:
            self.drop(failure(errno.ECONNREFUSED))
        elif state is CLOSING or state is LAST_ACK:
            self.drop(None)
        else:
            self.drop(failure(errno.EPIPE if state is CLOSE_WAIT else errno.ECONNRESET))

    def drop(self, error: OSError | None, *, reset: bool = False) -> None:
        """The connection ends here and now; with `reset`, the peer is told."""
        self.error = error
        self.reset_owed = reset
        if self.state is not CLOSED:
            self.become(CLOSED)
        self.stack.owe(self)

    def enter_time_wait(self, now: float) -> None:
        self.become(TIME_WAIT)
        self.stack.timers.forget(self)
        self.retransmit_at = self.idle_at = None
        self.emitter.route.owner = None
        self.layer.enter_time_wait(self, now)

    # the application's calls

    def readable(self) -> bool:
        receiver = self.receiver
        queued = receiver.queued if self.urgent is None else self.urgent.readable(receiver)
        return queued >= self.config.rcvlowat or receiver.finished() or self.state is CLOSED or self._full()

    def _full(self) -> bool:
        """There is less than `rcvlowat` to read, and next to no room for more."""
        receiver = self.receiver
        queued = receiver.queued
        return queued > 0 and (queued >= self.receive_room or receiver.edge - receiver.rcv_nxt <= receiver.mss)

    def stirred(self) -> bool:
        """A read that asks for less than `rcvlowat` may have enough."""
        return self.config.rcvlowat > 1 and self.receiver.queued > 0

    def enough(self, count: int) -> bool:
        """A read that asks for `count` bytes need not wait for more (SO_RCVLOWAT)."""
        return self.receiver.queued >= min(count, self.config.rcvlowat) or self.readable() or self.error is not None

    def writable(self) -> bool:
        state = self.state
        if state is ESTABLISHED or state is CLOSE_WAIT or (state is SYN_RECEIVED and self.fast is not None):
            sender = self.sender
            lowat = self.config.notsent_lowat
            if lowat is not None and sender.unsent_bytes >= lowat and sender.fin == OPEN:
                return False
            if sender.fin != OPEN or (sender.capacity - sender.buffered) << 2 >= sender.capacity:
                return True
            return grow_send(self) and (sender.capacity - sender.buffered) << 2 >= sender.capacity
        if self.orphan:
            return self.all_acknowledged()  # for whoever lingers
        return state is not SYN_SENT and state is not SYN_RECEIVED

    def write(self, data: Buffer) -> int:
        """Accept bytes to send: how many, 0 if it would block. Raises what ended the connection, else EPIPE."""
        state = self.state
        if state is ESTABLISHED or state is CLOSE_WAIT or (state is SYN_RECEIVED and self.fast is not None):
            lowat = self.config.notsent_lowat
            if lowat is not None:
                data = memoryview(data)[: max(lowat - self.sender.unsent_bytes, 0)]
            accepted = self.sender.write(data)
            if accepted < len(data) and grow_send(self):
                accepted += self.sender.write(memoryview(data)[accepted:])
            if accepted:
                self.stack.owe(self)
            return accepted
        self.raise_error()
        if state is SYN_SENT or state is SYN_RECEIVED:
            return 0
        raise failure(errno.EPIPE)

    def hold_back(self, cork: bool) -> None:
        """What does not fill a segment waits for more, or no longer does (TCP_CORK, MSG_MORE)."""
        self.sender.cork = cork
        self.is_straight = False
        self.stack.owe(self)

    def read(self, count: int) -> bytes | None:
        """Up to `count` bytes; None if it would block; b"" at the end. Raises, once, what ended the connection."""
        receiver = self.receiver
        if receiver.queued and (self.urgent is None or self.urgent.comes_to(receiver)):
            if self.urgent is not None:
                count = self.urgent.reads(receiver, count)
            data = receiver.read(count)
            if receiver.update_due():
                receiver.ack_now = True
                self.stack.owe(self)
            elif self.charged and not receiver.queued:
                self.layer.charge(self, self.sender.buffered + receiver.held())  # a flush may be long in coming
            return data
        return b"" if self._ended() else None

    def read_into(self, buffer: memoryview) -> int | None:
        receiver = self.receiver
        if receiver.queued and (self.urgent is None or self.urgent.comes_to(receiver)):
            if self.urgent is not None:
                buffer = buffer[: self.urgent.reads(receiver, len(buffer))]
            count = receiver.read_into(buffer)
            if receiver.update_due():
                receiver.ack_now = True
                self.stack.owe(self)
            elif self.charged and not receiver.queued:
                self.layer.charge(self, self.sender.buffered + receiver.held())
            return count
        return 0 if self._ended() else None

    def peek(self, count: int) -> bytes | None:
        """As `read`, leaving the bytes where they are."""
        receiver = self.receiver
        if receiver.queued and (self.urgent is None or self.urgent.comes_to(receiver)):
            return receiver.peek(count) if self.urgent is None else self.urgent.peek(receiver, count)
        return b"" if self._ended() else None

    write_urgent = urgent.write
    read_urgent = urgent.read

    def at_mark(self) -> bool:
        """The next byte is the peer's urgent one, or was it (SIOCATMARK)."""
        return self.urgent is not None and self.urgent.at_mark(self.receiver)

    def urgent_left(self) -> int:
        """Bytes up to the end of the peer's urgent data (RFC 9293 MUST-33)."""
        return 0 if self.urgent is None else self.urgent.remaining(self.receiver)

    def exceptional(self) -> bool:
        """An urgent byte has come that nobody has read (POLLPRI)."""
        return self.urgent is not None and self.urgent.pending()

    def _ended(self) -> bool:
        if self.receiver.finished():
            return True
        self.raise_error()
        return self.state is CLOSED

    def raise_error(self) -> None:
        error = self.error
        if error is not None:
            self.error = None
            raise error

    def shutdown_write(self) -> None:
        """No more data: FIN, after what is queued (RFC 9293 3.10.4). Raises ENOTCONN before there is a connection."""
        state = self.state
        if state is CLOSED or state is SYN_SENT or state is LISTEN:
            self.raise_error()
            raise failure(errno.ENOTCONN)
        self._finish()

    def shutdown_read(self) -> None:
        """No more data is wanted. As in Linux the peer is not told, until it sends some after our FIN."""
        self.read_shut = True
        self.is_straight = False
        self.deaf = self.deaf or self.sender.fin != OPEN
        self.wake_readers()

    def finish(self) -> None:
        """FIN in order, whatever state it is in; what has no peer yet just ends."""
        if self.state is SYN_SENT:
            self.drop(failure(errno.ECONNABORTED))
        else:
            self._finish()

    def _finish(self) -> None:
        self.sender.finish()
        self.deaf = self.orphan or self.read_shut
        if self.state is ESTABLISHED:
            self.become(FIN_WAIT_1)
        elif self.state is CLOSE_WAIT:
            self.become(LAST_ACK)
        self.stack.owe(self)

    def close(self, linger: float | None = None) -> None:
        """The application is done with it: what is queued is sent, then FIN, while others go on.

        Linger 0, or bytes that nobody has read: RST (RFC 9293 3.6.1, RFC 2525 2.17). Whoever wants to wait for the end
        looks at `all_acknowledged`.
        """
        if self.orphan:
            return
        self.orphan = self.deaf = True
        self.is_straight = False
        linger = self.config.linger if linger is None else linger
        state = self.state
        if state is TIME_WAIT:
            self.receiver.discard()
            self.layer.release_time_wait(self)
        elif state is CLOSED or state is SYN_SENT:
            self.drop(None)
        elif linger == 0 or self.receiver.queued:
            self.receiver.discard()
            self.abort()
        elif not self.layer.adopt(self):
            self.abort()
        else:
            self._finish()
            if state is FIN_WAIT_2:
                self.idle_at = self.stack.now + self.config.fin_wait_2

    def all_acknowledged(self) -> bool:
        """All that was written is acknowledged, FIN included, or never will be."""
        return self.state is CLOSED or self.state is TIME_WAIT or self.sender.fin_acknowledged()

    def abort(self, error: OSError | None = None) -> None:
        """RFC 9293 3.10.5: forget everything, and tell the peer by a RST where there is one to tell."""
        state = self.state
        if state is CLOSED:
            return
        told = state not in (SYN_SENT, LISTEN, CLOSING, LAST_ACK, TIME_WAIT)
        if state is TIME_WAIT:
            self.layer.release_time_wait(self)
        self.drop(error, reset=told)

    def configure(self, **changes: Any) -> None:
        """Change settings of a living connection, as setsockopt does. ValueError for what cannot be."""
        config = self.config = attrs.evolve(self.config, **changes)
        if self.urgent is not None:
            self.urgent.inline = config.oob_inline
        if "user_timeout" in changes or "user_timeout_option" in changes:
            self.changeable = config.user_timeout_option and config.user_timeout is None
        self.sender.nodelay = config.nodelay
        self.sender.cork = config.cork
        self.quick = changes.get("quickack", self.quick)
        self.emitter.ttl = config.ttl
        self.emitter.tos = config.tos & ~CODE_POINT
        self.emitter.template = None
        self.is_straight = False
        if config.receive_buffer is not None:
            self.receive_room = config.receive_buffer
            self.tune_at = NEVER
            self.tuning = None
        elif config.rcvlowat > self.receive_room:
            self.receive_room = min(config.rcvlowat, config.receive_buffer_max)  # or nobody would ever read
        self.send_room = config.send_buffer or self.send_room
        self.squeeze(self.squeezed)
        if "congestion" in changes and self.connected():
            self.congestion = follow(self.congestion, config.congestion, config.initial_window * self.sender.mss)
        if ("mss" in changes or "mtu_probing" in changes) and self.connected():
            self.measure()
            self.congestion.mss = self.sender.mss
        if not config.keepalive:
            self.idle_at = self.idle_at if self.orphan else None
        elif self.connected() and self.state is not TIME_WAIT and not self.probes:
            self.idle_at = self.last_heard + config.keepalive_idle
        self.stack.owe(self)

    info = figures.info

    # what the stack tells it

    def expire(self, now: float) -> None:
        self.stack.owe(self)

    def unreachable(self, error: OSError) -> None:
        """No neighbour, or no route: the end of a connection that is not open yet, else a thing to remember."""
        if self.state is SYN_SENT:
            self.drop(error)
        else:
            self.soft_error = error

    def icmp_error(self, error: OSError, hard: bool) -> None:
        """It quotes what is in flight. Fatal only before the connection is open (RFC 5927 5.2)."""
        if hard and self.state is SYN_SENT:
            self.drop(error)
        else:
            self.soft_error = error
