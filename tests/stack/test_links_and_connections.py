"""What a connection lives by: its address, not its link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from stack.endpoint import Endpoint
from stack.stack import Stack
from tapio.memory import pair
from tests.stack.rig import address

LEFT, RIGHT = address("10.0.0.1"), address("10.0.0.2")


class Scene(NamedTuple):
    runtime: VirtualRuntime
    left: Netif
    right: Netif
    client: Any  # on the left
    server: Any

    def do(self, act: Callable[[], Any]) -> Any:
        self.runtime.enter()
        try:
            return act()
        finally:
            self.runtime.leave()

    def hears(self, end: Any, data: bytes) -> None:
        self.runtime.run_until(end.readable, 60)
        assert end.read(100) == data


@pytest.fixture
def scene() -> Iterator[Scene]:
    runtime = VirtualRuntime(seed=1)
    one, other = pair()
    with (
        Stack("left", runtime=runtime) as left,
        Stack("right", runtime=runtime) as right,
        Netif(one, stack=left, ip="10.0.0.1/24") as left_netif,
        Netif(other, stack=right, ip="10.0.0.2/24") as right_netif,
    ):
        runtime.enter()
        listener = right.tcp.listen((None, 7), 5)
        client = left.tcp.connect((None, 0), (RIGHT, 7))
        runtime.leave()
        runtime.run_until(listener.readable)
        runtime.enter()
        server = listener.accept()
        runtime.leave()
        assert client.connected()
        yield Scene(runtime, left_netif, right_netif, client, server)
    runtime.check()
    runtime.close()


def test_a_connection_outlives_a_link_that_comes_back(scene: Scene):
    scene.left.disconnected()
    scene.do(lambda: scene.client.write(b"hello"))
    scene.runtime.run_for(3.0)
    assert scene.client.connected()
    assert scene.left.stack is not None
    scene.left.connected()
    scene.hears(scene.server, b"hello")


def test_a_connection_ends_with_its_address_and_the_peer_is_told(scene: Scene):
    scene.left.set_ip_info("0.0.0.0")
    with pytest.raises(ConnectionAbortedError):
        scene.client.read(1)
    scene.runtime.run_until(scene.server.readable)
    with pytest.raises(ConnectionResetError):
        scene.server.read(1)


def test_a_connection_ends_with_its_interface(scene: Scene):
    scene.left.close(0)
    with pytest.raises(OSError, match="Network is down"):
        scene.client.read(1)
    scene.runtime.run_until(scene.server.readable)
    with pytest.raises(ConnectionResetError):
        scene.server.read(1)


def test_an_address_that_is_only_set_again_changes_nothing(scene: Scene):
    scene.left.set_ip_info("10.0.0.1/24")
    scene.do(lambda: scene.client.write(b"hello"))
    scene.hears(scene.server, b"hello")


def test_a_connection_to_nobody_is_told_so(scene: Scene):
    stack: Any = scene.left.stack
    connection: Endpoint = scene.do(lambda: stack.tcp.connect((None, 0), (address("10.0.0.9"), 7)))
    began = scene.runtime.now()
    scene.runtime.run_until(connection.writable)
    assert scene.runtime.now() - began == pytest.approx(3.0)
    assert isinstance(connection.error, OSError)
    assert str(connection.error) == "[Errno 113] No route to host"


def test_a_stack_talks_tcp_with_itself(scene: Scene):
    stack: Any = scene.right.stack
    connection = scene.do(lambda: stack.tcp.connect((None, 0), (address("127.0.0.1"), 7)))
    scene.runtime.run_until(connection.connected)
    assert connection.local[0] == connection.remote[0] == address("127.0.0.1")
    payload = bytes(range(256)) * 2000
    listener = next(iter(stack.tcp.listeners.values()))
    accepted = scene.do(listener.accept)
    sent, received = 0, b""
    while len(received) < len(payload):
        sent += scene.do(lambda: connection.write(payload[sent:]))  # noqa: B023 - called at once
        scene.runtime.run_until(accepted.readable)
        received += scene.do(lambda: accepted.read(1 << 20)) or b""
    assert received == payload
    assert stack.stats["internal_error"] == 0
