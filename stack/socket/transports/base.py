"""What the transports of streams and of datagrams have in common: their socket, their protocol, and how they end.

Behaves as asyncio's selector transports (Lib/asyncio/selector_events.py), of whose flow control it makes use. Protocols
are called by the loop, with the gate free.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, BaseProtocol
from asyncio.log import logger
from asyncio.transports import _FlowControlMixin
from asyncio.trsock import TransportSocket as AsyncioTransportSocket
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from stack.socket.attempts import READ, WRITE
from stack.socket.transports.readiness import Watch

if TYPE_CHECKING:
    from stack.socket.blocking import socket
    from stack.socket.transports.server import Server

LOG_AFTER = 5  # writes to a lost connection; asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES


class TransportSocket(AsyncioTransportSocket):
    """What `get_extra_info("socket")` answers: asyncio's own view of a socket, here of ours."""

    __slots__ = ()
    _sock: Any

    def __init__(self, sock: socket) -> None:
        super().__init__(sock)  # type: ignore[arg-type]  # it asks for no more than ours has

    def __repr__(self) -> str:  # asyncio's asks for a descriptor
        return f"<TransportSocket of {self._sock!r}>"


class EndpointTransport(_FlowControlMixin):
    """A transport on one of our sockets, whose owner it is from now on."""

    if TYPE_CHECKING:  # what asyncio's has, and its stubs do not tell
        _extra: dict[str, Any]

        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    def __init__(
        self,
        loop: AbstractEventLoop,
        sock: socket,
        protocol: BaseProtocol,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> None:
        super().__init__({**_names(sock), **(extra or {})}, loop)
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._core = core = sock._core
        self._runtime: Any = sock._runtime
        self._server = server
        self._conn_lost = 0  # set when the call of connection_lost is on its way; then it counts writes
        self._closing = False
        self._paused = False
        self._lost = False
        context, bell = copy_context(), core.stack.aio.bell(loop)
        self._context = context
        self._reads = Watch(loop, bell, core, READ, self._read_ready, context)
        self._writes = Watch(loop, bell, core, WRITE, self._write_ready, context)
        self.set_protocol(protocol)
        if server is not None:
            server._attach(self)

    def __repr__(self) -> str:
        state = "closed " if self._lost else "closing " if self._closing else ""
        return f"<{type(self).__name__} {state}of {self._sock!r}>"

    def _read_ready(self) -> None:
        raise NotImplementedError

    def _write_ready(self) -> None:
        raise NotImplementedError

    def set_protocol(self, protocol: BaseProtocol) -> None:
        self._protocol: Any = protocol

    def get_protocol(self) -> BaseProtocol:
        protocol: BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def close(self) -> None:
        """What waits is still sent; `connection_lost(None)` follows."""
        if self._closing:
            return
        self._closing = True
        if not self.get_write_buffer_size():
            self._lose_soon(None)

    def abort(self) -> None:
        """What waits is not sent."""
        self._force_close(None)

    def _lose_soon(self, error: BaseException | None) -> None:
        self._conn_lost += 1
        self._loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _fatal_error(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        if isinstance(error, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=True)
        else:
            told = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler(told)
        self._force_close(error)

    def _force_close(self, error: BaseException | None) -> None:
        """The name is asyncio's: its TLS calls it."""
        if self._conn_lost:
            return
        self._discard()
        self._closing = True
        self._lose_soon(error)

    def _discard(self) -> None:
        """Nothing of what waits shall be sent."""
        raise NotImplementedError

    def _call_connection_lost(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._lost = True
            self._runtime.enter()
            try:
                self._reads.end()
                self._writes.end()
            finally:
                self._runtime.leave()
            self._sock.close()
            self._protocol = None  # no cycle
            server, self._server = self._server, None
            if server is not None:
                server._detach(self)


def _names(sock: socket) -> dict[str, Any]:
    names: dict[str, Any] = {"socket": TransportSocket(sock), "sockname": None, "peername": None}
    try:
        names["sockname"] = sock.getsockname()
        names["peername"] = sock.getpeername()
    except OSError:  # a datagram socket has no peer, a connection that was reset meanwhile neither
        pass
    return names
