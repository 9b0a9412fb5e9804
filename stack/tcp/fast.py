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
from netif.wire import Malformed
from netif.wire.checksum import partial_sum
from netif.wire.tcp import PROTOCOL
from stack.tcp import arrival
from stack.tcp.segment import kept
from stack.tcp.sender import OPEN
from stack.tcp.states import ESTABLISHED

if TYPE_CHECKING:
    from stack.stack import Stack
    from stack.tcp.connection import Connection
    from stack.tcp.layer import Tcp

_HEADERS = Struct("!III12sIIHH")  # IPv4 in words, the addresses and ports as one; TCP from seq to window
_TIMESTAMP = Struct("!III")  # NOP NOP 8 10, TSval, TSecr
_FLOW = Struct("!4s4sHH")  # src, dst, sport, dport, as they come in
_NOP_NOP_TIMESTAMP = 0x0101080A
_LOOPBACK_NET, _GROUPS = 127, 224
_MASK, _HALF = 0xFFFFFFFF, 0x80000000


def straight(connection: Connection) -> bool:
    """Nothing is out of the ordinary: what comes next is text in order, or an ACK, and what is sent is new data."""
    sender, receiver, recovery = connection.sender, connection.receiver, connection.recovery
    return (
        connection.state is ESTABLISHED
        and connection.config.fast_path
        and sender.board is None
        and sender.fin == OPEN
        and receiver.reassembly is None
        and receiver.fin_at is None
        and receiver.reports is None
        and (recovery is None or recovery.calm)
        and connection.urgent is None
        and connection.ecn is None
        and connection.search is None
        and not (connection.deaf or connection.squeezed or connection.probing)
        and connection.on_event is None
        and connection.stack.trace is None
    )


def settle(connection: Connection) -> None:
    """At the end of a flush: may the fast path be tried?"""
    if straight(connection) and (connection.flow or _enter(connection)):
        connection.is_straight = True


def _enter(connection: Connection) -> bool:
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
    """It is no longer ESTABLISHED."""
    connection.is_straight = False
    connection.layer.flows.pop(connection.flow, None)
    connection.flow = b""


def readdressed(layer: Tcp) -> None:
    """Other addresses are ours: each connection has to see whether they still are its own."""
    for connection in layer.flows.values():
        connection.is_straight = False
        connection.flow = b""
    layer.flows.clear()


def arrives(stack: Stack, frame: Buffer, at: int, offload: Offload | None) -> bool:
    """A packet to our own link-layer address, IP from `at` on. True: that was all; False: nothing has happened."""
    if len(frame) < at + 40 or stack.trace is not None:
        return False
    first, second, third, flow, seq, ack, offset_flags, window = _HEADERS.unpack_from(frame, at)
    connection = stack.tcp.flows.get(flow)
    if connection is None or not connection.is_straight or connection.on_event is not None:
        return False
    # IPv4 without options, not a fragment, TCP, whole, its header's checksum right
    end = at + (first & 0xFFFF)
    if first >> 24 != 0x45 or second & 0x3FFF or third & 0xFF0000 != PROTOCOL << 16 or end > len(frame):
        return False
    pseudo = connection.emitter.pseudo  # the sum of the addresses and the protocol
    if (first + second + third + pseudo - PROTOCOL) % 65535:
        return False
    # ACK, perhaps PSH, and no options but what was agreed on; PAWS (RFC 7323 5.3 R1)
    timestamp: tuple[int, int] | None = None
    if connection.stamped:
        start = at + 52
        if offset_flags | 8 != 0x8018 or end < start:
            return False
        kind, tsval, tsecr = _TIMESTAMP.unpack_from(frame, at + 40)
        if kind != _NOP_NOP_TIMESTAMP or (tsval - connection.ts_recent) & _MASK >= _HALF:
            return False
        timestamp = tsval, tsecr
    else:
        start = at + 40
        if offset_flags | 8 != 0x5018 or end < start:
            return False
    # in order, in the window, and acknowledging nothing that was not sent (RFC 5961 5.2)
    sender, receiver = connection.sender, connection.receiver
    rcv_nxt, una = receiver.rcv_nxt, sender.snd_una
    length, acked = end - start, (ack - una) & _MASK
    if seq != rcv_nxt & _MASK or length > receiver.edge - rcv_nxt or acked > sender.snd_nxt - una:
        return False
    window <<= connection.send_shift
    if not (acked or length or connection.sack or window != sender.snd_wnd or sender.in_flight is None):
        return False  # a duplicate (RFC 5681 2)
    gso_size = 0
    if offload is None or offload.checksum == NONE:
        if (partial_sum(frame[at + 20 : end]) + pseudo + end - at - 20) % 65535:
            raise Malformed("tcp_checksum")
    else:
        gso_size = offload.gso_size

    now = stack.now
    stack.current = connection
    stack.owe(connection)
    stack.tcp.fast_in += 1
    connection.last_heard = now
    connection.probes = 0
    figures = connection.figures
    figures.frames_in += 1
    if timestamp is not None and rcv_nxt == connection.last_ack_sent:  # RFC 7323 5.3 R3
        connection.ts_recent = timestamp[0]
        connection.ts_recent_at = now
    if acked:
        arrival.new_data_acknowledged(connection, una + acked, acked, timestamp, now)
        if now >= figures.rate_at + connection.rtt.latest:
            figures.sample(connection, now)
    sender.window_update(rcv_nxt, una + acked, window)
    if length:
        arrival.data_arrived(connection, length, gso_size, timestamp, now)
        receiver.in_order(kept(frame, end - length, end), length, gso_size)
    return True
