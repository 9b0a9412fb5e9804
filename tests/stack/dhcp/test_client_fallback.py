"""What a DHCP client makes do with while no server answers, and how it comes back: also RFC 3927 1.9."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netif.dhcp import DhcpcConfig
from netif.link import LinkCaps
from netif.wire.dhcp import MessageType
from stack.link_local import choice
from tests.stack.dhcp.leasing import Leasing, LossyServer
from tests.stack.rig import OTHER_MAC, OUR_MAC, answers, asks

DISCOVER, OFFER, REQUEST, DECLINE, ACK, *_ = MessageType
LINK_LOCAL = str(IPv4Address(choice(OUR_MAC, 0)))


def alone(fallback, **options) -> tuple[Leasing, LossyServer]:
    """A client whose server does not answer yet."""
    wire = Leasing(DhcpcConfig(fallback=fallback, conflict_check="none", **options)).start()
    server = LossyServer(wire, 0.0, 0)
    server.answers = False
    return wire, server


def test_a_static_address_is_used_after_a_time_and_asking_goes_on():
    wire, server = alone("192.168.5.100/24", fallback_after=15.0)
    server.run(14.9)
    assert wire.holder.ip is None
    server.run(0.2)
    assert wire.holder.ip == "192.168.5.100"
    assert wire.holder.leases[0].server == IPv4Address("0.0.0.0")
    before = len(server.heard)
    server.run(200)
    assert len(server.heard) > before + 2
    server.answers = True
    server.run(70)
    assert wire.holder.ip == "10.0.0.5"
    assert wire.holder.lost == []


def test_a_link_local_address_is_claimed_after_a_time():
    wire, server = alone("link-local")
    server.run(10)
    assert wire.holder.ip is None
    server.run(8)
    assert wire.holder.ip == LINK_LOCAL
    assert wire.holder.leases[0].ip_info.netmask == IPv4Address("255.255.0.0")
    server.answers = True
    server.run(70)
    assert wire.holder.ip == "10.0.0.5"


def test_a_lease_in_time_makes_it_needless():
    wire, server = alone("link-local")
    server.run(2)
    server.answers = True
    server.run(600)
    assert {str(lease.ip_info.ip) for lease in wire.holder.leases} == {"10.0.0.5"}


def test_a_lease_during_the_claim_ends_the_claim():
    wire, server = alone("link-local", fallback_after=11.0)
    server.run(11.5)
    assert wire.interface.arp.claims
    server.answers = True
    server.run(3)
    assert wire.client.state == "BOUND"
    assert not wire.interface.arp.claims


def test_another_link_local_address_is_looked_for_when_the_first_is_contested():
    wire, server = alone("link-local")
    server.run(20)
    wire.gets(asks(choice(OUR_MAC, 0), choice(OUR_MAC, 0), OTHER_MAC))
    wire.gets(asks(choice(OUR_MAC, 0), choice(OUR_MAC, 0), OTHER_MAC))
    assert wire.holder.lost == ["02:00:00:00:00:09 uses it"]
    assert DECLINE not in [kind for _, kind in server.heard]
    server.run(10)
    assert wire.holder.ip == str(IPv4Address(choice(OUR_MAC, 1)))


def test_it_comes_into_play_again_when_a_lease_has_ended():
    wire, server = alone("192.168.5.100/24")
    server.answers = True
    server.run(1)
    server.answers = False
    server.run(121)
    assert wire.holder.ip is None
    server.run(11)
    assert wire.holder.ip == "192.168.5.100"


def test_a_lease_that_nobody_confirms_is_better_until_it_ends():
    wire, server = alone("192.168.5.100/24")
    server.answers = True
    server.run(1)
    server.answers = False
    wire.client.link_up()
    server.run(100)
    assert wire.holder.ip == "10.0.0.5"
    server.run(35)
    assert wire.holder.ip == "192.168.5.100"


def test_a_link_that_comes_back_makes_sure_of_it():
    """RFC 3927 2.2"""
    wire, server = alone("link-local")
    server.run(20)
    wire.interface.link_down()
    wire.client.link_down()
    wire.interface.link_up(LinkCaps(mac=OUR_MAC))
    wire.client.link_up()
    server.run(1.5)
    wire.gets(answers(choice(OUR_MAC, 0), bytes(4), OTHER_MAC))
    assert wire.holder.lost == ["02:00:00:00:00:09 uses it"]
    server.run(12)
    assert wire.holder.ip == str(IPv4Address(choice(OUR_MAC, 1)))


@pytest.mark.parametrize("fallback", ["link-local", "192.168.5.100/24"])
def test_a_link_that_comes_back_is_no_news(fallback):
    wire, server = alone(fallback)
    server.run(20)
    wire.interface.link_down()
    wire.client.link_down()
    wire.interface.link_up(LinkCaps(mac=OUR_MAC))
    wire.client.link_up()
    server.run(40)
    assert len(wire.holder.leases) == 1


def test_it_ends_with_the_client():
    wire, server = alone("link-local")
    server.run(11)
    wire.client.stop()
    wire.said()
    wire.after(60)
    assert wire.holder.leases == []
    assert wire.stack.next_deadline() is None
