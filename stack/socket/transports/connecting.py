"""From a host's name and a port to a connected transport: asyncio's `create_connection`, for one of our hosts.

Arguments, their checks and what is raised are those of Lib/asyncio/base_events.py, of the newest version: `all_errors`
is there on all of them.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from asyncio import AbstractEventLoop, staggered
from collections.abc import Callable
from functools import partial
from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, Unpack

from stack.socket import awaiting, names, resolver
from stack.socket.blocking import socket
from stack.socket.transports.secure import Security
from stack.socket.transports.stream import StreamTransport

if TYPE_CHECKING:
    from stack.stack import Stack

P = TypeVar("P", bound=asyncio.BaseProtocol)
T = TypeVar("T", bound=asyncio.BaseTransport)
Tls: TypeAlias = "ssl_module.SSLContext | bool | None"
Where: TypeAlias = "tuple[str | None, int | str | None]"


class Timeouts(TypedDict, total=False):
    """Of TLS, in seconds; None: asyncio's."""

    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None


class Accepted(Timeouts, total=False):
    """The options of `connect_accepted_socket`."""

    ssl: Tls


class Options(Accepted, total=False):
    """The options of `create_connection`, as asyncio has them."""

    family: int
    proto: int
    flags: int
    sock: socket | None
    local_addr: tuple[str, int] | None
    server_hostname: str | None
    happy_eyeballs_delay: float | None  # seconds
    interleave: int | None  # of address families, of which there is one
    all_errors: bool


async def resolve(
    stack: Stack, host: str | None, port: int | str | None, family: int, kind: int, proto: int, flags: int
) -> list[resolver.AddressInfo]:
    steps = resolver.getaddrinfo(host, port, family, kind, proto, flags, hosts=stack.hosts)
    found = await names.ask_async(stack, steps)
    if not found:
        raise OSError(f"getaddrinfo({host!r}) returned empty list")
    return found


def refuse_secure(sock: Any) -> None:
    """TLS is for transports to do. TypeError."""
    if hasattr(sock, "do_handshake"):
        raise TypeError("Socket cannot be of type SSLSocket")


def check_socket(sock: Any, kind: int, words: str) -> None:
    """Raises TypeError, ValueError."""
    refuse_secure(sock)
    if not isinstance(sock, socket):
        raise ValueError(f"{sock!r} is no socket of one of our hosts: give it to the loop's own method")
    if sock.type != kind:
        raise ValueError(f"A {words} Socket was expected, got {sock!r}")


def check_timeouts(ssl: object, timeouts: Any) -> None:
    for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
        if timeouts.get(name) is not None and not ssl:
            raise ValueError(f"{name} is only meaningful with ssl")


def _security(ssl: Tls, server_side: bool, hostname: str | None, timeouts: Any) -> Security | None:
    if not ssl:
        return None
    context = ssl if isinstance(ssl, ssl_module.SSLContext) else None
    handshake, shutdown = timeouts.get("ssl_handshake_timeout"), timeouts.get("ssl_shutdown_timeout")
    return Security(context, server_side, hostname, handshake, shutdown)


async def create_connection(
    stack: Stack,
    loop: AbstractEventLoop,
    protocol_factory: Callable[[], P],
    host: str | None = None,
    port: int | str | None = None,
    **options: Unpack[Options],
) -> tuple[asyncio.Transport, P]:
    """Raises OSError, gaierror, SSLError, ValueError; with `all_errors` an ExceptionGroup of what each address said."""
    ssl, sock, hostname = options.get("ssl"), options.get("sock"), options.get("server_hostname")
    if hostname is not None and not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    if hostname is None and ssl:
        if not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        hostname = host
    check_timeouts(ssl, options)
    if host is None and port is None:
        if sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        check_socket(sock, SOCK_STREAM, "Stream")
    elif sock is not None:
        raise ValueError("host/port and sock can not be specified at the same time")
    else:
        sock = await _connect_any(stack, host, port, options)
    return await _adopt(loop, sock, protocol_factory, _security(ssl, False, hostname, options))


async def connect_accepted_socket(
    loop: AbstractEventLoop, protocol_factory: Callable[[], P], sock: socket, **options: Unpack[Accepted]
) -> tuple[asyncio.Transport, P]:
    ssl = options.get("ssl")
    check_timeouts(ssl, options)
    check_socket(sock, SOCK_STREAM, "Stream")
    return await _adopt(loop, sock, protocol_factory, _security(ssl, True, "", options))


async def _adopt(
    loop: AbstractEventLoop, sock: socket, protocol_factory: Callable[[], P], security: Security | None
) -> tuple[asyncio.Transport, P]:
    make = StreamTransport if security is None else security.transport
    return await begun(loop, sock, protocol_factory, lambda protocol, waiter: make(loop, sock, protocol, waiter))


async def begun(
    loop: AbstractEventLoop,
    sock: socket,
    protocol_factory: Callable[[], P],
    make: Callable[[P, asyncio.Future[None]], T],
) -> tuple[T, P]:
    """From now on the socket is its transport's, which has called `connection_made`."""
    waiter: asyncio.Future[None] = loop.create_future()
    try:
        protocol = protocol_factory()
        transport = make(protocol, waiter)
    except BaseException:
        sock.close()
        raise
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    return transport, protocol


async def _connect_any(stack: Stack, host: str | None, port: int | str | None, options: Options) -> socket:
    """To the first address that answers."""
    asked = options.get("family", 0), SOCK_STREAM, options.get("proto", 0), options.get("flags", 0)
    found = await resolve(stack, host, port, *asked)
    local = options.get("local_addr")
    bound = None if local is None else [each[4] for each in await resolve(stack, *local, *asked)]
    errors: list[OSError] = []
    delay = options.get("happy_eyeballs_delay")
    made: socket | None = None
    if delay is None:
        for *_, address in found:
            try:
                made = await _connect(stack, address, bound, errors)
                break
            except OSError:
                continue
    else:
        attempts = [partial(_connect, stack, each[4], bound, errors) for each in found]
        made, _, _ = await staggered.staggered_race(attempts, delay)
    if made is None:
        _raise(errors, options.get("all_errors", False))
    assert made is not None
    return made


def _raise(errors: list[OSError], all_errors: bool) -> None:
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        if len({str(error) for error in errors}) == 1:
            raise errors[0]
        raise OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")
    finally:
        errors.clear()  # no cycle by way of a traceback


async def _connect(
    stack: Stack, address: resolver.Address, local: list[resolver.Address] | None, errors: list[OSError]
) -> socket:
    sock = socket(stack=stack)
    try:
        sock.setblocking(False)
        if local is not None:
            _bind_any(sock, local)
        await awaiting.connect(sock, address)
        return sock
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            errors.append(error)
        raise


def _bind_any(sock: socket, addresses: list[resolver.Address]) -> None:
    failed: OSError | None = None
    for address in addresses:
        try:
            sock.bind(address)
            return
        except OSError as error:
            failed = bind_error(address, error)
    assert failed is not None, "a look-up that succeeds has an answer"
    raise failed


def bind_error(address: resolver.Address, error: OSError) -> OSError:
    words = (error.strerror or "").lower()
    return OSError(error.errno, f"error while attempting to bind on address {address!r}: {words}")
