"""A seed repeats what libraries do, byte for byte: two runs give one capture."""

from __future__ import annotations

import asyncio
import http.server
import threading

import aiohttp
import pytest
import requests
from aiohttp import web

import netif
from netif import Lan


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)  # with the date
        self.end_headers()
        self.wfile.write(self.path.encode() * 5000)

    def log_message(self, *arguments):
        pass


def by_threads(lan, server, client):
    with netif.use(server, clock=True):
        pages = http.server.ThreadingHTTPServer(("", 80), Page)
        serving = threading.Thread(target=pages.serve_forever)
        serving.start()
        with netif.use(client, clock=True), requests.Session() as session:
            session.trust_env = False
            got = []

            def get(n):
                got.append(session.get(f"http://server/{n}"))

            asking = [threading.Thread(target=get, args=[n]) for n in range(5)]
            for each in asking:
                each.start()
            for each in asking:
                each.join()
            assert {len(each.content) for each in got} == {10_000}
        pages.shutdown()
        serving.join()
        pages.server_close()


def by_asyncio(lan, server, client):
    async def page(request):
        await asyncio.sleep(0.1)
        return web.Response(text=request.path * 5000)

    async def main():
        with netif.use(server, clock=True):
            application = web.Application()
            application.add_routes([web.get("/{n}", page)])
            runner = web.AppRunner(application, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, port=80).start()
            with netif.use(client, clock=True):
                async with aiohttp.ClientSession() as session:

                    async def get(n):
                        async with session.get(f"http://server/{n}") as answer:
                            return len(await answer.text())

                    assert await asyncio.gather(*map(get, range(5))) == [10_000] * 5
            await runner.cleanup()
            await asyncio.sleep(1)

    lan.run(main())


@pytest.mark.parametrize("program", [by_threads, by_asyncio])
def test_two_runs_are_one(program, tmp_path):
    captures = []
    for n, seed in enumerate((3, 3, 4)):
        path = tmp_path / f"{n}.pcapng"
        with Lan(seed=seed, pcapng=path) as lan:
            program(lan, lan.host("server"), lan.host("client", loss="10%", delay="10ms"))
        captures.append(path.read_bytes())
    assert captures[0] == captures[1] != captures[2]
