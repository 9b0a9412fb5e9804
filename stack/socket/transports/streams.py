"""asyncio's streams, its own StreamReader and StreamWriter, over transports of ours."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Unpack

from stack.socket.transports.connecting import Options, create_connection
from stack.socket.transports.server import Server
from stack.socket.transports.serving import ServerOptions, create_server

if TYPE_CHECKING:
    from stack.stack import Stack

LIMIT = 64 << 10  # bytes; asyncio's default


async def open_connection(
    stack: Stack,
    loop: AbstractEventLoop,
    host: str | None = None,
    port: int | str | None = None,
    limit: int = LIMIT,
    **options: Unpack[Options],
) -> tuple[StreamReader, StreamWriter]:
    reader = StreamReader(limit, loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(stack, loop, lambda: protocol, host, port, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_server(
    stack: Stack,
    loop: AbstractEventLoop,
    client_connected_cb: Callable[[StreamReader, StreamWriter], object],
    host: str | Iterable[str | None] | None = None,
    port: int | str | None = None,
    limit: int = LIMIT,
    **options: Unpack[ServerOptions],
) -> Server:
    def protocol() -> asyncio.BaseProtocol:
        return StreamReaderProtocol(StreamReader(limit, loop), client_connected_cb, loop)  # type: ignore[arg-type]

    return await create_server(stack, loop, protocol, host, port, **options)
