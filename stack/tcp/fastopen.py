"""TCP Fast Open (RFC 7413): data on the SYN, for whoever shows a cookie that it was given before. Off by default.

The cookie proves that the client can be reached at its address; it holds nothing, and wears out in a day or two. What a
client was given it remembers for a bounded number of servers. Of a listener's requests that nobody has confirmed by an
ACK no more may be pending than it says, and those that ended in a RST count for a while (RFC 7413 5.1).
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from netif.blake2 import blake2s
from netif.link import Buffer, Dice
from stack.failure import failure
from stack.tcp.handshake import DEFAULT_MSS, own_mss
from stack.tcp.transmission import take

if TYPE_CHECKING:
    from stack.stats import Stats
    from stack.tcp.connection import Connection
    from stack.tcp.listener import Listener
    from stack.tcp.segment import Segment

COOKIE = 8  # bytes
PERIOD = 86400.0  # seconds; a cookie is good in the period in which it was given and in the next
_REMEMBERED = 60.0  # seconds for which a request that ended in a RST counts
_OPTIONS = 40  # bytes of a SYN's header that may be options


class FastOpen:
    """One host's: the cookies that it gives, and those that it was given."""

    __slots__ = ("_given", "_limit", "_secret", "_stats")

    def __init__(self, dice: Dice, limit: int, stats: Stats) -> None:
        self._stats = stats
        self._secret = dice.randbytes(16)
        self._limit = limit
        self._given: dict[bytes, tuple[bytes, int]] = {}  # by the server's address: its cookie and segment size

    def cookie(self, client: bytes, server: bytes, now: float, age: int = 0) -> bytes:
        text = b"%b%b%d" % (client, server, int(now / PERIOD) - age)
        return blake2s(text, digest_size=COOKIE, key=self._secret).digest()

    def valid(self, cookie: bytes, client: bytes, server: bytes, now: float) -> bool:
        return cookie in (self.cookie(client, server, now), self.cookie(client, server, now, 1))

    def remember(self, server: bytes, cookie: bytes, mss: int) -> None:
        given = self._given
        given.pop(server, None)
        given[server] = (cookie, mss)
        if len(given) > self._limit:
            del given[next(iter(given))]
            self._stats.count("fast_open_forgotten")

    def forget(self, server: bytes) -> None:
        self._given.pop(server, None)

    def recall(self, server: bytes) -> tuple[bytes, int] | None:
        return self._given.get(server)


class Pending:
    """A listener's requests that were believed and are not confirmed."""

    __slots__ = ("_resets", "count")

    def __init__(self) -> None:
        self.count = 0
        self._resets: deque[float] = deque()  # until when each counts

    def room(self, limit: int, now: float) -> bool:
        resets = self._resets
        while resets and resets[0] <= now:
            resets.popleft()
        return self.count + len(resets) < limit

    def reset(self, now: float) -> None:
        self._resets.append(now + _REMEMBERED)


class Fast:
    """What a handshake has to do with it, while it lasts."""

    __slots__ = ("cookie", "irs", "pending", "sent")

    def __init__(self, cookie: bytes | None, irs: int = 0, pending: Pending | None = None) -> None:
        self.cookie = cookie  # what our SYN says; empty: may I have one?
        self.irs = irs
        self.pending = pending  # the data on the peer's SYN was believed
        self.sent = 0  # bytes of ours that went with the SYN


# the server


def believes(listener: Listener, connection: Connection, segment: Segment) -> bool:
    """Is the data on this SYN for the application at once? If not, the SYN-ACK may bring the cookie for next time."""
    cookie, config = segment.options.fast_open, listener.config
    if cookie is None or not (config.fast_open and config.fast_open_queue):
        return False
    layer, now = listener.layer, listener.stack.now
    client, server = connection.remote[0], connection.local[0]
    if not layer.fast_open.valid(cookie, client, server, now):
        if cookie:
            listener.stack.stats.count("fast_open_refused")
        connection.fast = Fast(layer.fast_open.cookie(client, server, now))
        return False
    pending = listener.pending
    if pending is None:
        pending = listener.pending = Pending()
    if not pending.room(config.fast_open_queue, now):
        listener.stack.stats.count("fast_open_full")
        return False
    pending.count += 1
    connection.fast = Fast(None, segment.seq, pending)
    receiver = connection.receiver
    receiver.text(segment.seq + 1, bytes(segment.payload), False, 0)
    receiver.owed = 0  # the SYN-ACK says it
    listener.stack.stats.count("fast_open_accepted")
    return True


# the client


def begin(connection: Connection, data: Buffer) -> None:
    """Before its SYN: take as much of `data` as goes with it; none, if the server has given no cookie yet."""
    remembered = connection.layer.fast_open.recall(connection.remote[0])
    if remembered is None:
        connection.fast = Fast(b"")
        return
    cookie, mss = remembered
    connection.fast = Fast(cookie)
    ours = own_mss(connection.config, connection.emitter.route.mtu, len(connection.local[0]))
    connection.sender.write(memoryview(data)[: max(min(mss or DEFAULT_MSS, ours) - _OPTIONS, 0)])


def rides(connection: Connection, again: bool) -> tuple[Buffer, ...]:
    """What goes with our SYN. With one that is sent again nothing does: something on the path may not bear it."""
    fast, sender = connection.fast, connection.sender
    assert fast is not None
    if again:
        fast.cookie = None
        return ()
    if not fast.cookie or sender.unsent is None:
        return ()
    fast.sent = sender.unsent_bytes
    return tuple(bytes(part) for part in take(tuple(sender.unsent), fast.sent))


# both


def established(connection: Connection, segment: Segment) -> None:
    fast, sender = connection.fast, connection.sender
    assert fast is not None
    connection.fast = None
    if fast.pending is not None:
        fast.pending.count -= 1
        return
    if connection.passive:
        return
    arrived = min(max(segment.ack - sender.snd_una, 0), fast.sent)
    sender.went_before(arrived)
    given, known = segment.options.fast_open, connection.layer.fast_open
    if given:
        known.remember(connection.remote[0], given, connection.peer_mss)
    elif fast.sent and not arrived and connection.retransmissions:
        known.forget(connection.remote[0])


def reset(connection: Connection) -> OSError | None:
    """Half open, it was reset: what the application is told, if it has heard of it."""
    fast = connection.fast
    if fast is None or fast.pending is None:
        return None
    fast.pending.reset(connection.stack.now)
    return failure(errno.ECONNRESET)


def failed(connection: Connection) -> None:
    """It ended before it was open."""
    fast, connection.fast = connection.fast, None
    if fast is not None and fast.pending is not None:
        fast.pending.count -= 1
