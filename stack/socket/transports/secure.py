"""TLS over a stream transport, by what asyncio itself uses for it: asyncio.sslproto.SSLProtocol."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import AbstractEventLoop, BaseProtocol
from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any

import attrs

from stack.socket.transports.stream import StreamTransport

if TYPE_CHECKING:
    from stack.socket.blocking import socket
    from stack.socket.transports.server import Server


@attrs.frozen
class Security:
    """What is to be agreed on with the peer. `context` None: a client's that checks the server, as asyncio makes it."""

    context: ssl.SSLContext | None
    server_side: bool = False
    server_hostname: str | None = None
    handshake_timeout: float | None = None  # seconds; None: asyncio's
    shutdown_timeout: float | None = None  # seconds; None: asyncio's

    def protocol(
        self, loop: AbstractEventLoop, protocol: BaseProtocol, waiter: asyncio.Future[Any], *, made: bool = True
    ) -> SSLProtocol:
        """`made`: its `connection_made` is to be called."""
        return SSLProtocol(
            loop,
            protocol,
            self.context,  # type: ignore[arg-type]
            waiter,
            self.server_side,
            self.server_hostname,
            call_connection_made=made,
            ssl_handshake_timeout=self.handshake_timeout,  # type: ignore[arg-type]
            ssl_shutdown_timeout=self.shutdown_timeout,
        )

    def transport(
        self,
        loop: AbstractEventLoop,
        sock: socket,
        protocol: BaseProtocol,
        waiter: asyncio.Future[Any],
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> asyncio.Transport:
        """The one for the application; `waiter` is finished when the handshake is."""
        secure = self.protocol(loop, protocol, waiter)
        StreamTransport(loop, sock, secure, None, extra, server)
        made: asyncio.Transport = secure._app_transport
        return made


async def start_tls(
    loop: AbstractEventLoop,
    transport: asyncio.WriteTransport,
    protocol: BaseProtocol,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> asyncio.Transport:
    """TLS from now on; `protocol` is to use the transport that this answers. TypeError, SSLError."""
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
    security = Security(sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
    if not isinstance(transport, asyncio.Transport) or not getattr(transport, "_start_tls_compatible", False):
        raise TypeError(f"transport {transport!r} is not supported by start_tls()")
    waiter = loop.create_future()
    secure = security.protocol(loop, protocol, waiter, made=False)
    transport.pause_reading()  # until it is in its place
    transport.set_protocol(secure)
    steps = [loop.call_soon(secure.connection_made, transport), loop.call_soon(transport.resume_reading)]
    try:
        await waiter
    except BaseException:
        transport.close()
        for step in steps:
            step.cancel()
        raise
    made: asyncio.Transport = secure._app_transport
    return made
