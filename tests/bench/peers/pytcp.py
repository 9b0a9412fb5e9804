"""echo, discard and chargen over TCP and echo over UDP on pmd-pytcp, the living fork of PyTCP, for tests.bench.peers.

Runs in an environment of its own, which has that package and nothing of ours: `python pytcp.py TAP ADDRESS/BITS`. Both
are GPL: nothing here is imported by netif, nor installed with it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pmd_net_addr import Ip4IfAddr  # type: ignore[import-not-found]
from pmd_pytcp import stack  # type: ignore[import-not-found]
from pmd_pytcp.socket import AddressFamily, SocketType, socket  # type: ignore[import-not-found]

ECHO, DISCARD, CHARGEN = 7, 9, 19
BLOCK = 1 << 16
AHEAD = 1 << 20  # bytes
CHARACTERS = bytes(32 + at % 95 for at in range(BLOCK))


async def send_all(connection: Any, data: bytes) -> None:
    """It takes whatever it is given; so that its buffer does not grow for ever, this waits for what is on its way."""
    while len(connection._tcp_session._tx.buffer) > AHEAD:
        await asyncio.sleep(0.001)
    await connection.send(data)


async def echo(connection: Any) -> None:
    while data := await connection.recv(BLOCK):
        await send_all(connection, data)


async def discard(connection: Any) -> None:
    while await connection.recv(BLOCK):
        pass


async def chargen(connection: Any) -> None:
    while True:
        await send_all(connection, CHARACTERS)


async def serve(port: int, handle: Callable[[Any], Awaitable[None]]) -> None:
    listener = socket(AddressFamily.INET4, SocketType.STREAM)
    listener.bind(("0.0.0.0", port))
    listener.listen(backlog=128)
    running: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await listener.accept()
        task = asyncio.create_task(to_its_end(connection, handle))
        running.add(task)
        task.add_done_callback(running.discard)


async def to_its_end(connection: Any, handle: Callable[[Any], Awaitable[None]]) -> None:
    try:
        await handle(connection)
    except OSError:
        pass  # the peer is gone: how each of chargen's ends
    finally:
        connection.close()


async def echo_datagrams() -> None:
    receiver = socket(AddressFamily.INET4, SocketType.DGRAM)
    receiver.bind(("0.0.0.0", ECHO))
    while True:
        data, source = await receiver.recvfrom()
        await receiver.sendto(data, source)


async def main(tap: str, address: str) -> None:
    stack.LOG__CHANNEL.clear()
    interface = stack.initialize_interface__tap(tap)
    stack.init(**interface, ip4_host=Ip4IfAddr(address), ip4_dhcp=False, ip6_support=False)
    await stack.start()
    services = [serve(ECHO, echo), serve(DISCARD, discard), serve(CHARGEN, chargen), echo_datagrams()]
    tasks = [asyncio.create_task(service) for service in services]
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
