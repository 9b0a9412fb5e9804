"""What is open and what is opened when the default changes; several interfaces in one subnet. RFC 1122 3.3.1, 3.3.4."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from stack.socket import (
    SO_BINDTODEVICE,
    SOCK_DGRAM,
    SOL_SOCKET,
    inet_aton,
)
from stack.stack import Stack
from tapio.switch import Switch
from tests.stack.uplinks import FAR, Uplinks, device, tcp_by, udp_by


@pytest.fixture
def two() -> Iterator[Uplinks]:
    """`eth` is the default."""
    world = Uplinks(eth=50, wifi=10)
    world.serve()
    yield world
    world.close()


@pytest.fixture
def three() -> Iterator[Uplinks]:
    world = Uplinks(eth=50, wifi=10, modem=5)
    world.serve()
    yield world
    world.close()


# the default changes


def test_what_is_open_goes_on_when_the_default_changes_and_what_is_opened_goes_the_other_way(two: Uplinks):
    def before() -> tuple[Any, Any]:
        stream, datagrams = two.host.create_connection((FAR, 7)), two.host.socket(type=SOCK_DGRAM)
        datagrams.connect((FAR, 7))
        stream.recv(100)
        return stream, datagrams

    def both() -> list[bytes]:
        stream.send(b"still there?")
        datagrams.send(b"who")
        return [stream.recv(100), datagrams.recv(100)]

    stream, datagrams = two.do(before)
    with stream, datagrams:
        registry = two["wifi"].netif.registry
        assert registry is not None
        registry.set_default(two["wifi"].netif)
        assert two.do(both) == [b"eth-gateway", b"eth-gateway 10.0.1.2"]
        assert tcp_by(two) == "wifi-gateway 10.0.2.2"
        registry.set_default(None)
        assert tcp_by(two) == "eth-gateway 10.0.1.2"


def test_an_unplugged_default_leaves_the_way_to_the_other_and_its_connections_wait(two: Uplinks):
    def before() -> Any:
        stream = two.host.create_connection((FAR, 7))
        stream.recv(100)
        return stream

    stream = two.do(before)
    with stream:
        two["eth"].netif.disconnected()
        assert tcp_by(two) == "wifi-gateway 10.0.2.2"
        assert udp_by(two) == "wifi-gateway 10.0.2.2"

        def wait() -> bytes:
            stream.send(b"still there?")
            return bytes(stream.recv(100))

        waiting = two.runtime.spawn(wait)
        two.runtime.run_for(2.0)
        assert not waiting.done()
        two["eth"].netif.connected()
        two.runtime.run_until(waiting.done, 60)
        assert waiting.result() == b"eth-gateway"
        assert tcp_by(two) == "eth-gateway 10.0.1.2"


def test_a_connection_over_an_interface_that_is_closed_ends(two: Uplinks):
    def before() -> Any:
        stream = two.host.create_connection((FAR, 7))
        stream.recv(100)
        return stream

    with two.do(before) as stream:
        two["eth"].netif.close(0)
        with pytest.raises(OSError) as caught:
            two.do(lambda: stream.recv(100))
        assert caught.value.errno == errno.ENETDOWN
    assert tcp_by(two) == "wifi-gateway 10.0.2.2"


def test_both_uplinks_are_used_at_once(three: Uplinks):
    def ask(name: str) -> Callable[[], str]:
        def run() -> str:
            with three.host.socket() as s:
                s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name.encode())
                s.connect((FAR, 7))
                return str(s.recv(100).decode())

        return run

    tasks = [three.runtime.spawn(ask(name)) for name in ("modem", "eth", "wifi")]
    three.runtime.run_until(lambda: all(task.done() for task in tasks), 60)
    assert [task.result().split()[0] for task in tasks] == ["modem-gateway", "eth-gateway", "wifi-gateway"]


# one subnet


@pytest.fixture
def same_wire() -> Iterator[tuple[VirtualRuntime, Any, dict[str, Netif], Any]]:
    """(runtime, our host, its two netifs, the neighbour), all on one switch: 10.0.0.1 and .2, and 10.0.0.9."""
    runtime, switch = VirtualRuntime(seed=1), Switch()
    host, other = Stack("us", runtime=runtime), Stack("neighbour", runtime=runtime)
    netifs = {
        name: Netif(switch.port(), stack=host, if_key=name, ip=f"10.0.0.{number}/24", mac=f"02:00:00:00:00:0{number}")
        for number, name in enumerate(("one", "two"), 1)
    }
    with host, other, Netif(switch.port(), stack=other, ip="10.0.0.9/24"):
        yield runtime, host, netifs, other
    runtime.check()
    runtime.close()


def seen_by(runtime: VirtualRuntime, host: Any, other: Any, prepare: Callable[[Any], object]) -> tuple[str, str]:
    """Our address and MAC as the neighbour sees them."""

    def serve() -> str:
        with other.create_server(("", 7)) as listener:
            connection, peer = listener.accept()
            with connection:
                connection.recv(1)
            return str(peer[0])

    def ask() -> None:
        with host.socket() as s:
            prepare(s)
            s.connect(("10.0.0.9", 7))
            s.sendall(b"x")
            s.recv(1)

    seen, asking = runtime.spawn(serve), runtime.spawn(ask)
    runtime.run_until(lambda: seen.done() and asking.done(), 60)
    asking.result()
    address = seen.result()
    return address, other.interfaces[0].arp.entries[inet_aton(address)].mac.hex(":")


ONE, TWO = ("10.0.0.1", "02:00:00:00:00:01"), ("10.0.0.2", "02:00:00:00:00:02")


def test_of_two_interfaces_in_one_subnet_the_bound_one_or_else_the_better_speaks(same_wire: Any):
    runtime, host, netifs, other = same_wire
    assert seen_by(runtime, host, other, lambda _: None) == TWO  # the newest
    assert seen_by(runtime, host, other, device(b"one")) == ONE
    assert seen_by(runtime, host, other, lambda s: s.bind(("10.0.0.1", 0))) == ONE
    netifs["one"].set_route_prio(1)
    netifs["one"].registry.set_default(None)
    assert seen_by(runtime, host, other, lambda _: None) == ONE
    netifs["one"].disconnected()
    assert seen_by(runtime, host, other, lambda _: None) == TWO
    netifs["one"].connected()
    assert seen_by(runtime, host, other, lambda _: None) == ONE


def test_of_two_interfaces_in_one_subnet_each_is_found_by_its_own_mac(same_wire: Any):
    runtime, host, _, other = same_wire

    def ask() -> list[str]:
        macs = []
        for address, _ in (ONE, TWO):
            with other.create_connection((address, 80)):
                macs.append(other.interfaces[0].arp.entries[inet_aton(address)].mac.hex(":"))
        return macs

    with host.create_server(("", 80)):
        asking = runtime.spawn(ask)
        runtime.run_until(asking.done, 60)
        assert asking.result() == [ONE[1], TWO[1]]
