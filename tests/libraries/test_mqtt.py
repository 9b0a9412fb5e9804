"""paho-mqtt and amqtt: a broker, publishers and subscribers, keep-alives, wills, TLS."""

from __future__ import annotations

import asyncio
import queue
import socket
import time
from contextlib import asynccontextmanager, contextmanager

import paho.mqtt.client as mqtt
import pytest
from amqtt.broker import Broker
from amqtt.client import MQTTClient

PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


@asynccontextmanager
async def broker(**more):
    listener = {"type": "tcp", "bind": "0.0.0.0:1883", **more}
    made = Broker({"listeners": {"default": listener}, "plugins": PLUGINS})
    await made.start()
    try:
        yield made
    finally:
        await made.shutdown()


@contextmanager
def paho(scene, host, name, **options):
    """A client of paho's with its thread, and a queue of what it was told."""
    with scene.on(host, "paho.mqtt.client"):
        heard = queue.Queue()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, **options)
        client.on_connect = lambda *_: heard.put("connected")
        client.on_subscribe = lambda *_: heard.put("subscribed")
        client.on_message = lambda _c, _d, message: heard.put((message.topic, message.payload))
        client.on_disconnect = lambda *_: heard.put("disconnected")
        yield client, heard
        client.disconnect()
        client.loop_stop()


def test_paho_publishes_and_hears_by_amqtts_broker(scene):
    with scene.serving_in_a_loop(broker), paho(scene, scene.client, "one") as (client, heard):
        client.connect("server", keepalive=60)
        client.loop_start()
        assert heard.get(timeout=60) == "connected"
        client.subscribe("weather/#", qos=2)
        assert heard.get(timeout=60) == "subscribed"
        for qos in range(3):
            client.publish("weather/here", f"rain {qos}" * 5000, qos=qos).wait_for_publish(60)
            assert heard.get(timeout=60) == ("weather/here", f"rain {qos}".encode() * 5000)


def test_pahos_keep_alives_keep_it_and_a_silent_server_is_noticed(virtual):
    with virtual.serving_in_a_loop(broker), paho(virtual, virtual.client, "one") as (client, heard):
        client.connect("server", keepalive=30)
        client.loop_start()
        assert heard.get() == "connected"
        with pytest.raises(queue.Empty):
            heard.get(timeout=1000)
        client.publish("here", "still", qos=1).wait_for_publish()
        virtual.server.netif.unplug()
        gone = time.monotonic()
        assert heard.get() == "disconnected"
        assert 30 <= time.monotonic() - gone <= 61


def test_paho_comes_back_when_the_broker_does(virtual):
    with virtual.serving_in_a_loop(broker), paho(virtual, virtual.client, "one") as (client, heard):
        client.on_connect = lambda it, *_: (heard.put("connected"), it.subscribe("news", qos=1))
        client.connect("server", keepalive=30)
        client.loop_start()
        assert [heard.get(), heard.get()] == ["connected", "subscribed"]
        virtual.server.netif.unplug()
        assert heard.get() == "disconnected"
        time.sleep(1000)
        assert not client.is_connected()
        virtual.server.netif.replug()
        while heard.get() != "subscribed":  # by one of the next attempts
            pass
        client.publish("news", "back", qos=1).wait_for_publish()
        assert heard.get() == ("news", b"back")


def test_a_will_is_sent_when_a_connection_ends_without_a_word(scene):
    """MQTT 3.1.1 3.1.2.5."""
    with scene.serving_in_a_loop(broker), paho(scene, scene.server, "watcher") as (watcher, seen):
        watcher.connect("127.0.0.1")
        watcher.loop_start()
        assert seen.get(timeout=60) == "connected"
        watcher.subscribe("gone")
        assert seen.get(timeout=60) == "subscribed"
        with paho(scene, scene.client, "one", reconnect_on_failure=False) as (client, heard):
            client.will_set("gone", "one")
            client.connect("server")
            client.loop_start()
            assert heard.get(timeout=60) == "connected"
            client.socket().shutdown(socket.SHUT_RDWR)
            assert heard.get(timeout=60) == "disconnected"
            assert seen.get(timeout=60) == ("gone", b"one")


def test_paho_by_tls(scene, trust, tmp_path):
    trust.certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    path = str(tmp_path / "both.pem")

    def site():
        return broker(bind="0.0.0.0:8883", ssl=True, certfile=path, keyfile=path)

    with scene.serving_in_a_loop(site), paho(scene, scene.client, "one") as (client, heard):
        client.tls_set_context(trust.client)
        client.connect("server", 8883)
        client.loop_start()
        assert heard.get(timeout=60) == "connected"
        client.subscribe("bulk")
        assert heard.get(timeout=60) == "subscribed"
        client.publish("bulk", b"." * 200_000)
        assert heard.get(timeout=60) == ("bulk", b"." * 200_000)


def test_amqtts_client_in_the_loop_of_its_broker(scene):
    async def main():
        with scene.on(scene.server):
            async with broker():
                with scene.on(scene.client):
                    client = MQTTClient(config={"auto_reconnect": False})
                    await client.connect("mqtt://server/")
                    await client.subscribe([("weather/#", 1)])
                    for n in range(10):
                        await client.publish("weather/here", b"%d" % n, qos=1)
                    for n in range(10):
                        async with asyncio.timeout(60):
                            message = await client.deliver_message()
                        assert message.data == b"%d" % n
                    await client.disconnect()
            await scene.settle()

    scene.lan.run(main())
