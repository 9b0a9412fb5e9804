"""The ping socket: sends echo requests under one ident, and receives the replies and the errors about them.

What Linux calls SOCK_DGRAM with IPPROTO_ICMP. Times and statistics are the application's. RFC 792; RFC 1122 3.2.2.6.
"""

from __future__ import annotations

from collections import deque
from errno import EADDRINUSE, EADDRNOTAVAIL, EBADF, EDESTADDRREQ, EINVAL, EMSGSIZE
from typing import TYPE_CHECKING, NamedTuple

from netif.link import Buffer
from netif.wire import icmp
from netif.wire.ip import ICMP
from stack.endpoint import Endpoint
from stack.failure import failure
from stack.path_mtu import WANT, forbids_fragments

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.routing import Route
    from stack.stack import Stack

LARGEST = 65535 - 20 - icmp.HEADER_LENGTH  # bytes of payload


class Echo(NamedTuple):
    """What came back for one request."""

    kind: int  # icmp.ECHO_REPLY, or the error's type
    code: int
    address: bytes  # whoever answered
    sequence: int
    payload: bytes
    ttl: int  # of the reply; 0 with an error
    at: float  # the stack's time


class EchoEndpoint(Endpoint):
    __slots__ = ("_queue", "_route", "closed", "discover", "ident", "interface", "local", "remote", "tos", "ttl")

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.ident = 0  # 0: not bound
        self.local = b""  # empty: whichever address fits
        self.remote = b""  # connected: replies from elsewhere are not ours
        self.interface: Interface | None = None  # the one it is bound to
        self.ttl = 64
        self.tos = 0
        self.discover = WANT  # IP_MTU_DISCOVER
        self.closed = False
        self._route: Route | None = None
        self._queue: deque[Echo] | None = None

    def __repr__(self) -> str:
        return f"<EchoEndpoint {self.ident} of {self.stack.name}>"

    def bind(self, address: bytes = b"", ident: int = 0) -> None:
        """Take an ident, 0 for any that is free, and one of our addresses, empty or all zero for any."""
        sockets = self.stack.icmp.sockets
        if self.closed:
            raise failure(EBADF)
        if self.ident or not 0 <= ident <= 0xFFFF:
            raise failure(EINVAL)
        if any(address) and not self.stack.ip.is_local(address):
            raise failure(EADDRNOTAVAIL)
        if not ident:
            first = self.stack.dice.getrandbits(16)
            numbers = ((first + n) & 0xFFFF for n in range(0x10000))
            ident = next((n for n in numbers if n and n not in sockets), 0)
        if not ident or ident in sockets:
            raise failure(EADDRINUSE)
        self.ident = ident
        self.local = address if any(address) else b""
        sockets[ident] = self

    def connect(self, address: bytes) -> None:
        self._route = self._find(address)
        self.remote = address

    def bind_device(self, interface: Interface | None) -> None:
        """Send by this interface alone; None: by any."""
        self.interface = interface
        self._route = None

    def send_echo(self, sequence: int, payload: Buffer = b"", address: bytes | None = None) -> None:
        """One request, to `address` or to where it is connected. OSError: no route, EMSGSIZE, or a pending error."""
        if self.closed:
            raise failure(EBADF)
        if self.error is not None:
            raise self._pending()
        if address is None:
            address = self.remote
            if not address:
                raise failure(EDESTADDRREQ)
        if not self.ident:
            self.bind()
        route = self._route
        if route is None or route.dst != address or route.generation != self.stack.ip.generation:
            route = self._route = self._find(address)
        data = bytes(payload)
        if len(data) > LARGEST:
            raise failure(EMSGSIZE)
        message = icmp.emit(icmp.ECHO, 0, self.ident << 16 | sequence & 0xFFFF, data)
        df = forbids_fragments(self.discover, route, len(message) + 20)
        self.stack.ip.send(route, ICMP, message, (), len(message), ttl=self.ttl, tos=self.tos, df=df)

    def receive(self) -> Echo | None:
        """The oldest answer; None: would block. Raises a pending error."""
        if self._queue:
            return self._queue.popleft()
        if self.error is not None:
            raise self._pending()
        return None

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._queue = None
            self.stack.icmp.sockets.pop(self.ident, None)
            self.stack.owe(self)

    def path_mtu(self) -> int | None:
        """Of the way to where it is connected."""
        return self._find(self.remote).mtu if self.remote else None

    def takes(self, peer: bytes, local: bytes) -> bool:
        return self.remote in (b"", peer) and self.local in (b"", local)

    def arrived(self, kind: int, code: int, address: bytes, sequence: int, payload: bytes, ttl: int) -> None:
        stack = self.stack
        if self._queue is None:
            self._queue = deque()
        if len(self._queue) >= stack.limits.echo_queue:
            stack.drop("echo_queue_full", self)
            return
        self._queue.append(Echo(kind, code, address, sequence, payload, ttl, stack.now))
        stack.owe(self)

    def readable(self) -> bool:
        return bool(self._queue) or self.error is not None or self.closed

    def writable(self) -> bool:
        return True

    def unreachable(self, error: OSError) -> None:
        self.error = error
        self.stack.owe(self)

    def abort(self, error: OSError) -> None:
        self.close()
        super().abort(error)

    def _pending(self) -> OSError:
        error = self.take_error()
        assert error is not None
        return error

    def _find(self, address: bytes) -> Route:
        route = self.stack.ip.route(address, self.local or None, self.interface)
        route.owner = self
        return route
