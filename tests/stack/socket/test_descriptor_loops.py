"""Event loops that know nothing of us, over `fileno()`: asyncio's with each selector, and uvloop's."""

from __future__ import annotations

import asyncio
import selectors
import socket as kernel
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from netif.runtime import AsyncioRuntime, ThreadedRuntime
from stack.stack import Stack

SOON = 20.0  # seconds; for what takes microseconds unless it is broken

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "poll": lambda: asyncio.SelectorEventLoop(selectors.PollSelector()),
    "select": lambda: asyncio.SelectorEventLoop(selectors.SelectSelector()),
    "uvloop": lambda: pytest.importorskip("uvloop").new_event_loop(),
}
if hasattr(selectors, "EpollSelector"):
    LOOPS["epoll"] = lambda: asyncio.SelectorEventLoop(selectors.EpollSelector())


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[Any]:
    loop = LOOPS[request.param]()
    yield loop
    loop.close()


@pytest.fixture
def host() -> Iterator[Stack]:
    runtime = ThreadedRuntime(strict=True)
    with Stack("host", runtime=runtime) as stack:
        yield stack
    runtime.check()
    runtime.close()


def run(loop: Any, program: Awaitable[Any]) -> Any:
    return loop.run_until_complete(asyncio.wait_for(program, SOON))


async def echo(loop: Any, listener: Any) -> None:
    connection, _ = await loop.sock_accept(listener)
    with connection:
        while data := await loop.sock_recv(connection, 1 << 16):
            await loop.sock_sendall(connection, data)


async def converse(loop: Any, host: Any) -> None:
    with host.create_server(("127.0.0.1", 0)) as listener, host.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)
        serving = asyncio.ensure_future(echo(loop, listener))
        await loop.sock_connect(client, listener.getsockname())
        for size in (1, 1000, 300_000):
            sending = asyncio.ensure_future(loop.sock_sendall(client, bytes(size)))
            got = bytearray()
            while len(got) < size:
                part = bytearray(1 << 16)
                got += part[: await loop.sock_recv_into(client, part)]
            await sending
            assert bytes(got) == bytes(size)
        client.shutdown(kernel.SHUT_WR)
        assert await loop.sock_recv(client, 9) == b""
        await serving


def test_the_loops_socket_functions_converse(loop, host):
    run(loop, converse(loop, host))


def test_several_at_a_time_beside_the_kernels(loop, host):
    async def all_of_them() -> None:
        await asyncio.gather(*(converse(loop, sockets) for sockets in (host, kernel, host, kernel, host)))

    run(loop, all_of_them())


def test_nobody_there_is_said(loop, host):
    async def connect() -> None:
        with host.socket() as client, host.create_server(("127.0.0.1", 0)) as gone:
            where = gone.getsockname()
            gone.close()
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, where)

    run(loop, connect())


def test_datagrams_by_add_reader_and_add_writer(loop, host):
    async def exchange() -> None:
        with host.socket(type=kernel.SOCK_DGRAM) as ear, host.socket(type=kernel.SOCK_DGRAM) as mouth:
            ear.bind(("127.0.0.1", 0))
            ear.setblocking(False)
            heard: asyncio.Queue[bytes] = asyncio.Queue()
            loop.add_reader(ear, lambda: heard.put_nowait(ear.recv(100)))
            room = loop.create_future()
            loop.add_writer(mouth.fileno(), lambda: room.done() or room.set_result(None))
            await room
            loop.remove_writer(mouth.fileno())
            for data in (b"a", b"b", b"c"):
                mouth.sendto(data, ear.getsockname())
            assert [await heard.get() for _ in range(3)] == [b"a", b"b", b"c"]
            loop.remove_reader(ear)

    run(loop, exchange())


def test_a_blocking_socket_is_refused_in_debug_mode(host):
    loop = LOOPS["epoll"]()
    loop.set_debug(True)
    try:
        with host.socket() as client, pytest.raises(ValueError, match="non-blocking"):
            run(loop, loop.sock_recv(client, 1))
    finally:
        loop.close()


def test_a_host_on_the_same_loop(loop):
    async def main() -> None:
        runtime = AsyncioRuntime(strict=True)
        async with Stack("host", runtime=runtime) as host:
            await converse(loop, host)
        runtime.check()

    run(loop, main())
