"""Libraries as they are, on two hosts of one process: `scene` is in real time over a memory wire, and in virtual time
over one that loses and delays. What a test says is the same in both."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import pytest
import trustme

import netif
from netif import Host, Lan


class Scene(NamedTuple):
    lan: Lan
    server: Host
    client: Host
    virtual: bool

    def on(self, host: Host, *modules: str) -> AbstractContextManager[Any]:
        """Code in it means that host, and the scene's time; `modules` have taken names of theirs before."""
        return netif.use(host, clock=self.virtual, modules=modules)

    async def settle(self) -> None:
        """Where a library does not wait for the ends of its connections."""
        await asyncio.sleep(10 if self.virtual else 0.2)

    @contextmanager
    def serving(self, serve: Callable[[], Any], stop: Callable[[], Any]) -> Iterator[None]:
        """`serve`, in a thread of the server, until `stop`."""
        with self.on(self.server):
            thread = threading.Thread(target=serve)
            thread.start()
        try:
            yield
        finally:
            with self.on(self.server):
                stop()
                thread.join()

    @contextmanager
    def serving_in_a_loop(self, site: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[Any]:
        """What is entered in a loop of its own, in a thread of the server."""
        with self.on(self.server):
            loops: queue.Queue[Any] = queue.Queue()

        async def main() -> None:
            async with site() as made:
                end = asyncio.Event()
                loops.put((made, asyncio.get_running_loop(), end))
                await end.wait()
            await self.settle()

        def run() -> None:
            try:
                asyncio.run(main())
            finally:
                loops.put(None)  # for whoever still waits for it to start

        thread = threading.Thread(target=run)
        with self.on(self.server):
            thread.start()
            made, loop, end = loops.get()
        try:
            yield made
        finally:
            with self.on(self.server):
                loop.call_soon_threadsafe(end.set)
                thread.join()


def make_scene(clock: str) -> Iterator[Scene]:
    virtual = clock == "virtual"
    cable: dict[str, Any] = {"loss": "5%", "delay": "10ms"} if virtual else {}
    with Lan(seed=8, clock=clock) as lan:
        scene = Scene(lan, lan.host("server"), lan.host("client", **cable), virtual)
        with scene.on(scene.server), netif.use(None):  # while threads and tasks live, a scope has to be open
            yield scene


@pytest.fixture(params=["real", "virtual"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    yield from make_scene(request.param)


@pytest.fixture
def virtual() -> Iterator[Scene]:
    yield from make_scene("virtual")


class Trust(NamedTuple):
    """A server named "server", and clients that believe it."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    authority: trustme.CA
    certificate: trustme.LeafCert


@pytest.fixture(scope="session")
def trust() -> Trust:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    certificate = authority.issue_cert("server", key_type=trustme.KeyType.ECDSA)
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    certificate.configure_cert(server)
    authority.configure_trust(client)
    return Trust(server, client, authority, certificate)
