"""uvicorn and httpx on asyncio: an ASGI application behind h11, streamed both ways, over HTTPS too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

BULK = bytes(range(256)) * 800


async def application(scope, receive, send):
    """It streams back what comes, and says whence."""
    assert scope["type"] == "http"
    whence = ("x-from", scope["client"][0]), ("x-scheme", scope["scheme"])
    await send({"type": "http.response.start", "status": 200, "headers": [(a.encode(), b.encode()) for a, b in whence]})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


@asynccontextmanager
async def site(scene, **options):
    with scene.on(scene.server):
        config = uvicorn.Config(
            application, "0.0.0.0", http="h11", ws="none", lifespan="off", log_level="error", **options
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_pages(scene, trust, tmp_path, secure):
    options = {"port": 80}
    if secure:
        trust.certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
        options = {"port": 443, "ssl_certfile": tmp_path / "both.pem"}

    async def main():
        async with site(scene, **options):
            with scene.on(scene.client):
                async with httpx.AsyncClient(verify=trust.client, trust_env=False, timeout=60) as client:
                    url = "https://server/" if secure else "http://server/"
                    for body in (b"hello", BULK):
                        answer = await client.post(url, content=body)
                        assert answer.content == body
                        assert answer.headers["x-from"] == scene.client.ip
                        assert answer.headers["x-scheme"] == url.partition(":")[0]

    scene.lan.run(main())


def test_idle_connections_are_closed_in_time(virtual):
    async def main():
        async with site(virtual, port=80, timeout_keep_alive=30):
            with virtual.on(virtual.client):
                reader, writer = await asyncio.open_connection("server", 80)
                writer.write(b"GET / HTTP/1.1\r\nHost: server\r\n\r\n")
                before = asyncio.get_running_loop().time()
                assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
                assert 30 <= asyncio.get_running_loop().time() - before < 31
                writer.close()
                await writer.wait_closed()

    virtual.lan.run(main())
