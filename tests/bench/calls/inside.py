"""Calls within one process: on two of our stacks joined by a pair, or the same statements on the kernel's loopback.

`python -m tests.bench.calls.inside ROW ours|kernel SECONDS [--cpu N] [--profile FILE]` prints one JSON object.
A call's cost is seen in one thread, where nobody has to be woken: it sends, and reads at the other end what it sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from tests.bench.profiles import Profiles

BLOCK = 65536  # bytes
OURS, KERNEL = "ours", "kernel"
Ends = tuple[Any, Any, str]  # who listens, who connects, and to what address
Done = tuple[int, int, float]  # bytes, times, seconds


@contextmanager
def threaded(on: str) -> Iterator[Ends]:
    if on == KERNEL:
        yield socket, socket, "127.0.0.1"
        return
    from netif import Netif, Stack
    from tapio import pair

    near, far = pair()
    with (
        Stack("server") as server,
        Stack("client") as client,
        Netif(near, stack=server, ip="10.0.0.1/24"),
        Netif(far, stack=client, ip="10.0.0.2/24"),
    ):
        yield server, client, "10.0.0.1"


@asynccontextmanager
async def on_the_loop(on: str) -> AsyncIterator[Ends]:
    """asyncio's own functions, or a host's of the same names."""
    if on == KERNEL:
        yield asyncio, asyncio, "127.0.0.1"
        return
    from netif import AsyncioRuntime, Netif, Stack
    from tapio import pair

    near, far = pair()
    runtime = AsyncioRuntime()
    async with (
        Stack("server", runtime=runtime) as server,
        Stack("client", runtime=runtime) as client,
        Netif(near, stack=server, ip="10.0.0.1/24"),
        Netif(far, stack=client, ip="10.0.0.2/24"),
    ):
        yield server.aio, client.aio, "10.0.0.1"


@contextmanager
def connected(ends: Ends) -> Iterator[tuple[Any, Any]]:
    server, client, address = ends
    with server.create_server((address, 0)) as listener, client.create_connection(listener.getsockname()) as near:
        far, _peer = listener.accept()
        with far:
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield near, far


def calls(size: int, ends: AbstractContextManager[Ends], seconds: float) -> Done:
    """`sendall` of so many bytes and `recv` until they are there, in one thread."""
    data, times = os.urandom(size), 0
    with ends as both, connected(both) as (near, far):
        sendall, recv = near.sendall, far.recv
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end:
            for _ in range(16):
                sendall(data)
                got = len(recv(size))
                while got < size:
                    got += len(recv(size - got))
            times += 16
        return times * size, times, now - begun


def between_threads(ends: AbstractContextManager[Ends], seconds: float) -> Done:
    """A byte there and back, each end in a thread of its own."""
    times = 0

    def answer(far: Any) -> None:
        while data := far.recv(1):
            far.sendall(data)

    with ends as both, connected(both) as (near, far):
        answering = threading.Thread(target=answer, args=(far,))
        answering.start()
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end:
            near.sendall(b"x")
            near.recv(1)
            times += 1
        near.shutdown(socket.SHUT_WR)
        answering.join()
        return 2 * times, times, now - begun


def bulk_between_threads(ends: AbstractContextManager[Ends], seconds: float) -> Done:
    """`sendall` of 64 KiB in one thread, `recv` in another."""
    block, came = os.urandom(BLOCK), 0

    def take(far: Any) -> None:
        nonlocal came
        while data := far.recv(BLOCK):
            came += len(data)

    with ends as both, connected(both) as (near, far):
        taking = threading.Thread(target=take, args=(far,))
        taking.start()
        begun = time.perf_counter()
        end = begun + seconds
        while time.perf_counter() < end:
            near.sendall(block)
        near.shutdown(socket.SHUT_WR)
        taking.join()
        return came, 1, time.perf_counter() - begun


async def streams_echo(ends: AbstractAsyncContextManager[Ends], seconds: float) -> Done:
    """Lines of 64 bytes there and back by StreamReader and StreamWriter, both in one loop."""
    line, times = b"x" * 63 + b"\n", 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for one in reader:
            writer.write(one)
        writer.close()

    async with ends as (server, client, address), await server.start_server(answer, address, 0) as listening:
        reader, writer = await client.open_connection(address, listening.sockets[0].getsockname()[1])
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end:
            writer.write(line)
            await reader.readline()
            times += 1
        writer.close()
        await writer.wait_closed()
        return 2 * times * len(line), times, now - begun


async def streams_bulk(ends: AbstractAsyncContextManager[Ends], seconds: float) -> Done:
    """`write` and `drain` of 64 KiB at one end, `read` at the other, in one loop."""
    came, finished, block = 0, asyncio.Event(), os.urandom(BLOCK)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        while data := await reader.read(BLOCK):
            came += len(data)
        writer.close()
        finished.set()

    async with ends as (server, client, address), await server.start_server(take, address, 0) as listening:
        _, writer = await client.open_connection(address, listening.sockets[0].getsockname()[1])
        begun = time.perf_counter()
        end = begun + seconds
        while time.perf_counter() < end:
            writer.write(block)
            await writer.drain()
        writer.close()
        await finished.wait()
        return came, 1, time.perf_counter() - begun


BLOCKING: dict[str, Callable[[AbstractContextManager[Ends], float], Done]] = {
    "calls-1": partial(calls, 1),
    "calls-1k": partial(calls, 1024),
    "calls-64k": partial(calls, BLOCK),
    "threads": between_threads,
    "threads-64k": bulk_between_threads,
}
AWAITING = {"streams-echo": streams_echo, "streams-bulk": streams_bulk}


def run(row: str, on: str, seconds: float) -> Done:
    if row in BLOCKING:
        return BLOCKING[row](threaded(on), seconds)
    return asyncio.run(AWAITING[row](on_the_loop(on), seconds))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", choices=[*BLOCKING, *AWAITING])
    parser.add_argument("on", choices=(OURS, KERNEL))
    parser.add_argument("seconds", type=float)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--profile", metavar="FILE")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    run(options.row, options.on, options.seconds / 4)  # imports, caches, the congestion window's beginning
    profiles = Profiles() if options.profile else None
    before = time.process_time()
    size, times, taken = run(options.row, options.on, options.seconds)
    cpu = time.process_time() - before
    if profiles:
        profiles.write(options.profile)
    print(json.dumps({"bytes": size, "times": times, "seconds": taken, "server_cpu": cpu}))


if __name__ == "__main__":
    main()
