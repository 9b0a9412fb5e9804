"""asyncio's `sock_recv`, `sock_sendall` and their kin, for non-blocking sockets of ours."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from functools import partial
from socket import SOCK_STREAM
from typing import IO, TYPE_CHECKING

from netif.link import Buffer
from stack.socket import awaiting, resolver
from stack.socket.attempts import READ, WRITE, Sending
from stack.socket.transports.connecting import refuse_secure

if TYPE_CHECKING:
    from stack.socket.blocking import socket

BLOCK = 256 << 10  # bytes of a file that are read at once


def _check(loop: AbstractEventLoop, sock: socket) -> None:
    refuse_secure(sock)
    if loop.get_debug() and sock.gettimeout() != 0:
        raise ValueError("the socket must be non-blocking")


async def sock_recv(loop: AbstractEventLoop, sock: socket, nbytes: int) -> bytes:
    _check(loop, sock)
    return await awaiting.complete(sock, "recv", READ, partial(sock._core.read, nbytes))


async def sock_recv_into(loop: AbstractEventLoop, sock: socket, buf: bytearray | memoryview) -> int:
    _check(loop, sock)
    return await awaiting.complete(sock, "recv_into", READ, partial(sock._core.read_into, memoryview(buf).cast("B")))


async def sock_recvfrom(loop: AbstractEventLoop, sock: socket, bufsize: int) -> tuple[bytes, resolver.Address | None]:
    _check(loop, sock)
    if sock.type == SOCK_STREAM:
        return await sock_recv(loop, sock, bufsize), None
    return await awaiting.receive_from(sock, bufsize)


async def sock_recvfrom_into(
    loop: AbstractEventLoop, sock: socket, buf: bytearray | memoryview, nbytes: int = 0
) -> tuple[int, resolver.Address | None]:
    view = memoryview(buf).cast("B")
    if nbytes > len(view):
        raise ValueError(f"nbytes is greater than the length of the buffer: {nbytes} > {len(view)}")
    data, source = await sock_recvfrom(loop, sock, nbytes or len(view))
    view[: len(data)] = data
    return len(data), source


async def sock_sendall(loop: AbstractEventLoop, sock: socket, data: Buffer) -> None:
    _check(loop, sock)
    if memoryview(data).nbytes:
        await awaiting.complete(sock, "sendall", WRITE, Sending(sock._core, data, 0).attempt)


async def sock_sendto(loop: AbstractEventLoop, sock: socket, data: Buffer, address: object) -> int:
    _check(loop, sock)
    return await awaiting.send_to(sock, data, address)


async def sock_connect(loop: AbstractEventLoop, sock: socket, address: object) -> None:
    _check(loop, sock)
    await awaiting.connect(sock, address)


async def sock_accept(loop: AbstractEventLoop, sock: socket) -> tuple[socket, resolver.Address]:
    _check(loop, sock)
    connection = await awaiting.complete(sock, "accept", READ, sock._core.accept)
    made = type(sock)._of(sock._runtime, sock._core.accepted(connection))
    made.setblocking(False)
    return made, resolver.format_endpoint(connection.remote)


async def sock_sendfile(
    loop: AbstractEventLoop,
    sock: socket,
    file: IO[bytes],
    offset: int = 0,
    count: int | None = None,
    *,
    fallback: bool | None = None,
) -> int:
    """By reading it: `fallback` False is refused with SendfileNotAvailableError, as by asyncio."""
    from asyncio import SendfileNotAvailableError

    if fallback is False:
        raise SendfileNotAvailableError("a stack in this process has no sendfile system call")
    _check(loop, sock)
    file.seek(offset)
    sent = 0
    try:
        while count is None or sent < count:
            block = file.read(BLOCK if count is None else min(BLOCK, count - sent))
            if not block:
                break
            await sock_sendall(loop, sock, block)
            sent += len(block)
    finally:
        file.seek(offset + sent)
    return sent
