"""Hosts of ours on several networks, and routers of ours between them."""

from __future__ import annotations

import errno
import random
from socket import AF_INET, IP_TTL, IPPROTO_ICMP, IPPROTO_IP, MSG_WAITALL, SOCK_DGRAM, SOCK_RAW
from typing import Any

import pytest

from netif.config import Flags
from netif.dhcp import DhcpsConfig
from netif.netif import Netif
from netif.wire import icmp
from stack.stack import Stack
from tests.stack.forwarding.world import PLAIN, World

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0
BULK = 2_000_000  # bytes


def chain(world: World, **narrow: Any) -> tuple[Stack, Stack, list[Stack]]:
    """client - r1 - r2 - r3 - server; the net between r2 and r3 is as `narrow` says."""
    client = world.host("client", "a", "10.0.0.2/24", "10.0.0.1")
    one = world.router("r1", {"a": "10.0.0.1/24", "b": "10.0.1.1/24"}, gateway=("b", "10.0.1.2"))
    two = world.router("r2", {"b": "10.0.1.2/24", "c": "10.0.2.1/24"}, gateway=("c", "10.0.2.2"), **narrow)
    three = world.router("r3", {"c": "10.0.2.2/24", "d": "10.0.3.1/24"}, gateway=("c", "10.0.2.1"), **narrow)
    two["b"].set_routes([("10.0.0.0/24", "10.0.1.1")])
    server = world.host("server", "d", "10.0.3.2/24", "10.0.3.1")
    return client, server, [one.stack, two.stack, three.stack]


def test_a_host_reaches_another_network(world: World):
    client, server, routers = chain(world)
    world.echoes(server)

    def ask() -> bytes:
        with client.socket(type=SOCK_DGRAM) as s:
            s.sendto(b"hello", ("10.0.3.2", 7))
            return bytes(s.recv(100)).split()[1]

    assert world.do(ask) == b"hello"
    assert [router.stats["forwarded"] for router in routers] == [2, 2, 2]


def trace(host: Stack, to: str, hops: int, by: str) -> list[str]:
    """Who answers a probe of each time to live, as traceroute and traceroute -I ask."""
    seen = []
    with host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) as listening, host.socket(AF_INET, SOCK_DGRAM) as probing:
        listening.settimeout(5)
        for ttl in range(1, hops + 1):
            if by == "udp":
                probing.setsockopt(IPPROTO_IP, IP_TTL, ttl)
                probing.sendto(b"where", (to, 33433 + ttl))
            else:
                listening.setsockopt(IPPROTO_IP, IP_TTL, ttl)
                listening.sendto(icmp.emit(icmp.ECHO, 0, 7 << 16 | ttl, b"where"), (to, 0))
            _, (who, _) = listening.recvfrom(2000)
            seen.append(who)
    return seen


@pytest.mark.parametrize("by", ["udp", "icmp"])
def test_traceroute_sees_three_routers_and_the_host(world: World, by: str):
    """RFC 1812 5.3.1; each router by its address towards the one who asks (4.3.2.4)"""
    client, _, _ = chain(world)
    seen = world.do(lambda: trace(client, "10.0.3.2", 4, by))
    assert seen == ["10.0.0.1", "10.0.1.2", "10.0.2.2", "10.0.3.2"]


def fetch(world: World, client: Stack, server: Stack, to: str) -> None:
    """Bulk both ways at once, whole."""
    sent, back = random.Random(1).randbytes(BULK), random.Random(2).randbytes(BULK)
    got: list[bytes] = []

    def answer(connection: Any, peer: tuple[str, int]) -> None:
        with connection:
            sending = server.runtime.spawn(lambda: connection.sendall(back))
            got.append(connection.recv(BULK, MSG_WAITALL))
            while not sending.done():
                server.runtime.sleep(0.01)

    def ask() -> bytes:
        with client.create_connection((to, 80)) as s:
            sending = client.runtime.spawn(lambda: s.sendall(sent))
            data = s.recv(BULK, MSG_WAITALL)
            while not sending.done():
                client.runtime.sleep(0.01)
            return bytes(data)

    world.serves(server, answer)
    assert world.do(ask, timeout=600) == back
    assert got == [sent]


def test_bulk_crosses_in_super_frames(world: World):
    client, server, routers = chain(world)
    fetch(world, client, server, "10.0.3.2")
    assert routers[0].stats["forwarded"] < 2 * BULK / 1448  # what single segments would have been, ACKs left out


def test_bulk_crosses_in_segments(world: World):
    client, server, _ = chain(world, **PLAIN)
    fetch(world, client, server, "10.0.3.2")


@pytest.mark.parametrize("offload", [{}, PLAIN], ids=["offload", "plain"])
def test_tcp_finds_out_that_a_link_on_the_way_is_narrow(world: World, offload: dict[str, Any]):
    """RFC 1191: by what the router says, within a round trip"""
    client, server, routers = chain(world, ip_mtu=1000, **offload)
    fetch(world, client, server, "10.0.3.2")
    assert client.stats["path_narrowed"] >= 1
    assert routers[1].stats["forward_too_big"] >= 1
    assert world.runtime.now() < 60


