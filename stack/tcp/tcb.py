"""The transmission control block (RFC 9293 3.3.1): all that is known of one connection, and what follows from it alone.

Which halves and estimators there are, what the handshake agreed on, the timers, the counts. Changes no state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from netif.wire.ip import format_address
from netif.wire.options import NO_OPTIONS, emit_syn
from netif.wire.tcp import FIN
from stack.endpoint import Endpoint
from stack.limits import LITTLE
from stack.seq import unwrap
from stack.tcp.autotuning import NEVER, Tuning
from stack.tcp.config import TcpConfig
from stack.tcp.congestion import CongestionControl
from stack.tcp.ecn import Ecn, agreed
from stack.tcp.emitter import Emitter
from stack.tcp.events import Hook
from stack.tcp.figures import Figures
from stack.tcp.handshake import DEFAULT_MSS, own_mss, peer_mss, window_shift
from stack.tcp.mtu import BASE, Search
from stack.tcp.receiver import Receiver
from stack.tcp.recovery import Recovery
from stack.tcp.rtt import RttEstimator
from stack.tcp.segment import Segment
from stack.tcp.sender import Sender
from stack.tcp.states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, State

if TYPE_CHECKING:
    from stack.routing import Route
    from stack.tcp.fastopen import Fast
    from stack.tcp.layer import Tcp
    from stack.tcp.listener import Listener
    from stack.tcp.urgent import Urgent

CHALLENGES = 10.0  # ACKs to what is not acceptable, at once (RFC 5961 7 suggests 10 in 5 seconds)
_USER_TIMEOUT = 300.0  # seconds; RFC 9293 3.9.1's default, which RFC 5482 advertises
_UNCONNECTED = (CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED)


class ControlBlock(Endpoint):
    __slots__ = (
        "acknowledge_at",
        "challenged_at",
        "challenges",
        "changeable",
        "charged",
        "config",
        "congestion",
        "counted",
        "deaf",
        "early",
        "ecn",
        "emitter",
        "fast",
        "figures",
        "flow",
        "idle_at",
        "irs",
        "is_straight",
        "key",
        "last_ack_sent",
        "last_heard",
        "last_sent",
        "layer",
        "listener",
        "lone",
        "on_event",
        "orphan",
        "passive",
        "peer_mss",
        "probe_due",
        "probes",
        "probing",
        "progress_at",
        "quick",
        "read_shut",
        "receive_room",
        "receiver",
        "recovery",
        "reset_owed",
        "retransmissions",
        "retransmit_at",
        "retries",
        "rto_at",
        "rtt",
        "sack",
        "said",
        "search",
        "send_room",
        "send_shift",
        "sender",
        "soft_error",
        "squeezed",
        "stamped",
        "state",
        "syn_owed",
        "syn_shift",
        "timeouts",
        "timestamp_base",
        "ts_recent",
        "ts_recent_at",
        "tune_at",
        "tuning",
        "urgent",
    )
    state: State
    config: TcpConfig
    sender: Sender
    receiver: Receiver
    congestion: CongestionControl
    ecn: Ecn | None
    orphan: bool
    stamped: bool
    ts_recent: int

    def __init__(
        self,
        layer: Tcp,
        local: tuple[bytes, int],
        remote: tuple[bytes, int],
        route: Route,
        config: TcpConfig,
        listener: Listener | None = None,
        iss: int | None = None,
    ) -> None:
        super().__init__(layer.stack)
        now = layer.stack.now
        self.layer = layer
        self.key = (*local, *remote)  # where the layer has it
        self.config = config
        self.listener = listener  # until it accepts
        self.state = LISTEN if listener is not None else CLOSED
        route.owner = self
        self.emitter = Emitter(layer.stack.ip, route, local[1], remote[1], config.ttl, config.tos)
        if iss is None:
            iss = config.initial_sequence
            if iss is None:
                iss = layer.numbers.choose(local, remote, now)
        # what the buffers may hold, unless all sockets together hold too much
        self.receive_room = config.first_receive_buffer()
        self.send_room = config.send_buffer or min(config.send_buffer_initial, config.send_buffer_max)
        self.tuning: Tuning | None = None
        self.tune_at = 0.0 if config.receive_buffer is None else NEVER  # when to look at the receive buffer again
        self.sender = Sender(iss, self.send_room, config.nodelay, layer.stack.limits.sacked_ranges)
        self.sender.cork = config.cork
        self.receiver = Receiver(self.receive_room, layer.max_ranges)
        self.recovery: Recovery | None = None  # until something seems to be lost
        self.rtt = RttEstimator(config.initial_rto, config.min_rto, config.max_rto)
        self.congestion = layer.unopened  # its own begins with the handshake's end
        self.ecn = None  # until both sides have agreed on it
        self.syn_shift = window_shift(config.largest_receive_buffer()) if config.window_scale else None
        self.send_shift = 0
        self.irs: int | None = None  # where the peer began
        self.peer_mss = DEFAULT_MSS
        self.stamped = False  # both sides send timestamps
        self.sack = False  # both sides acknowledge selectively
        self.timestamp_base = layer.numbers.timestamp_base
        self.ts_recent = 0  # 32 bits: the timestamp to echo
        self.ts_recent_at = now
        self.last_ack_sent = 0
        self.challenges = CHALLENGES  # that were left at `challenged_at`
        self.challenged_at = now
        self.last_heard = now
        self.last_sent = now
        self.progress_at = now  # when the peer last acknowledged anything new
        self.retransmit_at: float | None = None  # what is due by then: see output
        self.rto_at: float | None = None  # when the retransmission timer itself expires; None: to be started anew
        self.probe_due = False  # `retransmit_at` is the time of a loss probe
        self.lone = False  # and late, for one segment alone is in flight
        self.acknowledge_at: float | None = None
        self.idle_at: float | None = None
        self.retries = 0  # time-outs in a row without progress
        self.probes = 0  # keep-alives in a row without a sign of life
        self.probing = False  # a closed window is being asked
        self.syn_owed = False
        self.reset_owed = False
        self.orphan = False  # the application has closed it
        self.read_shut = False  # the application wants no more data
        self.deaf = False  # and has said its last word, or has closed it: more data has no reader
        self.changeable = config.user_timeout_option and config.user_timeout is None  # by the peer (RFC 5482 3)
        self.counted = False  # among the layer's orphans
        self.passive = listener is not None
        self.charged = 0  # bytes counted with the layer
        self.squeezed = False  # all sockets together hold too much
        self.fast: Fast | None = None  # while the handshake lasts (RFC 7413)
        self.urgent: Urgent | None = None  # made when there is some
        self.early: Segment | None = None  # what came with the peer's SYN, before there was a connection
        self.soft_error: OSError | None = None  # what ICMP said; told when nothing else can be (RFC 9293 3.9.2.2)
        self.search: Search | None = None  # for what the path carries
        self.retransmissions = 0
        self.timeouts = 0
        self.quick = config.quickack  # segments yet to be acknowledged at once (Linux: quickack mode)
        self.is_straight = False  # nothing is out of the ordinary, so that the fast path may be tried
        self.said = 0  # ack, flags and window of the last segment that took it
        self.flow = b""  # under which the layer has it in `flows`, or empty
        self.figures = Figures(now)
        self.on_event: Hook | None = (listener and listener.on_event) or layer.stack.tcp_events

    @property
    def local(self) -> tuple[bytes, int]:
        return self.key[:2]

    @property
    def remote(self) -> tuple[bytes, int]:
        return self.key[2:]

    def __repr__(self) -> str:
        here, there = (f"{format_address(address)}:{port}" for address, port in (self.local, self.remote))
        arrow = "<-" if self.passive else "->"
        return f"<Connection {here} {arrow} {there} {self.state.value}>"

    def connected(self) -> bool:
        """The handshake is done."""
        return self.state not in _UNCONNECTED

    def syn_arrived(self, segment: Segment, now: float) -> None:
        """The peer's SYN: where it begins, and what its options make of our offer."""
        options = segment.options
        self.irs = segment.seq
        self.receiver.start(segment.seq + 1, min(self.receiver.capacity, 0xFFFF))
        if options.window_scale is None or self.syn_shift is None:
            self.syn_shift = None
            self.receiver.scale(0)
        else:
            self.receiver.scale(self.syn_shift)
            self.send_shift = options.window_scale
        if options.timestamp is not None and self.config.timestamps:
            self.stamped = True
            self.emitter.stamp()
            self.ts_recent = options.timestamp[0]
            self.ts_recent_at = now
        if self.state is LISTEN:
            self.ecn = Ecn() if self.config.ecn != "off" and agreed(segment.flags) else None
        elif not agreed(segment.flags):
            self.ecn = None
        self.sack = self.receiver.sack = options.sack_permitted and self.config.sack
        if self.changeable and options.user_timeout is not None:
            self.adopt_user_timeout(options.user_timeout)
        self.peer_mss = peer_mss(options)
        self.sender.snd_wnd = self.sender.max_window = segment.window
        self.measure()

    def advertised_user_timeout(self) -> int | None:
        """Seconds, for the option; None: it is off."""
        config = self.config
        if not config.user_timeout_option:
            return None
        return int(_USER_TIMEOUT if config.user_timeout is None else max(config.user_timeout, 1))

    def adopt_user_timeout(self, advised: int) -> None:
        """RFC 5482 3.1: as long as the peer wants, or we, within bounds."""
        lowest, highest = self.config.user_timeout_bounds
        ours = self.advertised_user_timeout() or 0
        self.config = attrs.evolve(self.config, user_timeout=min(highest, max(ours, advised, lowest)))

    def keep_early(self, segment: Segment) -> None:
        """RFC 9293 3.10.7.2 and .3: what else the peer's SYN brings waits for ESTABLISHED. It is not acknowledged until
        then, as in Linux (RFC 7413 1), so that a peer that asks again loses nothing."""
        if segment.length or segment.flags & FIN:
            payload = bytes(segment.payload[: self.receiver.mss])
            flags = segment.flags & FIN if len(payload) == segment.length else 0
            self.early = Segment(segment.seq + 1, 0, flags, 0, NO_OPTIONS, payload, len(payload), 0)

    def measure(self) -> None:
        """How large a segment may be, net of options: by the peer's word and by the path; what we take, by the link
        (RFC 9293 3.7.1, RFC 6691)."""
        emitter = self.emitter
        route, size = emitter.route, len(self.key[0])
        options = emitter.header_length - 20
        mtu = route.mtu
        if self.config.mtu_probing == "always" and self.search is None:
            self.search = Search(BASE + 20 + emitter.header_length)
        if self.search is not None and self.search.low < mtu:
            mtu = self.search.low
        link = path = own_mss(self.config, route.interface.mtu, size)
        if mtu != route.interface.mtu:
            path = own_mss(self.config, mtu, size)
        emitter.template = None
        emitter.mss = self.sender.mss = max(min(self.peer_mss, path) - options, 1)
        self.receiver.mss = link - options

    def squeeze(self, pressed: bool) -> None:
        """Make do with little, or with the room there is. What was offered to the peer stays offered."""
        receiver = self.receiver
        self.is_straight = False
        self.squeezed = pressed
        room = self.receive_room
        if self.config.window_clamp is not None:
            room = min(room, self.config.window_clamp)
        if self.state is not SYN_SENT:  # there the scale is not agreed on
            room = min(room, 0xFFFF << receiver.shift)
        receiver.capacity = min(room, LITTLE) if pressed else room
        self.sender.capacity = min(self.send_room, LITTLE) if pressed else self.send_room

    def rerouted(self) -> None:
        """Addresses, links or routes have changed."""
        self.is_straight = False
        if self.stack.ip.renew(self.emitter.route) and self.connected():
            before = self.sender.mss
            self.measure()
            if self.sender.mss < before:  # RFC 1191 6.5: sent again at once, and no sign of congestion
                self.sender.lose_larger(self.sender.mss)
            self.congestion.mss = self.sender.mss
            self.congestion.cwnd = max(self.congestion.cwnd, self.sender.mss)

    def syn_options(self, timestamp: tuple[int, int] | None) -> bytes:
        config = self.config
        mss = own_mss(config, self.emitter.route.interface.mtu, len(self.key[0]))
        sack = self.sack if self.state is SYN_RECEIVED else config.sack
        scale, uto = self.syn_shift, self.advertised_user_timeout() if self.fast is None else None  # no room for both
        said = emit_syn(mss=mss, window_scale=scale, sack_permitted=sack, timestamp=timestamp, user_timeout=uto)
        return said if self.fast is None else said + emit_syn(fast_open=self.fast.cookie)

    def sample_echo(self, timestamp: tuple[int, int] | None, now: float) -> None:
        """A round trip measured by the timestamp that the peer echoes (RFC 7323 4.1)."""
        echo = self.echo(timestamp, now)
        if echo is not None:
            self.rtt.sample((int(now * 1000) - echo) / 1000, now)

    def echo(self, timestamp: tuple[int, int] | None, now: float) -> int | None:
        """When, in milliseconds of our clock, the segment was sent whose timestamp the peer echoes."""
        if timestamp is None or not timestamp[1]:
            return None
        clock = int(now * 1000)
        at = unwrap(timestamp[1], clock + self.timestamp_base) - self.timestamp_base
        return at if 0 <= clock - at <= 1000 * self.config.max_rto else None

    @property
    def fast_retransmits(self) -> int:
        """Losses that ACKs told of."""
        return 0 if self.recovery is None else self.recovery.entered

    def mend(self) -> Recovery:
        """The recovery; made when it is first asked for."""
        recovery = self.recovery
        if recovery is None:
            recovery = self.recovery = Recovery(self.sack, self.sender.snd_una, self.rtt.latest)
        return recovery

    def restart(self, seconds: float, now: float) -> None:
        """Nothing new was sent for so long: is the window still what it was? (RFC 5681 4.1)"""
        rto = self.rtt.rto
        if seconds > rto:
            self.congestion.idle(seconds, rto if self.config.idle_restart else math.inf, now)

    def probe_answered(self) -> None:
        """An ACK came while a closed window was being probed (RFC 9293 MUST-37: that is no reason to give up)."""
        if not self.orphan:
            self.retries = 0
        sender = self.sender
        if sender.snd_wnd > 0:
            self.probing = False
            self.rtt.restore()
            self.restart(self.stack.now - self.progress_at, self.stack.now)
            if sender.in_flight:
                sender.lose_all()  # the probe was refused
            self.retransmit_at = self.rto_at = None
