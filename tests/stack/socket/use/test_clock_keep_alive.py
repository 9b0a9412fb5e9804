"""A synchronous library's keep-alive fires in virtual time: paho-mqtt, whose thread selects on its sockets.

The broker here is as much of one as that takes (MQTT 3.1.1: 3.1 CONNECT, 3.2 CONNACK, 3.12 PINGREQ, 3.13 PINGRESP).
"""

from __future__ import annotations

import time

import pytest

import netif
from components.lan import Lan

mqtt = pytest.importorskip("paho.mqtt.client")


def broker(host, heard, answers=True):
    """Serve one client; note when it pings."""

    def exactly(connection, size):
        data = b""
        while len(data) < size:
            more = connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def serve():
        with host.create_server(("", 1883)) as listener:
            connection, _ = listener.accept()
            with connection:
                try:
                    while True:
                        kind, size = exactly(connection, 2)
                        exactly(connection, size)
                        heard.append((kind >> 4, round(host.lan.now())))
                        if kind >> 4 == 1:
                            connection.sendall(b"\x20\x02\x00\x00")
                        elif kind >> 4 == 12 and answers:
                            connection.sendall(b"\xd0\x00")
                except EOFError:
                    heard.append(("gone", round(host.lan.now())))

    return serve


@pytest.fixture
def lan():
    with Lan(seed=7) as lan:
        yield lan


def client_of(events):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *arguments: events.append("connected")
    client.on_disconnect = lambda *arguments: events.append(("disconnected", round(time.monotonic())))
    return client


def test_pings_go_out_when_nothing_else_does(lan):
    server, host = lan.host("broker"), lan.host("client", delay="20ms")
    heard, events = [], []
    server.spawn(broker(server, heard))
    lan.run_for(0)
    with netif.use(host, clock=True, modules=[mqtt]):
        client = client_of(events)
        client.connect(server.ip, keepalive=60)
        client.loop_start()
        time.sleep(250)
        client.disconnect()
        client.loop_stop()
    lan.run_for(1)
    assert events[0] == "connected"
    pings = [when for kind, when in heard if kind == 12]
    assert len(pings) == 4
    assert all(55 <= later - earlier <= 65 for earlier, later in zip([0, *pings], pings, strict=False))
    assert heard[-1][0] == "gone"


def test_a_broker_that_falls_silent_is_found_out(lan):
    server, host = lan.host("broker"), lan.host("client")
    heard, events = [], []
    server.spawn(broker(server, heard, answers=False))
    lan.run_for(0)

    def program():
        with netif.use(host, clock=True, modules=[mqtt]):
            client = client_of(events)
            client.connect(server.ip, keepalive=60)
            client.reconnect_delay_set(1000)
            client.loop_start()
            time.sleep(200)
            client.disconnect()
            client.loop_stop()

    task = host.spawn(program)
    lan.run_until(task.done)
    assert events[0] == "connected"
    assert events[1][0] == "disconnected"
    assert 110 <= events[1][1] <= 130
