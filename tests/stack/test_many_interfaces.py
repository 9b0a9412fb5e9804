"""Several interfaces on one stack: their names, their further addresses, their own routes. RFC 1122 3.3.4; RFC 3442."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from netif.errors import InvalidParams, NoMem, NotFound
from netif.wire.ip import ANY
from stack.ip_config import IpConfig
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.rig import (
    GATEWAY,
    MASK,
    OTHER_MAC,
    OUR_MAC,
    PEER,
    PEER_MAC,
    US,
    Rig,
    address,
    answers,
    asks,
    datagram,
    echo,
)

FAR = address("8.8.8.8")
ALIAS, ALIAS_PEER = address("172.16.0.1"), address("172.16.0.2")
SECOND = address("10.0.0.77")  # in the first address's own subnet
LAB, LAB_PEER, LAB_GATEWAY = address("192.168.7.1"), address("192.168.7.2"), address("192.168.7.254")


@pytest.fixture
def aliased(rig: Rig) -> Rig:
    rig.interface.add_address(ALIAS, MASK)
    rig.netif.sent.clear()
    return rig


@pytest.fixture
def two() -> Any:
    """A second interface, with a gateway of its own; the first is the default."""
    rig = Rig()
    netif, interface = rig.link("eth1", OTHER_MAC)
    interface.set_addresses(LAB, MASK, LAB_GATEWAY)
    netif.sent.clear()
    return rig, netif, interface


def way(rig: Rig, dst: bytes, *insists: Any) -> tuple[str, bytes, bytes]:
    route = rig.stack.ip.route(dst, *insists)
    return route.interface.name, route.src, route.next_hop


# names


def test_interfaces_are_numbered_and_found_by_number_name_and_key(two: Any):
    rig, _, lab = two
    stack = rig.stack
    assert [(one.index, one.impl_name) for one in stack.links.values()] == [(1, "lo0"), (2, "en1"), (3, "en2")]
    for name in (3, "en2", "eth1"):
        assert stack.interface(name) is lab
    assert stack.interface("lo") is stack.interface(1) is stack.loopback
    with pytest.raises(OSError) as caught:
        stack.interface("eth7")
    assert caught.value.errno == errno.ENODEV


def test_an_index_is_never_given_twice_but_a_name_is_free_again(two: Any):
    rig, _, lab = two
    lab.detach()
    with pytest.raises(OSError):
        rig.stack.interface("en2")
    _, again = rig.link("eth1", OTHER_MAC)
    assert (again.index, again.impl_name) == (4, "en2")


@pytest.mark.parametrize(
    ("if_key", "impl_name"), [("WIFI_STA_DEF", "st1"), ("WIFI_AP_DEF", "ap1"), ("TAP", "tp1"), ("ETH_DEF", "en2")]
)
def test_the_letters_of_a_name_follow_the_key(rig: Rig, if_key: str, impl_name: str):
    assert rig.link(if_key, OTHER_MAC)[1].impl_name == impl_name


# further addresses


def test_a_further_address_is_announced_answered_for_and_heard(rig: Rig):
    rig.interface.add_address(ALIAS, MASK)
    rig.sends("who-has 172.16.0.1 tell 172.16.0.1")
    rig.gets(asks(ALIAS_PEER, ALIAS))
    rig.sends("172.16.0.1 is-at 02:00:00:00:00:01")
    rig.gets(echo(src=ALIAS_PEER, dst=ALIAS))
    rig.sends("172.16.0.1 > 172.16.0.2: icmp echo reply id 5 seq 1 (4)")
    rig.gets(echo(src=PEER, dst=US), answers(PEER, US))
    assert rig.frames()


def test_it_is_bound_to_and_gives_its_address_to_what_goes_to_its_subnet(aliased: Rig):
    socket = UdpEndpoint(aliased.stack)
    socket.bind(ALIAS, 7)
    assert way(aliased, ALIAS_PEER) == ("eth0", ALIAS, ALIAS_PEER)
    assert way(aliased, PEER) == ("eth0", US, PEER)
    assert way(aliased, FAR) == ("eth0", US, GATEWAY)
    assert way(aliased, FAR, ALIAS) == ("eth0", ALIAS, GATEWAY)
    assert aliased.stack.ip.route(ALIAS).local
    aliased.gets(datagram(b"hello", src=ALIAS_PEER, dst=ALIAS))
    assert socket.receive() == (b"hello", (ALIAS_PEER, 5000))


def test_a_neighbour_of_its_subnet_is_asked_for_in_its_name(aliased: Rig):
    UdpEndpoint(aliased.stack).send_to(b"x", (ALIAS_PEER, 9))
    aliased.sends("who-has 172.16.0.2 tell 172.16.0.1")
    aliased.gets(answers(ALIAS_PEER, ALIAS))
    (frame,) = aliased.frames()
    assert frame[26:34] == ALIAS + ALIAS_PEER


def test_the_broadcast_of_its_subnet_is_heard_and_sent(aliased: Rig):
    socket = UdpEndpoint(aliased.stack)
    socket.bind(ANY, 7)
    socket.broadcast = True
    everybody = address("172.16.0.255")
    aliased.gets(datagram(b"all", src=ALIAS_PEER, dst=everybody, to=b"\xff" * 6))
    assert socket.receive() == (b"all", (ALIAS_PEER, 5000))
    socket.send_to(b"x", (everybody, 9))
    (frame,) = aliased.frames()
    assert (frame[:6], frame[26:30]) == (b"\xff" * 6, ALIAS)


def test_the_first_address_may_change_and_go_and_the_further_one_stays(aliased: Rig):
    aliased.interface.set_addresses(address("10.0.0.9"), MASK, GATEWAY)
    aliased.interface.set_addresses(bytes(4), bytes(4), bytes(4))
    aliased.netif.sent.clear()
    aliased.gets(asks(ALIAS_PEER, ALIAS), echo(src=ALIAS_PEER, dst=ALIAS))
    assert len(aliased.frames()) == 2
    assert not aliased.stack.ip.is_local(US)


def test_a_further_address_becomes_the_first_one(aliased: Rig):
    aliased.interface.set_addresses(ALIAS, MASK, bytes(4))
    assert (aliased.interface.address, aliased.interface.aliases) == (ALIAS, {})


def test_an_address_that_is_taken_away_takes_its_connections_along(aliased: Rig):
    tcp = aliased.stack.tcp
    theirs = tcp.connect((ALIAS, 0), (ALIAS_PEER, 80))
    ours = tcp.connect((US, 0), (PEER, 80))
    aliased.interface.remove_address(ALIAS)
    aliased.flush()
    assert [theirs.state.name, ours.state.name] == ["CLOSED", "SYN_SENT"]
    assert theirs.error is not None
    assert theirs.error.errno == errno.ECONNABORTED
    assert not aliased.stack.ip.is_local(ALIAS)
    assert way(aliased, ALIAS_PEER) == ("eth0", US, GATEWAY)
    with pytest.raises(NotFound, match="has no further address"):
        aliased.interface.remove_address(ALIAS)


def test_the_loss_of_the_first_address_spares_the_connections_of_the_further_one(aliased: Rig):
    theirs = aliased.stack.tcp.connect((ALIAS, 0), (ALIAS_PEER, 80))
    ours = aliased.stack.tcp.connect((US, 0), (PEER, 80))
    aliased.interface.set_addresses(address("10.0.0.9"), MASK, GATEWAY)
    assert [theirs.state.name, ours.state.name] == ["SYN_SENT", "CLOSED"]


def test_a_further_address_is_defended(aliased: Rig):
    aliased.gets(asks(ALIAS, ALIAS_PEER, mac=OTHER_MAC))
    aliased.sends("who-has 172.16.0.1 tell 172.16.0.1")
    aliased.gets(asks(US, PEER, mac=OTHER_MAC))  # each address in its own time
    aliased.sends("who-has 10.0.0.1 tell 10.0.0.1")
    aliased.gets(asks(ALIAS, ALIAS_PEER, mac=OTHER_MAC))
    aliased.sends()
    assert aliased.stack.stats["arp_defended"] == 2


def test_a_further_address_is_given_up_where_that_is_the_policy(rig: Rig):
    rig = Rig(ip=IpConfig(conflict_policy="yield"))
    rig.interface.add_address(ALIAS, MASK)
    for _ in range(2):
        rig.gets(asks(ALIAS, ALIAS_PEER, mac=OTHER_MAC))
    assert not rig.stack.ip.is_local(ALIAS)
    assert rig.stack.ip.is_local(US)
    assert not rig.netif.gave_way


def test_addresses_that_cannot_be_ours_are_refused_by_name(aliased: Rig):
    for wrong in ("0.0.0.0", "127.0.0.2", "224.0.0.9", "255.255.255.255"):
        with pytest.raises(InvalidParams, match="address: "):
            aliased.interface.add_address(address(wrong), MASK)
    for taken in (US, ALIAS):
        with pytest.raises(InvalidParams, match="is ours already"):
            aliased.interface.add_address(taken, MASK)


def test_further_addresses_are_bounded():
    rig = Rig(limits=Limits(addresses=2))
    rig.interface.add_address(ALIAS, MASK)
    rig.interface.add_address(SECOND, MASK)
    with pytest.raises(NoMem, match="2 further addresses"):
        rig.interface.add_address(ALIAS_PEER, MASK)
    assert rig.stack.stats["addresses_full"] == 1


def test_an_address_may_be_claimed_first_and_is_ours_once_nobody_is_found_to_have_it(rig: Rig):
    told: list[bytes | None] = []
    rig.interface.claim_address(ALIAS, MASK, told.append)
    rig.after(3.9)  # RFC 5227 2.1.1: three probes, 1 to 2 s apart, and 2 s more
    assert (told, rig.stack.ip.is_local(ALIAS)) == ([], False)
    rig.after(6.0)
    assert (told, rig.stack.ip.is_local(ALIAS)) == ([None], True)
    probe, announcement = "who-has 172.16.0.1 tell 0.0.0.0", "who-has 172.16.0.1 tell 172.16.0.1"
    rig.sends(probe, probe, probe, announcement, announcement)


def test_a_claimed_address_that_another_has_stays_the_others(rig: Rig):
    told: list[bytes | None] = []
    rig.interface.claim_address(ALIAS, MASK, told.append)
    rig.after(1.5)
    rig.gets(answers(ALIAS, ANY, mac=OTHER_MAC))
    rig.after(20.0)
    assert (told, rig.stack.ip.is_local(ALIAS)) == ([OTHER_MAC], False)
    rig.interface.claim_address(SECOND, MASK, told.append)
    rig.interface.add_address(SECOND, MASK)  # meanwhile
    rig.after(20.0)
    assert told == [OTHER_MAC, OUR_MAC]
    with pytest.raises(InvalidParams, match="is ours already"):
        rig.interface.claim_address(SECOND, MASK, told.append)


def test_a_link_that_comes_back_announces_every_address(aliased: Rig):
    aliased.interface.set_mac(OTHER_MAC)
    aliased.sends("who-has 10.0.0.1 tell 10.0.0.1", "who-has 172.16.0.1 tell 172.16.0.1")


def test_nobody_sends_from_our_further_address_or_its_broadcast_to_us(aliased: Rig):
    everybody = address("172.16.0.255")
    aliased.gets(echo(src=ALIAS, dst=US), echo(src=everybody, dst=ALIAS), asks(everybody, ALIAS))
    aliased.sends()
    aliased.drops(ip_source=2, arp_sender=1)


def test_arp_answers_for_the_addresses_of_its_own_interface_alone(two: Any):
    rig, netif, lab = two
    lab.set_addresses(SECOND, MASK, bytes(4))  # two links into one subnet
    netif.sent.clear()
    rig.gets(asks(PEER, SECOND), asks(PEER, LAB))
    assert rig.frames() == []
    rig.gets(asks(PEER, SECOND), by=lab)
    ((buffers, _),) = netif.sent
    assert b"".join(buffers)[22:32] == OTHER_MAC + SECOND


def test_what_is_asked_of_an_address_is_answered_where_it_lives(two: Any):
    rig, netif, lab = two
    lab.set_addresses(SECOND, MASK, bytes(4))
    rig.gets(asks(PEER, SECOND), by=lab)
    netif.sent.clear()
    rig.gets(echo(dst=SECOND))  # by the wrong door
    assert rig.frames() == []
    ((buffers, _),) = netif.sent
    assert b"".join(buffers)[:6] == PEER_MAC


# static routes


def test_a_static_route_leads_to_its_gateway_and_the_longer_prefix_wins(two: Any):
    rig, _, lab = two
    lab.set_routes(((address("8.0.0.0"), 8, LAB_PEER), (address("8.8.8.8"), 32, LAB_GATEWAY)))
    assert way(rig, address("8.1.1.1")) == ("eth1", LAB, LAB_PEER)
    assert way(rig, FAR) == ("eth1", LAB, LAB_GATEWAY)
    assert way(rig, address("9.9.9.9")) == ("eth0", US, GATEWAY)
    lab.set_routes(())
    assert way(rig, FAR) == ("eth0", US, GATEWAY)


def test_a_static_route_of_another_interface_does_not_bend_what_has_an_address_of_its_own(two: Any):
    rig, _, lab = two
    lab.set_routes(((address("8.0.0.0"), 8, LAB_PEER),))
    assert way(rig, FAR, US) == ("eth0", US, GATEWAY)
    assert way(rig, FAR, LAB) == ("eth1", LAB, LAB_PEER)


def test_a_static_route_without_gateway_is_on_the_link(rig: Rig):
    rig.interface.set_routes(((address("8.8.8.0"), 24, ANY),))  # RFC 3442
    assert way(rig, FAR) == ("eth0", US, FAR)
    UdpEndpoint(rig.stack).send_to(b"x", (FAR, 9))
    rig.sends("who-has 8.8.8.8 tell 10.0.0.1")


def test_a_static_route_of_length_0_is_the_interfaces_way_out(two: Any):
    rig, _, lab = two
    lab.set_routes(((ANY, 0, LAB_PEER),))  # RFC 3442: ahead of the router that came with the address
    assert way(rig, FAR) == ("eth0", US, GATEWAY)
    assert way(rig, FAR, LAB) == ("eth1", LAB, LAB_PEER)
    rig.stack.set_default(lab, ())
    assert way(rig, FAR) == ("eth1", LAB, LAB_PEER)
    lab.set_routes(())
    assert way(rig, FAR) == ("eth1", LAB, LAB_GATEWAY)


def test_a_host_of_its_own_subnet_reaches_the_world_by_a_gateway_outside(rig: Rig):
    rig.interface.set_addresses(US, b"\xff" * 4, LAB_GATEWAY)  # a /32 lease
    assert way(rig, FAR) == ("eth0", US, LAB_GATEWAY)
    rig.netif.sent.clear()
    UdpEndpoint(rig.stack).send_to(b"x", (FAR, 9))
    rig.sends("who-has 192.168.7.254 tell 10.0.0.1")
    rig.gets(answers(LAB_GATEWAY, US))
    (frame,) = rig.frames()
    assert frame[30:34] == FAR
    rig.interface.set_routes(((LAB_GATEWAY, 32, ANY), (ANY, 0, LAB_GATEWAY)))  # the same, said by option 121
    assert way(rig, LAB_GATEWAY) == ("eth0", US, LAB_GATEWAY)


def test_static_routes_are_bounded_and_lead_nowhere_without_an_address():
    rig = Rig(limits=Limits(static_routes=2), addressed=False)
    rig.interface.set_routes(tuple((bytes((8, n, 0, 0)), 16, PEER) for n in range(5)))
    assert len(rig.interface.routes) == 2
    assert rig.stack.stats["static_routes_full"] == 1
    with pytest.raises(OSError) as caught:
        rig.stack.ip.route(address("8.1.1.1"))
    assert caught.value.errno == errno.ENETUNREACH
    rig.interface.set_addresses(US, MASK, bytes(4))
    assert way(rig, address("8.1.1.1")) == ("eth0", US, PEER)


def test_a_static_route_by_ourselves_is_none(rig: Rig):
    rig.interface.set_routes(((address("8.0.0.0"), 8, US),))
    assert way(rig, FAR) == ("eth0", US, GATEWAY)


def test_what_insists_on_an_interface_that_is_gone_is_told_so(two: Any):
    rig, _, lab = two
    lab.detach()
    with pytest.raises(OSError) as caught:
        rig.stack.ip.route(PEER, None, lab)
    assert caught.value.errno == errno.ENODEV


def test_a_detached_interface_forgets_what_it_was_given(aliased: Rig):
    aliased.interface.set_routes(((address("8.0.0.0"), 8, PEER),))
    aliased.interface.detach()
    assert (aliased.interface.aliases, aliased.interface.routes) == ({}, ())
    assert not aliased.stack.ip.local
    assert aliased.interface.mac == OUR_MAC
