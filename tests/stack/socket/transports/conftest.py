"""Scenes of two hosts, on asyncio's loop and on uvloop's, and protocols that keep what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from netif import Lan

PATIENCE = 30  # seconds; for what takes milliseconds unless it is broken


class Recorder(asyncio.Protocol):
    """Keeps what it is told; `keep_open` is what it answers to the peer's end."""

    def __init__(self, keep_open: bool = False) -> None:
        self.said: list[Any] = []
        self.got = bytearray()
        self.keep_open = keep_open
        self.ended = asyncio.get_running_loop().create_future()  # connection_lost
        self.changed = asyncio.Event()  # something was told

    def tell(self, what):
        self.said.append(what)
        self.changed.set()

    async def until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def has(self, count):
        await self.until(lambda: len(self.got) >= count)
        return bytes(self.got)

    def connection_made(self, transport):
        self.transport = transport
        self.tell("made")

    def data_received(self, data):
        self.got += data
        self.changed.set()

    def eof_received(self):
        self.tell("eof")
        return self.keep_open

    def connection_lost(self, error):
        self.tell(("lost", error))
        if not self.ended.done():
            self.ended.set_result(error)

    def pause_writing(self):
        self.tell("pause")

    def resume_writing(self):
        self.tell("resume")


class Echo(Recorder):
    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


class Buffered(Recorder, asyncio.BufferedProtocol):
    """The same, into a buffer of its own."""

    def __init__(self, size=1 << 16, **options):
        super().__init__(**options)
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data_received(bytes(self.buffer[:nbytes]))


class Run:
    """Plays a scene `async def scene(server, client)` with the hosts of a Lan, on a loop of its own."""

    def __init__(self, factory):
        self.factory = factory

    def __call__(
        self,
        scene: Callable[..., Awaitable[None]],
        *,
        clock: Any = "asyncio",
        debug: bool = False,
        **faults: Any,
    ) -> list[dict[str, Any]]:
        """What the loop's exception handler was told."""
        told: list[dict[str, Any]] = []

        async def whole():
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
            async with asyncio.timeout(PATIENCE):
                async with Lan(seed=1, clock=clock) as lan:
                    await scene(lan.host("server"), lan.host("client", **faults))
                await asyncio.sleep(0)  # what the end of the network had to say

        with asyncio.Runner(loop_factory=self.factory, debug=debug) as runner:
            runner.run(whole())
        return told


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    return Run(None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop)


@pytest.fixture
def run_asyncio():
    return Run(None)


async def meet(server, client, theirs=Echo, ours=Recorder, **options):
    """(the server, the server's protocol, the client's protocol) of a fresh connection to port 7. Hosts or stacks."""
    accepted = []

    def made():
        accepted.append(theirs())
        return accepted[-1]

    serving = await server.aio.create_server(made, None, 7)
    _, protocol = await client.aio.create_connection(ours, "127.0.0.1" if server is client else server.ip, 7, **options)
    while not accepted:
        await asyncio.sleep(0.001)
    await accepted[0].until(lambda: "made" in accepted[0].said)
    return serving, accepted[0], protocol


async def hang_up(serving, *protocols):
    """Close all, and wait until they are told."""
    serving.close()
    for protocol in protocols:
        protocol.transport.close()
    for protocol in protocols:
        await protocol.ended
    await serving.wait_closed()
