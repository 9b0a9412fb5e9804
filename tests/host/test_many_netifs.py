"""One host of ours on two TAPs, with a kernel at the end of each, or one kernel at the end of both.

Both kernels own the far address, so that whoever is reached there tells which way was taken, and from where.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.host.judge import transmitted
from tests.host.namespaces import Namespace, namespace, wait_until

pytestmark = pytest.mark.host

FAR, PORT = "203.0.113.1", 7
SUBNETS = {"one": "192.168.11", "two": "192.168.12"}


class Peer:
    """A kernel that says by TCP and UDP, at the far address, who it is and whom it sees."""

    def __init__(self, ns: Namespace, name: str, closing: ExitStack) -> None:
        self.ns, self.name = ns, name
        ns.add_tap("tap0", f"{SUBNETS[name]}.1/24")
        ns.ip("address", "add", f"{FAR}/32", "dev", "lo")
        self.listener = closing.enter_context(ns.listen(FAR, PORT))
        self.listener.settimeout(None)
        self.datagrams = closing.enter_context(ns.socket(socket.SOCK_DGRAM, None))
        self.datagrams.bind((FAR, PORT))
        for serve in (self._accept, self._answer):
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            closing.callback(thread.join, 10)
        closing.callback(self._wake)

    def _wake(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        with self.ns.socket(socket.SOCK_DGRAM) as s:
            s.sendto(b"end", (FAR, PORT))

    def _accept(self) -> None:
        while True:
            try:
                connection, (host, _) = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(f"{self.name} {host}".encode())

    def _answer(self) -> None:
        while True:
            data, peer = self.datagrams.recvfrom(100)
            if data == b"end":
                return
            self.datagrams.sendto(f"{self.name} {peer[0]}".encode(), peer)

    def silence(self) -> None:
        """Nothing that we send is taken, nothing is answered; the link stays up, and ARP works."""
        self.ns.ip("route", "add", "blackhole", f"{SUBNETS[self.name]}.100/32")

    def speak(self) -> None:
        self.ns.ip("route", "del", "blackhole", f"{SUBNETS[self.name]}.100/32")


@pytest.fixture
def host() -> Iterator[tuple[Any, dict[str, Peer], dict[str, Any]]]:
    """(our host, the kernels, our netifs); `one` is the default by its priority."""
    from netif import Netif, Stack, Tap, ThreadedRuntime

    with ExitStack() as closing:
        runtime = ThreadedRuntime(strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)
        stack = Stack("ours", runtime=runtime)
        closing.callback(stack.close, 0)
        peers, netifs = {}, {}
        for name, prio in (("one", 50), ("two", 10)):
            ns = closing.enter_context(namespace())
            peers[name] = Peer(ns, name, closing)
            subnet = SUBNETS[name]
            netifs[name] = closing.enter_context(
                Netif(
                    ns.call(lambda: Tap("tap0")),
                    stack=stack,
                    if_key=name,
                    ip=f"{subnet}.100/24",
                    gateway=f"{subnet}.1",
                    route_prio=prio,
                )
            )
            ns.settle("tap0")
        yield stack, peers, netifs


def asked(stack: Any, kind: int, prepare: Callable[[Any], object] = lambda _: None) -> str:
    """Who answers at the far address, and whom it sees."""
    with stack.socket(socket.AF_INET, kind) as s:
        s.settimeout(5)
        prepare(s)
        if kind == socket.SOCK_STREAM:
            s.connect((FAR, PORT))
        else:
            s.sendto(b"who", (FAR, PORT))
        return str(s.recv(100).decode())


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_kernels_see_what_is_bound_come_by_its_own_way(host, kind):
    stack, _, _ = host
    assert asked(stack, kind) == "one 192.168.11.100"
    assert asked(stack, kind, lambda s: s.bind(("192.168.12.100", 0))) == "two 192.168.12.100"
    for name in (b"two", b"en2"):
        bound = lambda s, name=name: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)  # noqa: E731
        assert asked(stack, kind, bound) == "two 192.168.12.100"
    assert asked(stack, kind) == "one 192.168.11.100"


def test_a_server_is_reached_by_both_and_answers_each_where_it_came_from(host):
    stack, peers, _ = host
    with stack.create_server(("", 80)) as listener:
        listener.settimeout(5)
        for name, peer in peers.items():
            with peer.ns.connect((f"{SUBNETS[name]}.100", 80)):
                connection, (came_from, _) = listener.accept()
                with connection:
                    assert came_from == f"{SUBNETS[name]}.1"
                    assert connection.getsockname()[0] == f"{SUBNETS[name]}.100"


def test_a_server_on_one_device_is_refused_by_the_other(host):
    stack, peers, _ = host
    with stack.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"two")
        listener.bind(("", 80))
        listener.listen()
        peers["two"].ns.connect(("192.168.12.100", 80)).close()
        with pytest.raises(ConnectionRefusedError):
            peers["one"].ns.connect(("192.168.11.100", 80))


def test_an_unplugged_default_gives_way_and_comes_back(host):
    stack, _, netifs = host
    netifs["one"].disconnected()
    assert asked(stack, socket.SOCK_STREAM) == "two 192.168.12.100"
    netifs["one"].connected()
    assert asked(stack, socket.SOCK_STREAM) == "one 192.168.11.100"


@pytest.mark.parametrize("how", [{"by": "ping"}, {"by": "ping", "target": FAR}])
def test_the_other_uplink_takes_over_from_a_kernel_that_falls_silent(host, how):
    from netif import ReachabilityPolicy, Reachable, Unreachable

    stack, peers, netifs = host
    assert asked(stack, socket.SOCK_STREAM) == "one 192.168.11.100"
    netifs["one"].watch_reachability(ReachabilityPolicy(interval=0.2, misses=2, answers=2, **how))
    peers["one"].silence()
    netifs["one"].wait_for(Unreachable, 10)
    assert asked(stack, socket.SOCK_STREAM) == "two 192.168.12.100"
    assert asked(stack, socket.SOCK_DGRAM) == "two 192.168.12.100"
    peers["one"].speak()
    netifs["one"].wait_for(Reachable, 10)
    assert asked(stack, socket.SOCK_STREAM) == "one 192.168.11.100"


def test_a_kernel_s_gateway_that_hides_from_pings_is_found_by_arp(host):
    from netif import ReachabilityPolicy, Reachable, Unreachable

    _, peers, netifs = host
    peer = peers["one"].ns
    peer.sysctl("net/ipv4/icmp_echo_ignore_all", 1)
    netifs["one"].watch_reachability(ReachabilityPolicy(interval=0.2, misses=2, answers=2, by="arp"))
    with pytest.raises(TimeoutError):
        netifs["one"].wait_for(Unreachable, 1.5)
    peer.ip("link", "set", "tap0", "arp", "off")
    netifs["one"].wait_for(Unreachable, 10)
    peer.ip("link", "set", "tap0", "arp", "on")
    netifs["one"].wait_for(Reachable, 10)


def test_the_kernel_reaches_a_further_address_in_a_subnet_of_its_own(host):
    stack, peers, netifs = host
    peer = peers["one"].ns
    peer.ip("address", "add", "172.31.9.1/24", "dev", "tap0")
    netifs["one"].add_address("172.31.9.7/24")
    answer = peer.exec("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", "172.31.9.7").stdout
    assert transmitted(answer) == (2, 2), answer
    with peer.listen("172.31.9.1") as listener, stack.create_connection(listener.getsockname(), timeout=5):
        taken, (came_from, _) = listener.accept()
        taken.close()
    assert came_from == "172.31.9.7"


def test_two_netifs_in_one_subnet_answer_arp_each_for_its_own_address():
    """What Linux calls ARP flux: a neighbour must not take one's MAC for the other's."""
    from netif import Netif, Stack, Tap, ThreadedRuntime

    with namespace() as ns, ExitStack() as closing:
        ns.ip("link", "add", "br0", "type", "bridge")
        ns.ip("address", "add", "192.168.13.1/24", "dev", "br0")
        ns.ip("link", "set", "br0", "up")
        runtime = ThreadedRuntime(strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)
        stack = closing.enter_context(Stack("ours", runtime=runtime))
        for number in (0, 1):
            tap = f"tap{number}"
            ns.exec("ip", "tuntap", "add", "dev", tap, "mode", "tap")
            ns.ip("link", "set", tap, "master", "br0", "up")
            driver = ns.call(lambda tap=tap: Tap(tap))
            netif = Netif(
                driver, stack=stack, if_key=tap, ip=f"192.168.13.10{number}/24", mac=f"02:00:00:00:13:0{number}"
            )
            closing.enter_context(netif)
            ns.settle(tap)
        wait_until(lambda: ns.exec("bridge", "link").stdout.count("state forwarding") == 2, 40, "both ports forwarding")
        for number in (0, 1):
            at = f"192.168.13.10{number}"
            answer = ns.exec("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", at).stdout
            assert transmitted(answer) == (2, 2), answer
            assert f"02:00:00:00:13:0{number}" in ns.ip("neighbour", "show", at)
        with ns.listen("192.168.13.1") as listener:
            for number in (0, 1):
                source = (f"192.168.13.10{number}", 0)
                with stack.create_connection(listener.getsockname(), timeout=5, source_address=source):
                    taken, (came_from, _) = listener.accept()
                    taken.close()
                    assert came_from == source[0]
