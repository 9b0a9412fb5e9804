"""What UDP's and raw sockets have in common: a bounded queue of what arrived, and how what is sent is to look.

Each of the queue costs its bytes and an overhead, by the socket's own limit and by the stack's memory; when that runs
short, each socket keeps little. Knows neither ports nor protocols: the sockets do.
"""

from __future__ import annotations

from collections import deque
from errno import EACCES, EBADF
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from stack.endpoint import Endpoint
from stack.failure import failure
from stack.limits import LITTLE
from stack.multicast import is_multicast
from stack.path_mtu import WANT
from stack.subscriptions import Subscriptions

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.routing import Route
    from stack.stack import Stack

Item = TypeVar("Item", bound=tuple[Any, ...])  # its bytes come first

_OVERHEAD = 256  # what a queued item costs beside its bytes
_SLACK = 2048  # bytes by which what is charged to the stack's memory may be wrong, so that few arrivals charge any


class Mailbox(Endpoint, Generic[Item]):
    __slots__ = (
        "_charged",
        "_queue",
        "_queued_bytes",
        "_route",
        "broadcast",
        "closed",
        "discover",
        "groups",
        "interface",
        "options",
        "queue_limit",
        "tos",
        "ttl",
        "wants",
    )
    queue_full: ClassVar[str]  # the reason to drop what is beyond the limit
    remote: Any  # false unless it is connected

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.interface: Interface | None = None  # the one it is bound to
        self.broadcast = False  # may send to broadcast addresses
        self.discover = WANT  # IP_MTU_DISCOVER
        self.groups: Subscriptions | None = None  # what it has to do with multicast
        self.options = b""  # IP options that its packets bear
        self.ttl = 64
        self.tos = 0
        self.wants = 0  # what recvmsg is to tell beside the data, in bits that the socket knows
        self.queue_limit: int = stack.limits.udp_queue_bytes
        self.closed = False
        self._route: Route | None = None  # to where the last one went
        self._queue: deque[Item] | None = None
        self._queued_bytes = 0
        self._charged = 0  # of them, to the stack's memory

    def take(self) -> Item | None:
        """The oldest; None: would block. OSError: a pending error."""
        if self.error is not None or self.closed:
            self._check()
        queue = self._queue
        if not queue:
            return None
        item = queue.popleft()
        left = self._queued_bytes = self._queued_bytes - len(item[0]) - _OVERHEAD
        if self._charged and (not queue or left + _SLACK < self._charged):
            self._charge(left)
        return item

    def first(self) -> Item | None:
        """The oldest, which stays; None: would block. OSError: a pending error."""
        self._check()
        return self._queue[0] if self._queue else None

    def readable(self) -> bool:
        return bool(self._queue) or self.error is not None or self.closed

    def writable(self) -> bool:
        """If not, its flush follows when there is room, whoever filled the link."""
        route = self._route
        blocked = route is not None and route.interface.blocked
        if route is not None and blocked:
            route.interface.waiting[self] = None
        if self.groups is not None and self.groups.blocked():
            blocked = True
        return not blocked or self.error is not None or self.closed

    def unreachable(self, error: OSError) -> None:
        if self.remote:
            self.error = error
            self.stack.owe(self)

    def close(self) -> None:
        if not self.closed:
            if self.groups is not None:
                self.groups.close()
            self._leave()
            self.closed = True
            self._queue = None
            self._charge(0)
            self._queued_bytes = 0
            self.stack.owe(self)

    def multicast(self) -> Subscriptions:
        """What it hears of groups and how it sends to them, from now on if not before. OSError(EBADF): closed."""
        if self.closed:
            raise failure(EBADF)
        if self.groups is None:
            self.groups = Subscriptions(self)
        return self.groups

    def abort(self, error: OSError) -> None:
        self.close()
        super().abort(error)

    def bind_device(self, interface: Interface | None) -> None:
        """Send and hear by this interface alone, also when its netif is started anew; None: by any."""
        self.interface = interface
        self._route = None
        self.reshaped()

    def allow_broadcast(self, allowed: bool) -> None:
        """SO_BROADCAST. The way to where it is connected was checked when it was connected."""
        self.broadcast = allowed
        if self.remote is None:
            self._route = None
            self.reshaped()

    def reshaped(self) -> None:
        """What is sent from now on looks, or goes, otherwise."""

    # what a subclass knows

    def _leave(self) -> None:
        """Nothing is to arrive any more."""
        raise NotImplementedError

    def _source(self) -> bytes:
        """The address to send from; all zero, or empty: whichever fits."""
        raise NotImplementedError

    # what it uses

    def keep(self, item: Item) -> None:
        """Queue what has arrived, if there is room."""
        stack = self.stack
        queued = self._queued_bytes + len(item[0]) + _OVERHEAD
        if queued > self.queue_limit:
            stack.drop(self.queue_full, self)
            return
        if stack.memory.pressed and queued - _OVERHEAD > LITTLE:
            stack.drop("socket_memory_full", self)
            return
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.append(item)
        self._queued_bytes = queued
        if queued > self._charged + _SLACK:
            self._charge(queued)
        if self not in stack.dirty:
            stack.owe(self)

    def _charge(self, held: int) -> None:
        change, self._charged = held - self._charged, held
        self.stack.memory.charge(change)

    def _check(self) -> None:
        if self.error is not None:
            error = self.take_error()
            assert error is not None
            raise error
        if self.closed:
            raise failure(EBADF)

    def _find(self, address: bytes) -> Route:
        ip = self.stack.ip
        source = self._source()
        src = source if any(source) and not ip.is_group(source) else None
        if is_multicast(address):
            return self.multicast().route(address, src)
        route = ip.route(address, src, self.interface)
        if not self.broadcast and ip.is_broadcast(address):
            raise failure(EACCES)
        route.owner = self
        return route
