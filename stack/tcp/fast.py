"""The fast path in: a segment in order on a connection where nothing is out of the ordinary, from the IP header on.

It does what `ip`, `layer` and `arrival` would, in the same order, and nothing that they would not: whatever it is not
sure of it leaves to them, untouched. `straight` says on which connections it may be tried. That is found out at the end
of a flush, and whatever could make one of its claims false takes `is_straight` away at once. Known as header prediction
(Van Jacobson 1990).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import NONE, Buffer, Offload
from netif.wire.checksum import partial_sum
from netif.wire.tcp import PROTOCOL, PSH
from stack.seq import MASK
from stack.tcp import arrival, autotuning, known
from stack.tcp.known import BUT_TOS, FIVE_WORDS, FRAGMENT_PROTOCOL, WHOLE_TCP
from stack.tcp.segment import kept
from stack.tcp.sender import QUEUED
from stack.tcp.states import ESTABLISHED, FIN_WAIT_1

if TYPE_CHECKING:
    from stack.stack import Stack
    from stack.tcp.connection import Connection
    from stack.tcp.layer import Tcp

_HEADERS = Struct("!IQ12sIQ")  # IP: its first word, two more, the addresses, with TCP's ports; seq; ack to window
_TIMESTAMP = Struct("!III")  # NOP NOP 8 10, TSval, TSecr
_FLOW = Struct("!4s4sHH")  # src, dst, sport, dport, as they come in
_NOP_NOP_TIMESTAMP = 0x0101080A
_OFFSET_FLAGS, _PSH = 0xFFFF0000, PSH << 16  # of ack to window
# ACK and PSH; the topmost bit is in no segment, so that whatever the first one says is news
_BARE, _STAMPED = 0x1_00000000_50180000, 0x1_00000000_80180000
_LOOPBACK_NET, _GROUPS = 127, 224
_HALF = 1 << 31


def straight(connection: Connection) -> bool:
    """Nothing is out of the ordinary: what comes next is text in order, or an ACK, and what is sent is new data. That
    holds too while a FIN waits for its turn behind such data."""
    sender, receiver, recovery = connection.sender, connection.receiver, connection.recovery
    return (
        (connection.state is ESTABLISHED or (connection.state is FIN_WAIT_1 and sender.fin == QUEUED))
        and connection.config.fast_path
        and sender.board is None
        and receiver.reassembly is None
        and receiver.fin_at is None
        and receiver.reports is None
        and (recovery is None or recovery.calm)
        and connection.urgent is None
        and connection.ecn is None
        and connection.search is None
        and not (connection.squeezed or connection.probing)
        and not connection.probes
        and sender.snd_wl1 <= receiver.rcv_nxt
        and not connection.quick
        and connection.on_event is None
        and connection.stack.trace is None
    )


def settle(connection: Connection) -> None:
    """At the end of a flush: may the fast path be tried?"""
    if straight(connection) and (connection.flow or enter(connection)):
        connection.is_straight = True
        connection.said = _STAMPED if connection.stamped else _BARE


def enter(connection: Connection) -> bool:
    """Its segments are found by their flow from now on. False: between these addresses IP takes nothing from a link."""
    (local, lport), (remote, rport) = connection.local, connection.remote
    ip = connection.stack.ip
    if local not in ip.local or len(remote) != 4 or remote[0] >= _GROUPS or remote[0] == _LOOPBACK_NET:
        return False
    if ip.is_never_a_source(remote):
        return False
    connection.flow = _FLOW.pack(remote, local, rport, lport)
    connection.layer.flows[connection.flow] = connection
    return True


def leave(connection: Connection) -> None:
    """The layer knows it no longer, or by another name."""
    connection.is_straight = False
    layer = connection.layer
    layer.flows.pop(connection.flow, None)
    layer.templates.forget(connection.emitter)
    connection.flow = b""


def readdressed(layer: Tcp) -> None:
    """Other addresses are ours: each connection has to see whether they still are its own."""
    for connection in layer.flows.values():
        connection.is_straight = False
        connection.flow = b""
    layer.flows.clear()


def arrives(stack: Stack, frame: Buffer, at: int, offload: Offload | None) -> bool:
    """A packet to our own link-layer address, IP from `at` on. True: that was all; False: nothing has happened."""
    size = len(frame)
    if size < at + 40:
        return False
    first, middle, flow, seq, says = _HEADERS.unpack_from(frame, at)
    connection = stack.tcp.flows.get(flow)
    if connection is None:
        return False
    if not connection.is_straight or connection.on_event is not None or stack.trace is not None:
        return known.arrives(connection, frame, at, offload)

    # The IP header: five words, whole, no fragment, its checksum right
    end = at + (first & BUT_TOS) - FIVE_WORDS  # far off, where it is another version or length
    pseudo = connection.emitter.pseudo  # addresses and protocol
    if middle & FRAGMENT_PROTOCOL != WHOLE_TCP or (first + middle + pseudo) % 65535 != PROTOCOL:
        return False
    if connection.stamped:
        start = at + 52
        if not start <= end <= size:
            return False
        kind, tsval, tsecr = _TIMESTAMP.unpack_from(frame, at + 40)
        if kind != _NOP_NOP_TIMESTAMP or tsval - connection.ts_recent & _HALF:  # PAWS (RFC 7323 5.3 R1)
            return False
    else:
        start, tsval, tsecr = at + 40, 0, 0
        if not start <= end <= size:
            return False
    # In order and in the window
    receiver = connection.receiver
    rcv_nxt = receiver.rcv_nxt
    length = end - start
    if seq != rcv_nxt & MASK or rcv_nxt + length > receiver.edge or (length and connection.deaf):
        return False
    gso_size = 0
    if offload is None or offload.checksum == NONE:
        if (partial_sum(frame[at + 20 : end]) + pseudo + end - at - 20) % 65535:
            return False
    else:
        gso_size = offload.gso_size

    stack.current = connection
    now = stack.now
    says |= _PSH
    if (says != connection.said or not length) and not _hears(connection, says, length, (tsval, tsecr), now):
        return known.arrives(connection, frame, at, offload)
    stack.tcp.fast_in += 1
    stack.owe(connection)
    connection.last_heard = now
    if rcv_nxt == connection.last_ack_sent:  # RFC 7323 5.3 R3
        connection.ts_recent = tsval
        connection.ts_recent_at = now
    connection.sender.snd_wl1 = rcv_nxt
    figures = connection.figures
    if not length:
        figures.bare_in += 1
        return True
    if now >= connection.tune_at:
        autotuning.measure(connection, length, (tsval, tsecr), now)
    figures.data_at = now
    if gso_size:
        segments = -(-length // gso_size)
        figures.data_segs_in += segments
        receiver.owed += segments
    else:
        figures.data_segs_in += 1
        receiver.owed += 1 if length <= receiver.mss else -(-length // receiver.mss)
    receiver.append(kept(frame, start, end), length)
    receiver.rcv_nxt = rcv_nxt + length
    return True


def _hears(connection: Connection, says: int, length: int, timestamp: tuple[int, int], now: float) -> bool:
    """What the segment says is not what the one before said: an ACK of new data, another window. False: as above."""
    sender = connection.sender
    una, window = sender.snd_una, (says & 0xFFFF) << connection.send_shift
    acked = (says >> 32) - una & MASK
    if (says ^ connection.said) & _OFFSET_FLAGS or acked > sender.snd_nxt - una:  # RFC 5961 5.2
        return False
    if not (acked or length or connection.sack or window != sender.snd_wnd or sender.in_flight is None):
        return False  # a duplicate ACK (RFC 5681 2)
    connection.said = says
    if acked:
        una += acked
        arrival.new_data_acknowledged(connection, una, acked, timestamp, now)
        figures = connection.figures
        if now >= figures.rate_at + connection.rtt.latest:
            figures.sample(connection, now)
    sender.snd_wl2 = una
    if window != sender.snd_wnd:
        sender.snd_wnd = window
        if window > sender.max_window:
            sender.max_window = window
    return True
