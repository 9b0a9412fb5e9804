"""A point-to-point link of bare IP packets: no link header, no ARP, and everybody at the other end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from netif.errors import NotSupported
from netif.link import LinkCaps, Medium
from netif.reachability import ReachabilityPolicy
from netif.wire import igmp, ip
from netif.wire.notation import format_frame
from stack.ethernet import EthernetInterface
from stack.stack import Stack
from stack.tunif import TunInterface
from stack.udp import UdpEndpoint
from tests.stack.rig import PEER, US, Rig, ScriptedNetif, ScriptedRuntime, address, echo, packet

HOST, ANYBODY = b"\xff\xff\xff\xff", address("203.0.113.9")
GROUP = address("239.1.2.3")


@pytest.fixture
def rig() -> Rig:
    """10.0.0.1/32, without a gateway, its interface the default."""
    made = Rig(medium=Medium.POINT_TO_POINT, addressed=False)
    made.interface.set_addresses(US, HOST, bytes(4))
    made.stack.set_default(made.interface, ())
    made.netif.sent.clear()
    return made


def sent(rig: Rig) -> list[str]:
    return [format_frame(frame, start=0) for frame in rig.frames()]


def test_the_drivers_medium_chooses_the_interface() -> None:
    stack = Stack("us", runtime=ScriptedRuntime())  # type: ignore[arg-type]
    netif = ScriptedNetif()
    for driver, kind in (
        (SimpleNamespace(), EthernetInterface),
        (SimpleNamespace(medium=Medium.ETHERNET), EthernetInterface),
        (SimpleNamespace(medium=Medium.POINT_TO_POINT), TunInterface),
    ):
        netif.driver = driver
        interface = stack.attach(netif)
        assert type(interface) is kind
    with pytest.raises(ValueError, match="speaks point-to-point, its driver offers ethernet"):
        interface.link_up(LinkCaps(mac=b""))


def test_a_ping_is_answered_without_asking_for_neighbours(rig: Rig) -> None:
    rig.gets(echo()[14:])
    assert sent(rig) == ["10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)"]


def test_whoever_it_is_is_at_the_other_end(rig: Rig) -> None:
    """RFC 1812 3.3: a /32 without gateway reaches everybody."""
    socket = UdpEndpoint(rig.stack)
    for target in (PEER, ANYBODY):
        socket.send_to(b"x", (target, 7))
        rig.flush()
    assert [line.split(": ")[0].rpartition(".")[0].split(" > ")[1] for line in sent(rig)] == ["10.0.0.2", "203.0.113.9"]


def test_an_interface_that_is_not_the_default_takes_what_insists_on_it(rig: Rig) -> None:
    rig.stack.set_default(None, ())
    with pytest.raises(OSError, match="unreachable"):
        rig.stack.ip.route(ANYBODY)
    for route in (rig.stack.ip.route(ANYBODY, src=US), rig.stack.ip.route(ANYBODY, interface=rig.interface)):
        assert (route.interface, route.next_hop, route.neighbour.link) == (rig.interface, ANYBODY, b"")


def test_a_gateway_is_as_near_as_anybody(rig: Rig) -> None:
    rig.interface.set_addresses(US, HOST, PEER)
    assert rig.stack.ip.route(ANYBODY).next_hop == PEER


def test_a_peer_is_found_though_another_interface_is_the_default(rig: Rig) -> None:
    rig.interface.set_addresses(US, HOST, PEER)
    rig.stack.set_default(None, ())
    assert rig.stack.ip.route(PEER).interface is rig.interface
    with pytest.raises(OSError, match="unreachable"):
        rig.stack.ip.route(ANYBODY)


@pytest.mark.parametrize("prefix", [31, 32])
def test_a_peer_of_a_subnet_without_broadcast(rig: Rig, prefix: int) -> None:
    """RFC 3021: a /31 has two hosts, and no broadcast."""
    rig.interface.set_addresses(address("10.0.0.6"), ip.mask_of(prefix), bytes(4))
    assert rig.stack.ip.route(address("10.0.0.7")).interface is rig.interface
    assert not rig.stack.ip.is_broadcast(address("10.0.0.7"))


def test_what_is_no_ipv4_is_dropped_by_name(rig: Rig) -> None:
    rig.gets(b"\x60" + bytes(39), b"", b"\x00" * 20, b"\x45" + bytes(5), packet(b"x", 253, dst=PEER)[14:])
    rig.drops(ip6_unsupported=1, ip_header_short=2, ip_version=1, ip_not_for_us=1)
    assert rig.frames() == []


def test_groups_are_told_to_the_other_end(rig: Rig) -> None:
    """RFC 3376: a router may be there. Bare, as all is here."""
    rig.interface.join(GROUP)
    rig.flush()
    (report,) = rig.frames()
    assert (report[0], report[9], report[16:20]) == (0x46, ip.IGMP, igmp.ALL_V3_ROUTERS)
    rig.interface.leave(GROUP)
    rig.flush()
    assert len(rig.frames()) == 1


def test_nobody_gives_addresses_and_nobody_is_asked_by_arp(rig: Rig) -> None:
    with pytest.raises(NotSupported, match="no server gives addresses"):
        rig.stack.dhcp_client(rig.interface, None, None)  # type: ignore[arg-type]
    with pytest.raises(NotSupported, match="nobody can ask"):
        rig.stack.dhcp_server(rig.interface, None, None)  # type: ignore[arg-type]
    with pytest.raises(NotSupported, match="watch it by 'ping'"):
        rig.interface.watch(ReachabilityPolicy(target="10.0.0.2", by="arp"), lambda _: None)


def test_it_may_be_watched_by_ping(rig: Rig) -> None:
    told: list[bool] = []
    rig.interface.watch(ReachabilityPolicy(target="10.0.0.2", interval=1, misses=2), told.append)
    rig.after(5)
    assert told == [False]
    assert sent(rig)[0].startswith("10.0.0.1 > 10.0.0.2: icmp echo")


def test_what_waits_for_room_goes_out_bare(rig: Rig) -> None:
    rig.netif.room = 0
    rig.gets(echo()[14:])
    rig.netif.room = None
    rig.interface.writable()
    assert sent(rig) == ["10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)"]


def test_a_stack_lets_go_of_it(rig: Rig) -> None:
    rig.interface.detach()
    assert rig.stack.interfaces == []
    with pytest.raises(OSError, match="unreachable"):
        rig.stack.ip.route(PEER)
