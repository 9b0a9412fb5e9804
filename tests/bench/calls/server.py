"""Web servers as people write them, unmodified: on a stack of ours by `netif.use`, or on the kernel's sockets.

`python -m tests.bench.calls.server PROGRAM ours|kernel --netns NS [--wire WIRE] [--cpu N]` says "ready", and serves
until its standard input ends. "/" is a hundred bytes, "/large" a mebibyte.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import os
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tests.bench.profiles import Profiles
from tests.host.namespaces import enter_netns, in_netns

PORT = 8080
PAGES = {"/": b"hello, world, for a hundred bytes: " + b"." * 65, "/large": bytes(1 << 20)}
OURS, KERNEL = "ours", "kernel"
Serve = Callable[[], Awaitable[None]]


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one write: else Nagle's rule decides

    def do_GET(self) -> None:
        page = PAGES[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments: object) -> None:
        pass


def by_threads(context: ssl.SSLContext | None = None) -> None:
    with http.server.ThreadingHTTPServer(("", PORT), Pages) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        ready()
        server.shutdown()
        serving.join()


def with_tls() -> None:
    import trustme

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    by_threads(context)


async def by_aiohttp() -> None:
    from aiohttp import web

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=PAGES[request.path])

    application = web.Application()
    application.add_routes([web.get(path, page) for path in PAGES])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", PORT).start()
    await asyncio.to_thread(ready)
    await runner.cleanup()


async def by_uvicorn() -> None:
    import uvicorn

    async def page(scope: Any, receive: Any, send: Any) -> None:
        body = PAGES[scope["path"]]
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(page, host="0.0.0.0", port=PORT, log_level="critical", lifespan="off", http="h11")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(ready)
    server.should_exit = True
    await serving


THREADS: dict[str, Callable[[], None]] = {"http.server": by_threads, "https": with_tls}
LOOPS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"aiohttp": by_aiohttp, "uvicorn": by_uvicorn}


def ready() -> None:
    """Until whoever measures closes our standard input."""
    print("ready", flush=True)
    sys.stdin.read()


def serve_threads(program: str, wire: Any, ip: str) -> None:
    from netif import Netif, Stack, use

    with Stack() as host, Netif(wire, stack=host, ip=ip), use(host):
        THREADS[program]()


async def serve_loop(program: str, wire: Any, ip: str) -> None:
    from netif import AsyncioRuntime, Netif, Stack, use

    async with Stack(runtime=AsyncioRuntime()) as host, Netif(wire, stack=host, ip=ip):
        with use(host):
            await LOOPS[program]()


def serve(program: str, wire: Any, ip: str) -> None:
    """On the kernel where there is no wire."""
    if program in THREADS:
        THREADS[program]() if wire is None else serve_threads(program, wire, ip)
    else:
        asyncio.run(LOOPS[program]() if wire is None else serve_loop(program, wire, ip))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=[*THREADS, *LOOPS])
    parser.add_argument("on", choices=(OURS, KERNEL))
    parser.add_argument("--netns", required=True)
    parser.add_argument("--wire", default="tap:tap0")
    parser.add_argument("--ip", default="192.168.5.100/24")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--profile", metavar="FILE")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    wire = None
    if options.on == KERNEL:
        enter_netns(options.netns)
    else:
        from netif import open_wire

        wire = in_netns(options.netns, lambda: open_wire(options.wire))
    profiles = Profiles() if options.profile else None
    serve(options.program, wire, options.ip)
    if profiles:
        profiles.write(options.profile)


if __name__ == "__main__":
    main()
