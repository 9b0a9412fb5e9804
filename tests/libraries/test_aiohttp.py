"""aiohttp's server and client: sessions, uploads, web sockets, HTTPS, time-outs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
import uvloop
from aiohttp import web

from netif import Lan
from tests.libraries.conftest import Scene

BULK = bytes(range(256)) * 800


async def who(request):
    return web.json_response(request.transport.get_extra_info("peername"))


async def reverse(request):
    return web.Response(body=(await request.read())[::-1])


async def late(request):
    await asyncio.sleep(30)
    return web.Response()


async def shout(request):
    talk = web.WebSocketResponse()
    await talk.prepare(request)
    async for message in talk:
        await talk.send_str(message.data.upper())
    return talk


@asynccontextmanager
async def site(scene, context=None, port=80):
    application = web.Application(client_max_size=1 << 20)
    application.add_routes([
        web.get("/", who), web.post("/", reverse), web.get("/late", late), web.get("/shout", shout),
    ])  # fmt: skip
    with scene.on(scene.server):
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, port=port, ssl_context=context).start()
            yield
        finally:
            await runner.cleanup()
            if context:
                await scene.settle()  # of TLS


def test_pages_and_uploads(scene):
    async def main():
        async with site(scene):
            with scene.on(scene.client):
                async with aiohttp.ClientSession() as session:
                    peers = []
                    for _ in range(2):
                        async with session.get("http://server/") as answer:
                            peers.append(await answer.json())
                    assert peers[0] == peers[1]
                    assert peers[0][0] == scene.client.ip
                    async with session.post("http://server/", data=BULK) as answer:
                        assert await answer.read() == BULK[::-1]

    scene.lan.run(main())


def test_many_at_once(scene):
    async def main():
        async with site(scene):
            with scene.on(scene.client):
                async with aiohttp.ClientSession() as session:

                    async def ask(n):
                        async with session.post("http://server/", data=f"{n:04}") as answer:
                            return await answer.text()

                    answers = await asyncio.gather(*map(ask, range(30)))
                    assert answers == [f"{n:04}"[::-1] for n in range(30)]

    scene.lan.run(main())


def test_https(scene, trust):
    async def main():
        async with site(scene, trust.server, 443):
            with scene.on(scene.client):
                connector = aiohttp.TCPConnector(ssl=trust.client)
                async with (
                    aiohttp.ClientSession(connector=connector) as session,
                    session.post("https://server/", data=BULK) as answer,
                ):
                    assert await answer.read() == BULK[::-1]

    scene.lan.run(main())


def test_web_sockets(scene):
    async def main():
        async with site(scene):
            with scene.on(scene.client):
                async with aiohttp.ClientSession() as session, session.ws_connect("http://server/shout") as talk:
                    for word in ("hello", "world" * 1000):
                        await talk.send_str(word)
                        assert await talk.receive_str() == word.upper()

    scene.lan.run(main())


def test_a_connection_is_kept_for_a_while(virtual):
    """For 15 s: aiohttp.TCPConnector's keepalive_timeout."""

    async def main():
        async with site(virtual):
            with virtual.on(virtual.client, "aiohttp.connector"):  # which has taken `monotonic`
                async with aiohttp.ClientSession() as session:
                    peers = []
                    for pause in (10, 40, 0):
                        async with session.get("http://server/") as answer:
                            peers.append(await answer.json())
                        await asyncio.sleep(pause)
                    assert peers[0] == peers[1] != peers[2]

    virtual.lan.run(main())


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_the_loop_turns_the_crank(trust, factory):
    """No thread: the hosts live on the loop of the program."""

    async def main():
        async with Lan(seed=8, clock="asyncio") as lan:
            scene = Scene(lan, lan.host("server"), lan.host("client", delay="2ms"), False)
            async with site(scene, trust.server, 443):
                with scene.on(scene.client):
                    connector = aiohttp.TCPConnector(ssl=trust.client)
                    async with aiohttp.ClientSession(connector=connector) as session:
                        for _ in range(3):
                            async with session.post("https://server/", data=BULK) as answer:
                                assert await answer.read() == BULK[::-1]

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def test_time_outs_heartbeats_and_refusals(virtual):
    async def main():
        loop = asyncio.get_running_loop()
        async with site(virtual):
            with virtual.on(virtual.client):
                async with aiohttp.ClientSession() as session:
                    with pytest.raises(aiohttp.ClientConnectorError, match="Connection refused"):
                        await session.get("http://server:81/")
                    with pytest.raises(aiohttp.ClientConnectorDNSError):
                        await session.get("http://nobody.invalid/")
                    before = loop.time()
                    with pytest.raises(asyncio.TimeoutError):
                        await session.get("http://server/late", timeout=aiohttp.ClientTimeout(total=5))
                    assert 5 <= loop.time() - before < 6
                    async with session.ws_connect("http://server/shout", heartbeat=20) as talk:
                        virtual.server.netif.unplug()  # the server is gone, without a word
                        message = await talk.receive()
                        assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
                        assert 25 < loop.time() - before < 60
                        virtual.server.netif.connected()

    virtual.lan.run(main())
