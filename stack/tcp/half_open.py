"""Half-open connections of all listeners: who has a place in the SYN table, and what is done where there is none.

The table is bounded (RFC 4987 3.3). Whoever fills it, every other listener still gets its share of it; beyond that a
SYN is answered by a cookie, for which nothing is kept: the segment that completes the handshake brings all back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.wire import options
from netif.wire.tcp import ACK, ECE, SYN
from stack.seq import MASK
from stack.tcp import sharing
from stack.tcp.cookies import PERIOD, PERIODS, recall, remember
from stack.tcp.ecn import agreed
from stack.tcp.handshake import own_mss, peer_mss, window_shift
from stack.tcp.segment import Segment
from stack.tcp.states import SYN_RECEIVED

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.listener import Listener

Address = tuple[bytes, int]


def enter(listener: Listener, connection: Connection) -> None:
    listener.half_open[connection] = None
    listener.layer.half_open += 1


def leave(listener: Listener, connection: Connection) -> None:
    """It is open, or gone."""
    del listener.half_open[connection]
    listener.layer.half_open -= 1


def _share(listener: Listener) -> bool:
    """In a full table: has this listener less than its share of it?"""
    layer = listener.layer
    return len(listener.half_open) < layer.max_half_open // len(sharing.everyone(layer))


def make_room(listener: Listener) -> bool:
    """Is there a place for one more? In a full table the oldest of who has most gives way to who has too little."""
    layer = listener.layer
    if layer.half_open < layer.max_half_open:
        return True
    if not _share(listener):
        return False
    greediest = max(sharing.everyone(layer), key=lambda one: len(one.half_open))
    layer.stack.stats.count("half_open_evicted")
    next(iter(greediest.half_open)).drop(None)
    return True


def wants_cookie(listener: Listener) -> bool:
    mode = listener.config.syn_cookies
    if mode == "auto":
        layer = listener.layer
        return layer.half_open >= layer.max_half_open and not _share(listener)
    return mode == "always"


def give_cookie(listener: Listener, local: Address, remote: Address, segment: Segment) -> None:
    """Answer a SYN, and forget it."""
    layer, config, stack = listener.layer, listener.config, listener.stack
    route = stack.ip.route_back(remote[0], local[0])
    if route is None:
        return
    listener.pressed_at = stack.now
    theirs = segment.options
    iss = layer.cookies.make(local, remote, segment.seq, peer_mss(theirs), stack.now)
    flags = SYN | ACK
    mss = own_mss(config, route.interface.mtu, len(local[0]))
    if theirs.timestamp is not None and config.timestamps:
        scaled = config.window_scale and theirs.window_scale is not None
        said = options.emit_syn(
            mss=mss,
            window_scale=window_shift(config.largest_receive_buffer()) if scaled else None,
            sack_permitted=theirs.sack_permitted and config.sack,
            timestamp=(remember(layer.clock(), theirs, segment.flags), theirs.timestamp[0]),
        )
        if config.ecn != "off" and agreed(segment.flags):
            flags |= ECE
    else:
        said = options.emit_syn(mss=mss)
    stack.stats.count("syn_cookies_sent")
    window = min(config.first_receive_buffer(), 0xFFFF)
    layer.answer((*local, *remote), iss, segment.seq + 1 & MASK, flags, window, said)


def take_cookie(listener: Listener, local: Address, remote: Address, segment: Segment) -> bool:
    """Does this segment complete a handshake that we keep nothing of? Then it opens a connection.

    Asked only while cookies are about: else any ACK would cost two hashes, and could be a guess.
    """
    at, stack = listener.pressed_at, listener.stack
    if at is None or stack.now - at > PERIODS * PERIOD or listener.config.syn_cookies == "never":
        return False
    irs, iss = segment.seq - 1 & MASK, segment.ack - 1 & MASK
    mss = listener.layer.cookies.check(local, remote, irs, iss, stack.now)
    if mss is None:
        stack.stats.count("syn_cookies_failed")
        return False
    if listener.full():
        stack.drop("tcp_backlog_full", listener)  # the peer's next segment asks again
        return True
    connection = listener.layer.create(local, remote, listener.config, listener, iss)
    if connection is not None:
        stack.stats.count("syn_cookies_received")
        offered, flags = recall(segment.options, mss)
        connection.syn_arrived(Segment(irs, 0, SYN | flags, segment.window, offered, b"", 0, 0), stack.now)
        connection.sender.snd_nxt += 1
        connection.last_ack_sent = connection.receiver.rcv_nxt
        connection.become(SYN_RECEIVED)
        connection.segment_arrives(segment, stack.now)
        stack.owe(connection)
    return True
