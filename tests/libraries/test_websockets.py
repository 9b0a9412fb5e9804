"""websockets: its asyncio server and client, its threaded ones, and one with the other."""

from __future__ import annotations

import asyncio
import time

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

LONG = "x" * 150_000


async def shout(talk):
    async for message in talk:
        await talk.send(message.upper())


def shout_in_a_thread(talk):
    for message in talk:
        talk.send(message.upper())


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_asyncio(scene, trust, secure):
    url, port = ("wss://server", 443) if secure else ("ws://server:80", 80)
    contexts = (trust.server, trust.client) if secure else (None, None)

    async def main():
        with scene.on(scene.server):
            server = await websockets.asyncio.server.serve(shout, "0.0.0.0", port, ssl=contexts[0])
        with scene.on(scene.client):
            async with websockets.asyncio.client.connect(url, ssl=contexts[1], proxy=None) as talk:
                for word in ("hello", LONG):
                    await talk.send(word)
                    assert await talk.recv() == word.upper()
                assert talk.remote_address == (scene.server.ip, port)
                assert 0 <= await (await talk.ping()) < 5
        server.close()
        await server.wait_closed()

    scene.lan.run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_threads(scene, trust, secure):
    url, port = ("wss://server", 443) if secure else ("ws://server:80", 80)
    with scene.on(scene.server):
        server = websockets.sync.server.serve(shout_in_a_thread, "0.0.0.0", port, ssl=trust.server if secure else None)
    with scene.serving(server.serve_forever, server.shutdown), scene.on(scene.client):
        talk = websockets.sync.client.connect(url, ssl=trust.client if secure else None, proxy=None)
        with talk:
            for word in ("hello", LONG):
                talk.send(word)
                assert talk.recv(timeout=60) == word.upper()


def test_a_threaded_client_asks_an_asyncio_server(scene):
    def site():
        return websockets.asyncio.server.serve(shout, "0.0.0.0", 80)

    with scene.serving_in_a_loop(site), scene.on(scene.client):
        talk = websockets.sync.client.connect("ws://server:80", proxy=None)
        with talk:
            talk.send(LONG)
            assert talk.recv(timeout=60) == LONG.upper()


def test_an_asyncio_client_finds_out_that_the_server_is_silent(virtual):
    async def main():
        with virtual.on(virtual.server):
            server = await websockets.asyncio.server.serve(shout, "0.0.0.0", 80)
        with virtual.on(virtual.client):
            async with websockets.asyncio.client.connect("ws://server:80", proxy=None) as talk:
                await asyncio.sleep(3600)  # kept by a ping every 20 s
                await talk.send("hello")
                assert await talk.recv() == "HELLO"
                virtual.server.netif.unplug()
                with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
                    await talk.recv()
                assert 3620 < virtual.lan.now() < 3660
        server.close()
        await server.wait_closed()

    virtual.lan.run(main())


def test_a_threaded_client_finds_it_out_too(virtual):
    with virtual.on(virtual.server):
        server = websockets.sync.server.serve(shout_in_a_thread, "0.0.0.0", 80)
    with virtual.serving(server.serve_forever, server.shutdown), virtual.on(virtual.client):
        talk = websockets.sync.client.connect("ws://server:80", proxy=None)
        with talk:
            time.sleep(3600)
            talk.send("hello")
            assert talk.recv() == "HELLO"
            virtual.server.netif.unplug()
            with pytest.raises(ConnectionClosed):
                talk.recv()
            assert 3620 < time.monotonic() < 3660