def test_a_datagram_that_may_be_cut_is(world: World):
    client, server, routers = chain(world, ip_mtu=600)
    world.echoes(server)

    def ask() -> bytes:
        with client.socket(AF_INET, SOCK_DGRAM) as s:
            s.setsockopt(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            s.sendto(bytes(5000), ("10.0.3.2", 7))
            return bytes(s.recv(6000))

    assert world.do(ask).endswith(bytes(5000))
    assert routers[1].stats["fragmented"] >= 1
    assert server.stats["reassembled"] == 1


@pytest.mark.parametrize(("to", "number"), [("192.0.2.1", errno.ENETUNREACH), ("10.0.1.99", errno.EHOSTUNREACH)])
def test_without_a_way_and_without_a_host_the_sender_hears(world: World, to: str, number: int):
    """RFC 1812 5.2.7.1"""
    client, _, routers = chain(world)
    routers[1].set_default(None, ())

    def ask() -> None:
        with client.socket(AF_INET, SOCK_DGRAM) as s:
            s.connect((to, 9))
            s.send(b"anybody?")
            s.recv(100)

    with pytest.raises(OSError, match=r"unreachable|No route") as caught:
        world.do(ask)
    assert caught.value.errno == number


def test_a_host_takes_a_better_way_when_it_is_told(world: World):
    """RFC 1812 5.2.7.2, and RFC 1122 3.2.2.2 at the other end"""
    host = world.host("host", "a", "10.0.0.2/24", "10.0.0.1")
    wrong = world.router("wrong", {"a": "10.0.0.1/24"}, gateway=("a", "10.0.0.254"))
    right = world.router("right", {"a": "10.0.0.254/24", "b": "10.0.1.1/24"})
    world.echoes(world.host("server", "b", "10.0.1.2/24", "10.0.1.1"))

    def ask() -> None:
        with host.socket(AF_INET, SOCK_DGRAM) as s:
            s.connect(("10.0.1.2", 7))
            for _ in range(5):
                s.send(b"x")
                s.recv(100)

    world.do(ask)
    assert wrong.stack.stats["forwarded"] == wrong.stack.stats["redirects_sent"] == host.stats["redirected"] == 1
    assert right.stack.stats["forwarded"] == 10


def is_answered(world: World, host: Stack, address: str) -> bool:
    """By the echo service there."""

    def ask() -> bytes:
        with host.socket(AF_INET, SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"hello", (address, 7))
            return bytes(s.recv(100))

    return bytes(world.do(ask)).endswith(b"hello")


def test_two_wires_of_one_subnet_are_joined_by_proxy_arp(world: World):
    """RFC 1027: as `netif host forward` addresses them"""
    near = world.host("near", "a", "10.0.0.2/24")
    far = world.host("far", "b", "10.0.0.130/24")
    router = world.router("router", {"a": "10.0.0.1/25", "b": "10.0.0.129/25"})
    for netif in router.netifs.values():
        netif.proxy_arp_enable()
    world.echoes(far)
    assert is_answered(world, near, "10.0.0.130")
    assert router.stack.stats["forwarded"] == 2


def test_a_netif_keeps_its_settings_when_it_starts_anew(world: World):
    router = world.router("router", {"a": "10.0.0.1/24", "b": "10.0.1.1/24"}, forwarding=False)
    near = world.host("near", "a", "10.0.0.2/24", "10.0.0.1")
    world.echoes(world.host("far", "b", "10.0.1.2/24", "10.0.1.1"))
    for netif in router.netifs.values():
        netif.forwarding_enable()
        netif.stop()
        netif.start()
    assert is_answered(world, near, "10.0.1.2")
    assert router["a"].forwarding is True
    assert router["a"].forwarding_counters.frames == 1
    router["a"].forwarding_enable(False)
    with pytest.raises(TimeoutError):
        is_answered(world, near, "10.0.1.2")


def test_an_interface_with_an_address_by_dhcp_sends_on_too(world: World):
    """RFC 2131 4.1: an offer to an address that is not ours yet is no packet to be sent on"""
    server = world.host("server", "a", "10.0.0.1/24")
    assert server.registry is not None
    (giving,) = server.registry
    giving.dhcps_config = DhcpsConfig(start="10.0.0.50", end="10.0.0.50", conflict_probe=0.0)
    giving.dhcps_start()
    giving.set_routes([("10.0.1.0/24", "10.0.0.50")])
    router = world.router("router", {"b": "10.0.1.1/24"})
    asking = Netif(world.nets["a"].port(), stack=router.stack, if_key="a", flags=Flags.DHCP_CLIENT)
    asking.connected()
    world.runtime.run_until(lambda: bool(asking.ip_info))
    far = world.host("far", "b", "10.0.1.2/24", "10.0.1.1")
    world.echoes(far)
    assert is_answered(world, server, "10.0.1.2")
