"""A passive open (RFC 9293 3.10.1): takes SYNs, and hands on the connections that have completed their handshake.

`backlog` is listen(2)'s: how many completed connections may wait for `accept`; it is asked when a SYN comes and again
when the handshake ends. Half-open ones are bounded by the layer's SYN table, of which each listener is sure of its
share; what finds no place there is answered by a cookie (`cookies`), unless the listener's settings forbid it.
"""

from __future__ import annotations

from collections import deque
from errno import EADDRINUSE
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Waiter
from netif.wire.ip import format_address
from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.endpoint import Endpoint, Onlooker
from stack.failure import failure
from stack.tcp import fastopen, half_open, sharing
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.fastopen import Pending
from stack.tcp.states import CLOSED, LISTEN, State

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.tcp.events import Hook
    from stack.tcp.layer import Tcp
    from stack.tcp.segment import Segment


ListenerKey: TypeAlias = tuple[bytes, int] | tuple[bytes, int, str]


def key_of(local: tuple[bytes, int], interface: Interface | None) -> ListenerKey:
    """Where the layer keeps a listener. An interface counts by its if_key, for its netif may be started anew."""
    return local if interface is None else (*local, interface.name)


class Listener(Endpoint):
    __slots__ = (
        "backlog",
        "config",
        "half_open",
        "here",
        "interface",
        "layer",
        "local",
        "mates",
        "on_event",
        "pending",
        "pressed_at",
        "queue",
        "shares",
        "state",
    )

    def __init__(
        self,
        layer: Tcp,
        local: tuple[bytes, int],
        backlog: int,
        config: TcpConfig,
        interface: Interface | None = None,
        shares: bool = False,
    ) -> None:
        super().__init__(layer.stack)
        self.layer = layer
        self.local = local
        self.interface = interface  # the one it is bound to
        self.shares = shares  # others may listen here as well, which do so too
        self.mates: list[Listener] | None = None  # those that do, this one among them
        self.backlog = backlog
        self.config = config
        self.state: State = LISTEN
        self.queue: deque[Connection] = deque()  # open, and not yet accepted
        self.on_event: Hook | None = None  # of the connections that come; None: the stack's
        self.here = local  # our end of the connection that came last
        self.half_open: dict[Connection, None] = {}
        self.pending: Pending | None = None
        self.pressed_at: float | None = None  # when a SYN last got a cookie: for a while, what answers one is believed

    def __repr__(self) -> str:
        return f"<Listener {format_address(self.local[0])}:{self.local[1]} {self.state.value}>"

    @property
    def key(self) -> ListenerKey:
        return key_of(self.local, self.interface)

    def shared(self, local: tuple[bytes, int]) -> tuple[bytes, int]:
        """The same, but one object for all connections that come to it."""
        if local != self.here:
            self.here = local
        return self.here

    def bind_device(self, interface: Interface | None) -> None:
        """From now on listen on this interface alone; None: on all. OSError(EADDRINUSE)."""
        listeners, key = self.layer.listeners, key_of(self.local, interface)
        if listeners.get(key, self) is not self:
            raise failure(EADDRINUSE)
        sharing.leave(self)
        self.interface = interface
        sharing.enter(self)

    def readable(self) -> bool:
        return bool(self.queue) or self.state is CLOSED

    def writable(self) -> bool:
        return self.state is CLOSED

    def wake_readers(self) -> None:
        """One for each connection, whoever came last first: it is the thread that leads, and wakes for nothing."""
        waiters = self.readers
        if self.state is CLOSED or waiters is None:
            super().wake_readers()
            return
        takers = len(self.queue)
        while waiters and takers > 0:
            waiter = waiters.pop()
            waiter.wake()
            takers -= not isinstance(waiter, Onlooker)
        if not waiters:
            self.readers = None

    def forget(self, waiter: Waiter) -> None:
        super().forget(waiter)
        if self.queue:
            self.stack.owe(self)  # it may have been woken, and gone without what it was woken for

    def full(self) -> bool:
        return len(self.queue) > self.backlog  # as in Linux, one more than it says

    def accept(self) -> Connection | None:
        """The next open connection; None if it would block."""
        if not self.queue:
            return None
        connection = self.queue.popleft()
        if connection in self.half_open:
            half_open.leave(self, connection)  # it was handed out before it was open
        connection.listener = None
        return connection

    def segment_arrives(
        self, local: tuple[bytes, int], remote: tuple[bytes, int], segment: Segment, iss: int | None = None
    ) -> None:
        """RFC 9293 3.10.7.2; `iss` where an earlier connection's sequence numbers must not come again."""
        flags = segment.flags
        stack = self.stack
        if self.mates is not None and (mate := sharing.chosen(self, remote)) is not self:
            mate.segment_arrives(local, remote, segment, iss)
        elif flags & (RST | ACK | SYN) == ACK:
            if not half_open.take_cookie(self, local, remote, segment):
                stack.drop("tcp_no_connection", self)
                self.layer.refuse(local, remote, segment)
        elif flags & (RST | ACK):
            stack.drop("tcp_no_connection", self)
            self.layer.refuse(local, remote, segment)
        elif flags & (SYN | FIN) != SYN:  # a connection that ends before it begins: as Linux, and no scanner sees us
            stack.drop("tcp_no_connection", self)
        elif self.full():
            stack.drop("tcp_backlog_full", self)
        elif iss is None and half_open.wants_cookie(self):
            half_open.give_cookie(self, local, remote, segment)
        elif not half_open.make_room(self):
            stack.drop("syn_table_full", self)
        else:
            connection = self.layer.create(local, remote, self.config, self, iss)
            if connection is not None:
                connection.syn_arrived(segment, self.stack.now)
                if fastopen.believes(self, connection, segment):
                    self.queue.append(connection)
                    self.stack.owe(self)
                else:
                    connection.keep_early(segment)
                connection.open()

    def take(self, connection: Connection) -> bool:
        """A handshake is complete. False: there is no room, the peer must say so again."""
        early = connection.fast is not None and connection.fast.pending is not None  # it is in the queue
        if not early and self.full():
            self.stack.drop("tcp_backlog_full", self)
            return False
        half_open.leave(self, connection)
        if not early:
            self.queue.append(connection)
            self.stack.owe(self)
        return True

    def close(self) -> None:
        """Nobody will accept any more: whatever came for us is refused."""
        if self.state is CLOSED:
            return
        self.state = CLOSED
        self.layer.unlisten(self)
        for connection in dict.fromkeys((*self.half_open, *self.queue)):
            connection.abort()
            connection.listener = None
        self.half_open.clear()
        self.queue.clear()
        self.stack.owe(self)

    def abort(self, error: OSError | None = None) -> None:
        self.close()
        self.error = error
