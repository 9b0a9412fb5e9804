"""What a DHCP client does about an address that another host has: RFC 2131 2.2, 3.1.5, 4.4.4; RFC 5227's probes."""

from __future__ import annotations

from ipaddress import IPv4Address

from netif.dhcp import DhcpcConfig
from netif.wire import arp, ethernet
from netif.wire import dhcp_options as option
from netif.wire.dhcp import MessageType
from tests.stack.dhcp.leasing import LEASE_TIME, OFFERED, SERVER, Leasing, LossyServer
from tests.stack.rig import OTHER_MAC, answers

DISCOVER, OFFER, REQUEST, DECLINE, ACK, *_ = MessageType


def checking(how: str) -> Leasing:
    wire = Leasing(DhcpcConfig(conflict_check=how)).start()
    wire.answer(OFFER, wire.says(DISCOVER))
    wire.answer(ACK, wire.says(REQUEST))
    return wire


def probes(wire: Leasing) -> list[tuple[bytes, bytes]]:
    """Whom the ARP requests since the last look were from, and for."""
    wire.said()
    found = [arp.parse(frame, 14) for frame in wire.others if frame[12:14] == b"\x08\6"]
    wire.others.clear()
    return [(message.spa, message.tpa) for message in found]


def test_by_default_the_address_is_used_at_once_and_probed_for_behind_it():
    wire = checking("after")
    assert wire.holder.ip == "10.0.0.5"
    assert probes(wire) == [(OFFERED, OFFERED)]  # announced
    wire.after(10)
    assert probes(wire)[:3] == [(bytes(4), OFFERED)] * 3
    assert wire.holder.lost == []


def test_whoever_has_it_already_keeps_it():
    """RFC 2131 3.1.5, 4.4.4: DECLINE, and ten seconds' wait"""
    wire = checking("after")
    wire.after(2.0)
    wire.gets(answers(OFFERED, bytes(4), OTHER_MAC))
    assert wire.holder.lost == ["02:00:00:00:00:09 uses it"]
    assert wire.holder.ip is None
    ((frame, message),) = wire.said()
    assert message.kind is DECLINE
    assert (message.options[option.REQUESTED_IP], message.options[option.SERVER_ID]) == (OFFERED, SERVER)
    assert (message.ciaddr, frame[:6], frame[26:30]) == (bytes(4), ethernet.BROADCAST, bytes(4))
    assert option.PARAMETER_LIST not in message.options
    wire.after(9.9)
    wire.silent()
    wire.after(0.2)
    assert option.REQUESTED_IP not in wire.says(DISCOVER).options
    assert wire.stack.stats["dhcpc_declined"] == 1


def test_an_address_that_was_declined_is_wished_for_no_more():
    wire = Leasing(DhcpcConfig(requested=IPv4Address(OFFERED))).start()
    asked = wire.says(DISCOVER)
    assert asked.options[option.REQUESTED_IP] == OFFERED
    wire.answer(OFFER, asked)
    wire.answer(ACK, wire.says(REQUEST))
    wire.gets(answers(OFFERED, bytes(4), OTHER_MAC))
    wire.says(DECLINE)
    wire.after(10)
    assert option.REQUESTED_IP not in wire.says(DISCOVER).options


def test_before_means_that_it_is_used_only_when_nobody_has_it():
    """RFC 2131 2.2, 4.4.1"""
    wire = checking("before")
    assert wire.client.state == "CHECKING"
    wire.after(1.0)
    assert wire.holder.ip is None
    wire.after(7.0)
    assert wire.holder.ip == "10.0.0.5"
    assert wire.holder.states[-2:] == ["CHECKING", "BOUND"]


def test_before_and_somebody_has_it():
    wire = checking("before")
    wire.after(1.5)
    wire.gets(answers(OFFERED, bytes(4), OTHER_MAC))
    wire.says(DECLINE)
    assert wire.holder.leases == []
    assert wire.holder.lost == []
    wire.after(10.1)
    wire.says(DISCOVER)


def test_none_means_that_nobody_is_asked():
    wire = checking("none")
    wire.said()
    wire.others.clear()
    wire.after(20)
    assert probes(wire) == []


def test_a_renewed_address_is_not_probed_for_again():
    wire = checking("before")
    wire.after(8)
    probes(wire)
    LossyServer(wire, 0.0, 0).run(LEASE_TIME)
    assert wire.client.state == "BOUND"
    assert len(wire.holder.leases) > 10
    assert wire.holder.states.count("CHECKING") == 1


def test_the_link_goes_down_during_the_check():
    wire = checking("before")
    wire.interface.link_down()
    wire.client.link_down()
    wire.after(20)
    assert wire.holder.leases == []
    assert wire.client.state == "INIT"
