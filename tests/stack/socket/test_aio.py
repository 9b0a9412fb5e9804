"""Awaiting sockets on a running loop: no thread, and a cancelled task leaves the gate whole."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from netif import Lan

PATIENCE = 20


@asynccontextmanager
async def two():
    async with Lan(seed=1, clock="asyncio") as lan:
        yield lan.host("server"), lan.host("client")


def run(scene):
    async def bounded():
        async with asyncio.timeout(PATIENCE):
            await scene()

    asyncio.run(bounded())


def test_bytes_arrive_in_order_both_ways():
    data = random.Random(1).randbytes(3_000_000)

    async def scene():
        async with two() as (server, client):

            async def serve(listener):
                connection, _ = await listener.accept()
                async with connection:
                    while block := await connection.recv(1 << 18):
                        await connection.sendall(block)

            async with server.aio.listen(("", 7)) as listener:
                serving = asyncio.create_task(serve(listener))
                async with client.aio.connect((server.ip, 7)) as s:
                    sending = asyncio.create_task(s.sendall(data))
                    received = bytearray()
                    while len(received) < len(data):
                        received += await s.recv(1 << 16)
                    await sending
                await serving
            assert bytes(received) == data

    run(scene)


def test_a_cancelled_task_leaves_the_gate_whole():
    async def scene():
        async with two() as (server, client), server.aio.listen(("", 7)) as listener:
            s = await client.aio.connect((server.ip, 7))
            connection, _ = await listener.accept()
            async with s, connection:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await s.recv(1)
                waiting = asyncio.create_task(s.recv(10))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await connection.sendall(b"after it")
                assert await s.recv(100) == b"after it"

    run(scene)


def test_a_blocking_call_on_the_loops_own_thread_is_refused():
    async def scene():
        async with two() as (server, _):
            with server.create_server(("", 7)) as listener, pytest.raises(RuntimeError):
                listener.accept()

    run(scene)


def test_a_thread_may_block_where_the_loop_may_not():
    async def scene():
        async with two() as (server, client):

            def serve():
                with server.create_server(("", 7)) as listener:
                    loop.call_soon_threadsafe(ready.set_result, None)
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(connection.recv(100).upper())

            loop = asyncio.get_running_loop()
            ready = loop.create_future()
            serving = asyncio.create_task(asyncio.to_thread(serve))
            await ready
            async with client.aio.connect((server.ip, 7)) as s:
                await s.sendall(b"hello")
                assert await s.recv(100) == b"HELLO"
            await serving

    run(scene)


def test_datagrams_and_refusals():
    async def scene():
        async with two() as (server, client):
            import stack.socket as socket

            one = server.aio.socket(socket.SOCK_DGRAM)
            other = client.aio.socket(socket.SOCK_DGRAM)
            async with one, other:
                one.bind(("", 53))
                await other.sendto(b"question", (server.ip, 53))
                data, source = await one.recvfrom(100)
                await one.sendto(data.upper(), source)
                assert await other.recvfrom(100) == (b"QUESTION", (server.ip, 53))
            with pytest.raises(ConnectionRefusedError):
                await client.aio.connect((server.ip, 1))

    run(scene)


def test_closing_ends_a_wait_in_another_task():
    async def scene():
        async with two() as (server, client), server.aio.listen(("", 7)) as listener:
            s = await client.aio.connect((server.ip, 7))
            connection, _ = await listener.accept()
            async with connection:
                waiting = asyncio.create_task(s.recv(1))
                await asyncio.sleep(0)
                s.close()
                with pytest.raises(OSError, match="Bad file descriptor"):
                    await waiting

    run(scene)
