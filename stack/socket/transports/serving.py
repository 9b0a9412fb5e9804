"""From names and ports to what listens there: asyncio's `create_server` and `create_datagram_endpoint`, for our hosts.

Arguments, their checks and what is raised are those of Lib/asyncio/base_events.py.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from socket import (
    AF_INET,
    AI_PASSIVE,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from stack.socket import awaiting, resolver
from stack.socket.blocking import socket
from stack.socket.transports.connecting import Timeouts, begun, bind_error, check_socket, check_timeouts, resolve
from stack.socket.transports.datagram import DatagramTransport
from stack.socket.transports.secure import Security
from stack.socket.transports.server import Server

if TYPE_CHECKING:
    from stack.stack import Stack

P = TypeVar("P", bound=asyncio.BaseProtocol)


class ServerOptions(Timeouts, total=False):
    """The options of `create_server`, as asyncio has them."""

    family: int
    flags: int
    sock: socket | None
    backlog: int
    ssl: ssl_module.SSLContext | None
    reuse_address: bool | None
    reuse_port: bool | None
    keep_alive: bool | None
    start_serving: bool


class DatagramOptions(TypedDict, total=False):
    """The options of `create_datagram_endpoint`, as asyncio has them."""

    family: int
    proto: int
    flags: int
    reuse_port: bool | None
    allow_broadcast: bool | None
    sock: socket | None


async def create_server(
    stack: Stack,
    loop: AbstractEventLoop,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    host: str | Iterable[str | None] | None = None,
    port: int | str | None = None,
    **options: Unpack[ServerOptions],
) -> Server:
    """Raises OSError, gaierror, TypeError, ValueError."""
    ssl, sock, backlog = options.get("ssl"), options.get("sock"), options.get("backlog", 100)
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    check_timeouts(ssl, options)
    if host is None and port is None:
        if sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        check_socket(sock, SOCK_STREAM, "Stream")
        sockets = [sock]
    elif sock is not None:
        raise ValueError("host/port and sock can not be specified at the same time")
    else:
        sockets = await _bound(stack, host, port, options)
    for each in sockets:
        each.setblocking(False)
    security = None
    if ssl is not None:
        timeouts = options.get("ssl_handshake_timeout"), options.get("ssl_shutdown_timeout")
        security = Security(ssl, True, None, *timeouts)
    server = Server(loop, sockets, protocol_factory, security, backlog)
    if options.get("start_serving", True):
        try:
            await server.start_serving()
        except BaseException:
            server.close()
            raise
    return server


async def _bound(
    stack: Stack, host: str | Iterable[str | None] | None, port: int | str | None, options: ServerOptions
) -> list[socket]:
    """A socket at each address of each host, none twice."""
    hosts: Iterable[str | None]
    if host == "":
        hosts = [None]
    else:
        hosts = [host] if host is None or isinstance(host, str) else host
    family, flags = options.get("family", 0), options.get("flags", AI_PASSIVE)
    found = [await resolve(stack, each, port, family, SOCK_STREAM, 0, flags) for each in hosts]
    sockets: list[socket] = []
    try:
        for address in dict.fromkeys(info[4] for infos in found for info in infos):
            sock = socket(stack=stack)
            sockets.append(sock)
            _prepare(sock, options)
            try:
                sock.bind(address)
            except OSError as error:
                raise bind_error(address, error) from None
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _prepare(sock: socket, options: ServerOptions) -> None:
    reuse = options.get("reuse_address")
    if reuse or reuse is None:
        sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if options.get("reuse_port"):
        _reuse_port(sock)
    if options.get("keep_alive"):
        sock.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)


def _reuse_port(sock: socket) -> None:
    try:
        sock.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    except OSError:
        raise ValueError(
            "reuse_port not supported by socket module, SO_REUSEPORT defined but not implemented."
        ) from None


async def create_datagram_endpoint(
    stack: Stack,
    loop: AbstractEventLoop,
    protocol_factory: Callable[[], P],
    local_addr: tuple[str, int] | None = None,
    remote_addr: tuple[str, int] | None = None,
    **options: Unpack[DatagramOptions],
) -> tuple[DatagramTransport, P]:
    """Raises OSError, gaierror, TypeError, ValueError."""
    sock, remote = options.get("sock"), None
    if sock is not None:
        check_socket(sock, SOCK_DGRAM, "UDP")
        asked = {"local_addr": local_addr, "remote_addr": remote_addr, **options}
        problems = ", ".join(f"{name}={value}" for name, value in asked.items() if value and name != "sock")
        if problems:
            raise ValueError(f"socket modifier keyword arguments can not be used when sock is specified. ({problems})")
        sock.setblocking(False)
    else:
        sock, remote = await _datagram_socket(stack, local_addr, remote_addr, options)
    return await begun(
        loop,
        sock,
        protocol_factory,
        lambda protocol, waiter: DatagramTransport(loop, sock, protocol, remote, waiter),
    )


async def _datagram_socket(
    stack: Stack, local: tuple[str, int] | None, remote: tuple[str, int] | None, options: DatagramOptions
) -> tuple[socket, resolver.Address | None]:
    """Bound and connected as asked, and whom to send to."""
    family, proto = options.get("family", 0), options.get("proto", 0)
    if not (local or remote) and family == 0:
        raise ValueError("unexpected address family")
    here, there = [await _first(stack, each, options) for each in (local, remote)]
    sock = socket(family or AF_INET, SOCK_DGRAM, proto, stack=stack)
    try:
        sock.setblocking(False)
        if options.get("reuse_port"):
            _reuse_port(sock)
        if options.get("allow_broadcast"):
            sock.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        if here is not None:
            sock.bind(here)
        if there is not None and not options.get("allow_broadcast"):
            await awaiting.connect(sock, there)
    except BaseException:
        sock.close()
        raise
    return sock, there


async def _first(stack: Stack, address: Any, options: DatagramOptions) -> resolver.Address | None:
    if not address:
        return None
    if not (isinstance(address, tuple) and len(address) == 2):
        raise TypeError("2-tuple is expected")
    asked = options.get("family", 0), SOCK_DGRAM, options.get("proto", 0), options.get("flags", 0)
    return (await resolve(stack, *address, *asked))[0][4]
