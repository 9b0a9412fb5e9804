"""Libraries as they are on a TAP, with the kernel's programs at its other end: curl, redis-server, mosquitto."""

from __future__ import annotations

import asyncio
import queue
import ssl
import subprocess

import aiohttp.web
import paho.mqtt.client as mqtt
import pytest
import redis
import redis.asyncio
import trustme
import uvicorn

import netif
from tests.host.conftest import KERNEL_IP, OUR_IP
from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

BULK = bytes(range(256)) * 4000
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def host(join):
    return join()


async def echo(scope, receive, send):
    """An ASGI application that streams back what comes."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-from", scope["client"][0].encode())]})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def curl(ns, *words, data=b""):
    """Its output; the upload is its input."""
    command = ns.command("curl", "-sS", "--max-time", "20", "--data-binary", "@-", "-H", "Expect:", *words)
    asked = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = await asked.communicate(data)
    assert asked.returncode == 0
    return out


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_curl_asks_uvicorn(host, ns, tmp_path, secure):
    authority = trustme.CA()
    authority.issue_cert(OUR_IP).private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = {"port": 443, "ssl_certfile": tmp_path / "both.pem"} if secure else {"port": 80}
    url = f"http{'s' * secure}://{OUR_IP}/"

    @netif.use(host)
    async def main():
        config = uvicorn.Config(echo, "0.0.0.0", http="h11", ws="none", lifespan="off", log_level="error", **options)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        assert await curl(ns, "--cacert", str(tmp_path / "ca.pem"), url, data=BULK) == BULK
        answer = await curl(ns, "--cacert", str(tmp_path / "ca.pem"), "-i", url, url, data=b"twice")
        assert answer.count(f"x-from: {KERNEL_IP}".encode()) == 2
        server.should_exit = True
        await serving

    asyncio.run(main())


def test_curl_asks_aiohttp(host, ns):
    async def reverse(request):
        return aiohttp.web.Response(body=(await request.read())[::-1])

    @netif.use(host)
    async def main():
        application = aiohttp.web.Application(client_max_size=1 << 21)
        application.add_routes([aiohttp.web.post("/", reverse)])
        runner = aiohttp.web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        await aiohttp.web.TCPSite(runner, port=80).start()
        assert await curl(ns, f"http://{OUR_IP}/", data=BULK) == BULK[::-1]
        await runner.cleanup()

    asyncio.run(main())


@pytest.fixture
def redis_server(ns, tmp_path):
    words = ["--bind", KERNEL_IP, "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    ns.start("redis-server", *words, **QUIET)
    wait_until(lambda: ":6379 " in ns.exec("ss", "-Htln").stdout, what="redis-server's start")


def test_redis_py_asks_redis_server(host, redis_server):
    with netif.use(host), redis.Redis(KERNEL_IP, socket_timeout=20) as store:
        assert store.ping()
        store.set("bulk", BULK)
        assert store.get("bulk") == BULK
        with store.pipeline() as many:
            for n in range(1000):
                many.incrby("sum", n)
            assert many.execute()[-1] == sum(range(1000))
        assert store.client_info()["addr"].startswith(f"{OUR_IP}:")
        with store.pubsub(ignore_subscribe_messages=True) as news:
            news.subscribe("news")
            assert news.get_message(timeout=20) is None  # that it has subscribed
            store.publish("news", "rain")
            assert news.get_message(timeout=20)["data"] == b"rain"
        assert store.blpop("nothing", timeout=0.1) is None


def test_redis_py_asks_it_by_asyncio(host, redis_server):
    @netif.use(host)
    async def main():
        async with redis.asyncio.Redis(host=KERNEL_IP) as store:
            await store.set("bulk", BULK)
            assert await store.get("bulk") == BULK
            sums = await asyncio.gather(*(store.incr("count") for _ in range(20)))
            assert sorted(sums) == list(range(1, 21))
            waiting = asyncio.create_task(store.blpop("list", timeout=20))
            await store.rpush("list", "first")
            assert await waiting == (b"list", b"first")

    asyncio.run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_paho_talks_to_mosquitto(host, ns, tmp_path, secure):
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    authority.issue_cert(KERNEL_IP).private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    tls = f"certfile {tmp_path}/both.pem\nkeyfile {tmp_path}/both.pem\n"
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(
        f"user root\nper_listener_settings true\nlistener 1883 {KERNEL_IP}\nallow_anonymous true\n"
        f"listener 8883 {KERNEL_IP}\nallow_anonymous true\n{tls}"
    )
    ns.start("mosquitto", "-c", str(settings), **QUIET)
    wait_until(lambda: ":8883 " in ns.exec("ss", "-Htln").stdout, what="mosquitto's start")
    with netif.use(host):
        heard = queue.Queue()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "ours")
        if secure:
            client.tls_set_context(trusting)
        client.on_subscribe = lambda *_: heard.put("subscribed")
        client.on_message = lambda _c, _d, message: heard.put((message.topic, message.payload))
        client.connect(KERNEL_IP, 8883 if secure else 1883)
        client.loop_start()
        client.subscribe("weather/#", qos=2)
        assert heard.get(timeout=20) == "subscribed"
        ns.exec("mosquitto_pub", "-h", KERNEL_IP, "-t", "weather/there", "-m", "rain")
        assert heard.get(timeout=20) == ("weather/there", b"rain")
        client.publish("weather/here", BULK, qos=2).wait_for_publish(20)
        assert heard.get(timeout=20) == ("weather/here", BULK)
        client.disconnect()
        client.loop_stop()
