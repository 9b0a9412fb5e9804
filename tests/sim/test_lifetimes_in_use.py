"""Hosts with all that an interface can do in use, when it ends: DHCP at both ends, names, groups, watches, handlers."""

from __future__ import annotations

import gc
import socket as stdlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from components.lan import Host, Lan
from netif.config import DnsInfo, DnsType
from netif.dhcp import DhcpcConfig, DhcpsConfig
from netif.event_bus import ANY_BASE, ANY_ID, EventBus
from netif.events import Event, GotIp
from netif.netif import Netif
from netif.reachability import ReachabilityPolicy
from netif.runtime import ThreadedRuntime
from stack import Stack
from tapio import pair
from tests.sim.test_lifetimes import live_and_leave_nothing, nothing_left, told
from tests.stack.dns.server import NameServer, record

__all__ = ["nothing_left"]

GROUP, ALIAS = "239.1.2.3", "10.0.0.77/24"
PATIENCE = 60.0  # seconds, of which most are virtual


def in_use(netif: Netif, bus: EventBus) -> list[Any]:
    """An interface of which everything is wanted; what its handlers heard."""
    heard: list[Any] = []
    bus.register(ANY_BASE, ANY_ID, lambda arg, base, event_id, data: heard.append(event_id))
    netif.bus = bus
    netif.subscribe(Event, heard.append)
    netif.enable_traffic_events()
    netif.add_address(ALIAS)
    netif.join_group(GROUP)
    netif.set_routes([("192.0.2.0/24", "10.0.0.1")])
    netif.set_dns_info(DnsType.BACKUP, DnsInfo("10.0.0.200"))  # nobody is there
    netif.watch_reachability(ReachabilityPolicy(target="10.0.0.1", interval=0.5))
    return heard


def listen(client: Host) -> stdlib.socket:
    """A socket in a group, as many applications leave it."""
    ear = client.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM)
    ear.bind(("", 5000))
    ear.setsockopt(stdlib.IPPROTO_IP, stdlib.IP_ADD_MEMBERSHIP, stdlib.inet_aton(GROUP) + bytes(4))
    return ear


def use(lan: Lan, client: Host, names: Host) -> None:
    """A name is asked for, and something is sent to the group and heard there."""

    def talk() -> bytes:
        assert client.stack.gethostbyname("www.test") == "192.0.2.1"
        with listen(client) as ear, names.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as mouth:
            mouth.sendto(b"to all", (GROUP, 5000))
            return ear.recv(100)

    talking = client.spawn(talk)
    lan.run_until(talking.done, timeout=PATIENCE)
    assert talking.result() == b"to all"


def leave_in_the_middle(lan: Lan, client: Host, n: int) -> None:
    """A question without an answer, an open socket in a group, and a lease that is being asked for, lost or kept."""
    client.stack.dns = ()
    client.netif.set_dns_info(DnsType.MAIN, DnsInfo("10.0.0.200"))
    ears: list[Any] = []
    client.spawn(lambda: told(lambda: client.stack.gethostbyname("never.test")))
    client.spawn(lambda: ears.append(listen(client)) or told(lambda: ears[0].recv(1)))
    lan.run_for(0.1)
    ends: list[Callable[[], None]] = [
        client.netif.unplug,
        client.netif.disconnected,
        client.netif.power_off,
        client.netif.reboot,
        lambda: client.netif.watch_reachability(None),
        lambda: lan.hosts["dhcp"].netif.dhcps_stop(),
    ]
    ends[n % len(ends)]()
    lan.run_for(0.1)
    for ear in ears:
        ear.close()


@pytest.mark.slow
def test_a_hundred_lives_with_everything_in_use():
    def life(n: int) -> list[Any]:
        with Lan(seed=n, dhcp=DhcpcConfig(fallback="link-local", fallback_after=1.0)) as lan:
            names = lan.host("names", ip="10.0.0.53")
            NameServer(lan, names, record("www.test", "A", "192.0.2.1"))
            client = lan.host("client")
            bus = EventBus(lan.runtime)
            heard = in_use(client.netif, bus)
            lan.run_until(lambda: client.netif.has_address, timeout=PATIENCE)
            client.netif.set_dns_info(DnsType.MAIN, DnsInfo(names.ip))
            use(lan, client, names)
            leave_in_the_middle(lan, client, n)
            assert heard
        return [lan, client.stack, names.stack, lan.hosts["dhcp"].netif, client.netif, lan.runtime, bus]

    live_and_leave_nothing(life)


@pytest.mark.slow
def test_a_hundred_lives_of_dhcp_in_threads():
    """The runtime's own threads, descriptors and signal handler come and go with them."""

    def life(n: int) -> list[Any]:
        runtime = ThreadedRuntime(strict=True)
        ends = pair()
        giver, asker = Stack("giver", runtime=runtime), Stack("asker", runtime=runtime)
        server = Netif(ends[0], stack=giver, ip="10.0.0.1/24")
        server.dhcps_config = DhcpsConfig(conflict_probe=0.0)
        server.dhcps_start()
        bus = EventBus(runtime)
        client = Netif(ends[1], stack=asker, dhcp=True)
        in_use(client, bus)
        client.wait_for(GotIp, timeout=PATIENCE)
        client.unplug()
        if n % 2:
            client.replug()
        asker.close(0.01)
        giver.close(0.01)
        runtime.close()
        return [giver, asker, server, client, runtime, bus]

    live_and_leave_nothing(life)


def test_interfaces_that_come_and_go_leave_nothing_in_a_stack_that_stays():
    with Lan(seed=3, dhcp=True) as lan:
        names = lan.host("names", ip="10.0.0.53")
        NameServer(lan, names, record("www.test", "A", "192.0.2.1", ttl=0))
        client = lan.host("client", ip="10.0.0.54")
        bus = EventBus(lan.runtime)

        def life() -> None:
            netif = Netif(lan.switch.port(), stack=client.stack, mac="02:00:00:00:00:99", if_key="AGAIN", dhcp=True)
            in_use(netif, bus)
            lan.run_until(lambda: netif.has_address, timeout=PATIENCE)
            netif.set_dns_info(DnsType.MAIN, DnsInfo(names.ip))
            use(lan, client, names)
            netif.close(0)
            bus.close()

        def held() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        for _ in range(4):
            life()
        tracemalloc.start()
        try:
            life()
            before = held()
            for _ in range(20):
                life()
            assert held() - before < 48 << 10  # of the latest flows some are kept: each life adds one
        finally:
            tracemalloc.stop()
