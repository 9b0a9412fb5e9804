"""zeroconf: services that are announced, browsed, looked up and taken back, by multicast between hosts."""

from __future__ import annotations

import asyncio
import queue
import socket

from zeroconf import ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

KIND = "_http._tcp.local."


def page(host):
    return ServiceInfo(
        KIND,
        f"page.{KIND}",
        addresses=[socket.inet_aton(host.ip)],
        port=80,
        properties={"path": "/"},
        server="web.local.",
    )


def test_asyncio(scene):
    async def main():
        loop = asyncio.get_running_loop()
        seen = asyncio.Queue()
        with scene.on(scene.server):
            here = AsyncZeroconf(interfaces=[scene.server.ip])
        with scene.on(scene.client):
            there = AsyncZeroconf(interfaces=[scene.client.ip])
            browser = AsyncServiceBrowser(
                there.zeroconf, KIND, handlers=[lambda name, state_change, **_: seen.put_nowait((name, state_change))]
            )
        await (await here.async_register_service(page(scene.server)))
        async with asyncio.timeout(60):
            assert await seen.get() == (f"page.{KIND}", ServiceStateChange.Added)
            found = AsyncServiceInfo(KIND, f"page.{KIND}")
            assert await found.async_request(there.zeroconf, 10_000)
            assert (found.parsed_addresses(), found.port) == ([scene.server.ip], 80)
            assert found.properties == {b"path": b"/"}
            await (await here.async_unregister_service(page(scene.server)))
            while await seen.get() != (f"page.{KIND}", ServiceStateChange.Removed):
                pass
        await browser.async_cancel()
        await there.async_close()
        await here.async_close()
        assert loop is asyncio.get_running_loop()

    scene.lan.run(main())


def test_threads(virtual):
    """Its loop is in a thread of its own."""
    scene = virtual
    with scene.on(scene.server):
        here = Zeroconf(interfaces=[scene.server.ip])
        here.register_service(page(scene.server))
    with scene.on(scene.client):
        seen = queue.Queue()
        there = Zeroconf(interfaces=[scene.client.ip])
        browser = ServiceBrowser(there, KIND, handlers=[lambda name, **_: seen.put(name)])
        assert seen.get(timeout=60) == f"page.{KIND}"
        found = there.get_service_info(KIND, f"page.{KIND}", 10_000)
        assert found.parsed_addresses() == [scene.server.ip]
        browser.cancel()
        there.close()
    with scene.on(scene.server):
        here.close()
