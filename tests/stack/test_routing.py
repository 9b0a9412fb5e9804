"""RFC 1122 3.3.1; addresses of either length."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import LinkCaps
from netif.wire import ethernet
from stack.routing import RoutingTable
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, MASK, OTHER_MAC, OUR_MAC, PEER, US, Rig, address, answers

FAR = address("8.8.8.8")
SECOND = address("10.0.0.77")  # on the same subnet as we are
LAB, LAB_PEER, LAB_GATEWAY = address("192.168.7.1"), address("192.168.7.2"), address("192.168.7.254")


@pytest.fixture
def two() -> Any:
    """A second interface, with a gateway of its own; the first is the default."""
    rig = Rig()
    netif, interface = rig.link("eth1", OTHER_MAC)
    interface.set_addresses(LAB, MASK, LAB_GATEWAY)
    netif.sent.clear()
    return rig, netif, interface


def ends(route: Any) -> tuple[str, bytes, bytes]:
    return route.interface.name, route.src, route.next_hop


def test_a_neighbour_is_reached_directly(rig: Rig):
    assert ends(rig.stack.ip.route(PEER)) == ("eth0", US, PEER)


def test_the_rest_of_the_world_is_behind_the_default_gateway(rig: Rig):
    assert ends(rig.stack.ip.route(FAR)) == ("eth0", US, GATEWAY)


def test_the_subnet_of_another_interface_is_preferred_to_the_default(two: Any):
    rig, _, _ = two
    assert ends(rig.stack.ip.route(LAB_PEER)) == ("eth1", LAB, LAB_PEER)


def test_the_default_is_the_one_that_we_are_told(two: Any):
    rig, _, lab = two
    rig.stack.set_default(lab, (FAR,))
    assert ends(rig.stack.ip.route(FAR)) == ("eth1", LAB, LAB_GATEWAY)
    assert rig.stack.dns == (FAR,)
    rig.stack.set_default(None, ())
    with pytest.raises(OSError) as caught:
        rig.stack.ip.route(FAR)
    assert caught.value.errno == errno.ENETUNREACH


def test_a_bound_source_chooses_its_interface(two: Any):
    rig, _, _ = two
    assert ends(rig.stack.ip.route(FAR, LAB)) == ("eth1", LAB, LAB_GATEWAY)


def test_a_bound_interface_uses_its_own_gateway_though_it_is_not_the_default(two: Any):
    rig, _, lab = two
    assert ends(rig.stack.ip.route(FAR, None, lab)) == ("eth1", LAB, LAB_GATEWAY)


def test_a_neighbour_is_reached_directly_from_whatever_address(two: Any):
    rig, _, _ = two
    assert ends(rig.stack.ip.route(LAB_PEER, US)) == ("eth1", US, LAB_PEER)
    assert ends(rig.stack.ip.route(PEER, LAB)) == ("eth0", LAB, PEER)


def test_a_source_whose_link_leads_nowhere_else_uses_the_default(two: Any):
    rig, _, lab = two
    lab.set_addresses(LAB, MASK, bytes(4))
    assert ends(rig.stack.ip.route(FAR, LAB)) == ("eth0", LAB, GATEWAY)


def test_of_two_links_in_one_subnet_the_source_chooses(two: Any):
    rig, _, lab = two
    lab.set_addresses(SECOND, MASK, bytes(4))
    assert ends(rig.stack.ip.route(PEER, US)) == ("eth0", US, PEER)
    assert ends(rig.stack.ip.route(PEER, SECOND)) == ("eth1", SECOND, PEER)


def test_of_two_links_in_one_subnet_the_higher_priority_or_else_the_newer_is_used(two: Any):
    rig, _, lab = two
    lab.set_addresses(SECOND, MASK, bytes(4))
    assert ends(rig.stack.ip.route(PEER)) == ("eth1", SECOND, PEER)
    rig.netif.route_prio = 1
    rig.stack.set_default(rig.interface, ())
    assert ends(rig.stack.ip.route(PEER)) == ("eth0", US, PEER)
    rig.interface.link_down()
    assert ends(rig.stack.ip.route(PEER)) == ("eth1", SECOND, PEER)  # one that is up comes first


def test_a_source_that_is_not_ours_is_refused(rig: Rig):
    with pytest.raises(OSError) as caught:
        rig.stack.ip.route(PEER, GATEWAY)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_there_is_no_way_out_from_a_loopback_address(rig: Rig):
    with pytest.raises(OSError) as caught:
        rig.stack.ip.route(PEER, address("127.0.0.1"))
    assert caught.value.errno == errno.EINVAL


def test_without_an_address_there_is_no_way_anywhere_but_home():
    rig = Rig(addressed=False)
    for dst in (PEER, FAR, ethernet.BROADCAST[:4], address("224.0.0.5")):
        with pytest.raises(OSError) as caught:
            rig.stack.ip.route(dst)
        assert caught.value.errno == errno.ENETUNREACH
    assert rig.stack.ip.route(address("127.0.0.1")).local


def test_an_interface_without_address_may_still_broadcast_from_nowhere():
    rig = Rig(addressed=False)  # what a DHCP client does
    route = rig.stack.ip.route(b"\xff\xff\xff\xff", bytes(4), rig.interface)
    rig.stack.ip.send(route, 99, b"12345678", (), 8)
    rig.sends("0.0.0.0 > 255.255.255.255: proto 99 (8)")


@pytest.mark.parametrize(
    ("dst", "name"), [("255.255.255.255", "eth0"), ("192.168.7.255", "eth1"), ("239.1.2.3", "eth0")]
)
def test_groups_and_broadcasts_go_out_without_asking(two: Any, dst: str, name: str):
    rig, netif, _ = two
    route = rig.stack.ip.route(address(dst))
    assert route.interface.name == name
    rig.stack.ip.send(route, 99, b"12345678", (), 8)
    ((buffers, _),) = (netif if name == "eth1" else rig.netif).sent
    assert buffers[0][0] & 1


def test_our_own_addresses_are_reached_by_the_loopback(two: Any):
    rig, _, _ = two
    for dst, src in (
        (US, US),
        (LAB, LAB),
        (address("127.0.0.1"), address("127.0.0.1")),
        (address("127.3.3.3"), address("127.0.0.1")),
    ):
        route = rig.stack.ip.route(dst)
        assert route.local
        assert (route.interface.name, route.src) == ("lo", src)


def test_a_route_follows_a_new_gateway(rig: Rig):
    route = rig.stack.ip.route(FAR)
    rig.interface.set_addresses(US, MASK, PEER)
    rig.stack.ip.send(route, 99, b"12345678", (), 8)
    rig.sends("who-has 10.0.0.2 tell 10.0.0.1")
    assert route.next_hop == PEER


def test_a_route_follows_a_new_mtu(rig: Rig):
    route = rig.stack.ip.route(PEER)
    rig.interface.set_mtu(1400)
    assert route.generation != rig.stack.ip.generation
    assert rig.stack.ip.renew(route)
    assert (route.mtu, route.gso_max) == (1400, 1400)


def test_a_route_whose_way_is_gone_tells_its_owner_and_raises_nothing(rig: Rig):
    socket = UdpEndpoint(rig.stack)
    socket.connect(FAR, 9)
    route = rig.stack.ip.route(FAR)
    route.owner = socket
    rig.interface.set_addresses(US, MASK, bytes(4))
    rig.stack.ip.send(route, 99, b"12345678", (), 8)
    assert socket.error is None
    rig.flush()
    assert socket.error is not None
    assert socket.error.errno == errno.ENETUNREACH
    rig.drops(ip_no_route=1)


def test_an_interface_that_leaves_takes_its_routes_along(two: Any):
    rig, _, lab = two
    lab.detach()
    assert ends(rig.stack.ip.route(LAB_PEER)) == ("eth0", US, GATEWAY)
    assert not rig.stack.ip.is_local(LAB)


def test_an_interface_that_comes_back_is_found_again(rig: Rig):
    rig.interface.detach()
    with pytest.raises(OSError):
        rig.stack.ip.route(PEER)
    rig.interface.link_up(LinkCaps(mac=OUR_MAC))
    rig.interface.set_addresses(US, MASK, GATEWAY)
    assert ends(rig.stack.ip.route(PEER)) == ("eth0", US, PEER)
    assert ends(rig.stack.ip.route(FAR)) == ("eth0", US, GATEWAY)  # still the default


def test_a_default_that_has_no_address_yet_leaves_groups_to_another(two: Any):
    rig, _, _ = two
    rig.interface.set_addresses(bytes(4), bytes(4), bytes(4))
    assert ends(rig.stack.ip.route(address("239.1.2.3")))[:2] == ("eth1", LAB)


def test_the_route_for_an_answer_is_kept_and_bounded(met: Rig):
    ip = met.stack.ip
    route = ip.route_back(PEER, US)
    assert route is ip.route_back(PEER, US)
    assert ip.route_back(PEER, GATEWAY) is None
    met.interface.set_mtu(1400)
    assert ip.route_back(PEER, US) is not route
    for n in range(3000):
        ip.route_back(n.to_bytes(4, "big"), US)
    assert ip.route_back(PEER, US) is not route


def test_each_asker_has_a_route_of_its_own(rig: Rig):
    first, second = rig.stack.ip.route(FAR), rig.stack.ip.route(FAR)
    assert ends(first) == ends(second)
    first.owner = UdpEndpoint(rig.stack)
    first.mtu = 576
    assert second is not first
    assert second.owner is None
    assert second.mtu == rig.stack.ip.route(FAR).mtu == 1500


def test_who_asks_later_goes_by_what_is_known_then(two: Any):
    rig, _, _ = two
    ip = rig.stack.ip
    assert ip.route(PEER).neighbour.link is None
    rig.knows_peer()
    assert ip.route(PEER).neighbour.link is not None
    rig.interface.set_mtu(1400)
    assert ip.route(PEER).mtu == 1400
    rig.interface.set_addresses(SECOND, MASK, PEER)
    assert ends(ip.route(FAR)) == ("eth0", SECOND, PEER)
    assert ends(ip.route(FAR, LAB)) == ("eth1", LAB, LAB_GATEWAY)
    with pytest.raises(OSError):
        ip.route(FAR, US)


def test_the_ways_that_are_kept_are_bounded(rig: Rig):
    for n in range(3000):
        rig.stack.ip.route((0x08000000 + n).to_bytes(4, "big"))
    assert ends(rig.stack.ip.route(FAR)) == ("eth0", US, GATEWAY)


def test_a_packet_waits_for_the_gateway_not_for_the_destination(rig: Rig):
    UdpEndpoint(rig.stack).send_to(b"x", (FAR, 9))
    rig.sends("who-has 10.0.0.254 tell 10.0.0.1")
    rig.gets(answers(GATEWAY, US))
    (frame,) = rig.frames()
    assert frame[30:34] == FAR


class Place:
    """Stands for an interface."""


def test_the_longest_prefix_wins_for_both_lengths_of_address():
    table = RoutingTable()
    net, subnet, host, everywhere = Place(), Place(), Place(), Place()
    for address_of, size in ((lambda *b: bytes(b), 4), (lambda *b: bytes(b) + bytes(12), 16)):
        table.add(address_of(10, 0, 0, 0), 8, net)  # type: ignore[arg-type]
        table.add(address_of(10, 1, 0, 0), 16, subnet)  # type: ignore[arg-type]
        table.add(address_of(10, 1, 2, 3), size * 8, host)  # type: ignore[arg-type]
        found = [table.lookup(address_of(10, *rest)) for rest in ((9, 9, 9), (1, 9, 9), (1, 2, 3))]
        assert [line and line.interface for line in found] == [net, subnet, host]
        assert table.lookup(address_of(11, 0, 0, 0)) is None
    table.add(bytes(16), 0, everywhere, b"\xfe\x80" + bytes(14))  # type: ignore[arg-type]
    line = table.lookup(bytes.fromhex("20010db8000000000000000000000001"))
    assert line is not None
    assert (line.interface, line.gateway) == (everywhere, b"\xfe\x80" + bytes(14))
    assert table.lookup(address("11.0.0.0")) is None  # the default of one family is not the other's


def test_an_asker_that_insists_finds_that_interface_behind_a_longer_prefix():
    table = RoutingTable()
    one, other = Place(), Place()
    table.add(bytes(16), 64, one)  # type: ignore[arg-type]
    table.add(bytes(16), 64, other)  # type: ignore[arg-type]
    table.add(bytes(16), 32, other)  # type: ignore[arg-type]
    first, insisted = table.lookup(bytes(16)), table.lookup(bytes(16), other)  # type: ignore[arg-type]
    assert first is not None
    assert insisted is not None
    assert first.interface is one
    assert (insisted.interface, insisted.length) == (other, 64)


PREFIXES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(PREFIXES, st.integers(0, 255), st.sampled_from([4, 16]))
def test_the_table_agrees_with_a_scan_of_all_prefixes(prefixes: list[tuple[int, int]], first: int, size: int):
    table = RoutingTable()
    for byte, length in prefixes:
        table.add(bytes([byte]) + bytes(size - 1), length, Place())  # type: ignore[arg-type]
    dst = bytes([first]) + bytes(size - 1)
    line = table.lookup(dst)
    fits = [length for byte, length in prefixes if byte >> (8 - length) == first >> (8 - length)]
    assert (line.length if line else None) == (max(fits) if fits else None)
