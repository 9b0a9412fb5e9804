"""Listening sockets whose connections become transports of protocols: asyncio's Server, on ours.

Behaves as the asyncio.Server of the interpreter's version; but `close_clients` and `abort_clients`, which that has from
3.13 on, are always there.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop
from asyncio.log import logger
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from stack.socket.attempts import READ
from stack.socket.resolver import format_endpoint
from stack.socket.transports.base import EndpointTransport, TransportSocket
from stack.socket.transports.readiness import Watch
from stack.socket.transports.secure import Security
from stack.socket.transports.stream import StreamTransport

if TYPE_CHECKING:
    from stack.socket.blocking import socket
    from stack.tcp.connection import Connection


class Accepting:
    """One listening socket of a server."""

    def __init__(self, server: Server, sock: socket, backlog: int) -> None:
        self._server = server
        self._sock = sock
        self._backlog = backlog
        loop, core = server.get_loop(), sock._core
        self._watch = Watch(loop, core.stack.aio.bell(loop), core, READ, self._ready, copy_context())
        sock._once(self._watch.look)

    def _ready(self) -> None:
        self._watch.due = False
        for _ in range(max(self._backlog, 1)):
            try:
                connection = self._accept()
            except OSError as error:  # the host has gone
                logger.debug("%r ends: %s", self._server, error)
                self._sock.close()
                return
            if connection is None:
                return
            accepted = type(self._sock)._of(self._sock._runtime, self._sock._core.accepted(connection))
            self._server._accepted(accepted, format_endpoint(connection.remote))
        if not self._sock._closed:
            self._sock._once(self._watch.look)

    def _accept(self) -> Connection | None:
        """None: no more, and be called when there is."""
        sock = self._sock
        sock._runtime.enter()
        try:
            if sock._closed:
                return None
            connection = sock._core.accept()
            if connection is None:
                self._watch.stand()
            return connection
        finally:
            sock._runtime.leave()

    def close(self) -> None:
        if not self._sock._closed:
            self._sock._once(self._watch.end)
            self._sock.close()


class Server(asyncio.AbstractServer):
    def __init__(
        self,
        loop: AbstractEventLoop,
        sockets: list[socket],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        security: Security | None,
        backlog: int,
    ) -> None:
        self._loop = loop
        self._sockets: list[socket] | None = sockets
        self._protocol_factory = protocol_factory
        self._security = security
        self._backlog = backlog
        self._accepting: list[Accepting] = []
        self._serving = False
        self._clients: dict[EndpointTransport, None] = {}
        self._waiters: list[asyncio.Future[None]] | None = []  # None: all is closed
        self._forever: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def get_loop(self) -> AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        return tuple(TransportSocket(sock) for sock in self._sockets or ())

    # clients

    def _accepted(self, sock: socket, peer: tuple[str, int]) -> None:
        protocol: asyncio.BaseProtocol | None = None
        try:
            protocol = self._protocol_factory()
            if self._security is None:
                StreamTransport(self._loop, sock, protocol, None, {"peername": peer}, self)
            else:
                waiter = self._loop.create_future()
                transport = self._security.transport(self._loop, sock, protocol, waiter, {"peername": peer}, self)
                waiter.add_done_callback(partial(self._shaken_hands, transport))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            sock.close()
            self._tell(error, protocol)

    def _shaken_hands(self, transport: asyncio.BaseTransport, waiter: asyncio.Future[None]) -> None:
        error = None if waiter.cancelled() else waiter.exception()
        if error is not None:
            transport.close()
            if self._loop.get_debug():
                self._tell(error, transport)

    def _tell(self, error: BaseException, about: Any) -> None:
        message = "Error on transport creation for incoming connection"
        self._loop.call_exception_handler({"message": message, "exception": error, "protocol": about})

    def _attach(self, transport: EndpointTransport) -> None:
        self._clients[transport] = None

    def _detach(self, transport: EndpointTransport) -> None:
        self._clients.pop(transport, None)
        if not self._clients and self._sockets is None:
            self._wake_up()

    def _wake_up(self) -> None:
        waiters, self._waiters = self._waiters or [], None
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # its life

    def _start(self) -> None:
        if not self._serving and self._sockets is not None:
            self._serving = True
            for sock in self._sockets:
                sock.listen(self._backlog)
                self._accepting.append(Accepting(self, sock, self._backlog))

    async def start_serving(self) -> None:
        self._start()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Until it is closed, or this is cancelled, which closes it. RuntimeError."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        """No more clients; those that there are stay. Idempotent."""
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        for accepting in self._accepting:
            accepting.close()
        self._accepting.clear()
        for sock in sockets:
            sock.close()
        self._serving = False
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
            self._forever = None
        if not self._clients:
            self._wake_up()

    def close_clients(self) -> None:
        for transport in list(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._clients):
            transport.abort()

    async def wait_closed(self) -> None:
        """Until it is closed and the last client has gone; on 3.11, as there, not after `close`."""
        if self._waiters is None or (sys.version_info < (3, 12) and self._sockets is None):
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter
