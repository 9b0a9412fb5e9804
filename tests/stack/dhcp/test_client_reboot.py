"""How a DHCP client begins and ends, with its lease, with its link, with its stack: RFC 2131 3.2, 3.7, 4.4.2, 4.4.6."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from attrs import evolve

from netif.dhcp import DhcpcConfig
from netif.link import LinkCaps
from netif.wire import dhcp_options as option
from netif.wire.dhcp import MessageType
from tests.stack.dhcp.leasing import (
    LEASE_TIME,
    OFFERED,
    ROGUE,
    SERVER,
    SERVER_MAC,
    Holder,
    Leasing,
    LossyServer,
    answer_to,
    options_of,
    previous,
)
from tests.stack.rig import OTHER_MAC, OUR_MAC

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, _ = MessageType


@pytest.fixture
def wire() -> Leasing:
    return Leasing().start()


@pytest.fixture
def bound() -> Leasing:
    wire = Leasing().start()
    wire.bind()
    return wire


# ends and beginnings


def test_a_lease_is_given_back_at_the_end(bound: Leasing):
    """RFC 2131 4.4.6, table 5"""
    bound.client.stop()
    ((frame, message),) = bound.said()
    assert message.kind is RELEASE
    assert (message.ciaddr, message.options[option.SERVER_ID]) == (OFFERED, SERVER)
    assert not {option.REQUESTED_IP, option.PARAMETER_LIST, option.MAX_SIZE} & message.options.keys()
    assert frame[:6] == SERVER_MAC
    assert frame[26:34] == OFFERED + SERVER
    assert bound.holder.lost == []
    assert bound.client.state == "STOPPED"
    bound.holder.lease_lost("")
    bound.after(2 * LEASE_TIME)
    bound.silent()


def test_nothing_is_said_at_an_abrupt_end(bound: Leasing):
    bound.client.stop(release=False)
    bound.silent()
    bound.after(2 * LEASE_TIME)
    bound.silent()
    bound.hears(answer_to(OFFER, answer_to(OFFER, previous_discover())))
    bound.drops(udp_no_socket=1)


def previous_discover():
    wire = Leasing().start()
    return wire.says(DISCOVER)


def test_stopped_it_takes_nothing_and_leaves_nothing(wire: Leasing):
    wire.client.stop()
    wire.said()
    assert wire.interface.bootstrap is None
    assert wire.interface.yields is None
    assert not wire.stack.udp.ports
    assert wire.stack.next_deadline() is None
    wire.hears(answer_to(OFFER, previous_discover()))
    wire.drops(ip_not_for_us=1)
    wire.client.start()
    wire.after(0)
    wire.bind()


def test_while_the_link_is_down_it_is_silent_and_afterwards_makes_sure(bound: Leasing):
    """RFC 2131 3.7, 4.4.2: INIT-REBOOT"""
    bound.interface.link_down()
    bound.client.link_down()
    assert bound.client.state == "INIT-REBOOT"
    bound.after(60)
    bound.silent()
    bound.interface.link_up(LinkCaps(mac=OUR_MAC))
    bound.client.link_up()
    bound.after(0)
    request = bound.says(REQUEST)
    assert request.options[option.REQUESTED_IP] == OFFERED
    assert option.SERVER_ID not in request.options
    assert request.ciaddr == bytes(4)
    assert bound.client.state == "REBOOTING"
    bound.answer(ACK, request)
    assert bound.client.state == "BOUND"
    assert bound.holder.lost == []


def test_a_lease_ends_while_the_link_is_down(bound: Leasing):
    bound.interface.link_down()
    bound.client.link_down()
    bound.after(LEASE_TIME)
    assert bound.holder.lost == ["the lease has expired"]
    assert bound.client.state == "INIT"
    bound.silent()
    bound.interface.link_up(LinkCaps(mac=OUR_MAC))
    bound.client.link_up()
    bound.after(0)
    bound.says(DISCOVER)


def test_elsewhere_the_old_lease_is_refused_and_another_obtained(bound: Leasing):
    bound.client.link_up()  # nobody said that it was down
    bound.after(0)
    bound.answer(NAK, bound.says(REQUEST), options_of(None, server=ROGUE, mask=None, o56=b"wrong network"))
    assert bound.holder.lost == ["the server refused it: wrong network"]
    assert bound.holder.ip is None
    bound.after(0)
    asked = bound.says(DISCOVER)
    assert option.REQUESTED_IP not in asked.options


def test_a_lease_that_nobody_confirms_is_used_to_its_end_and_asked_for_anew(bound: Leasing):
    """RFC 2131 3.2: MAY"""
    bound.client.link_up()
    server = LossyServer(bound, 1.0, 0)
    server.run(40)
    kinds = [kind for _, kind in server.heard]
    assert kinds[:3] == [REQUEST, REQUEST, DISCOVER]
    assert bound.holder.ip == "10.0.0.5"
    server.run(LEASE_TIME)
    assert bound.holder.lost == ["the lease has expired"]


def test_a_remembered_lease_is_asked_for_first():
    wire = Leasing()
    wire.start(previous(wire, "10.0.0.7"))
    assert wire.holder.states == ["INIT-REBOOT", "REBOOTING"]
    request = wire.says(REQUEST)
    assert request.options[option.REQUESTED_IP] == b"\x0a\0\0\7"
    wire.answer(ACK, request, yiaddr=b"\x0a\0\0\7")
    assert wire.holder.ip == "10.0.0.7"
    assert wire.stack.stats["dhcpc_refused"] == 0


def test_a_remembered_lease_that_is_over_is_only_wished_for():
    """RFC 2131 4.4.1"""
    wire = Leasing()
    lease = previous(wire, "10.0.0.7", lease_time=60)
    wire.after(61)
    wire.start(lease)
    assert wire.says(DISCOVER).options[option.REQUESTED_IP] == b"\x0a\0\0\7"


def test_a_remembered_lease_that_nobody_knows_is_wished_for_and_not_used():
    wire = Leasing()
    wire.start(previous(wire))
    server = LossyServer(wire, 1.0, 0)
    server.serve()
    server.run(16)
    assert [kind for _, kind in server.heard][:3] == [REQUEST, REQUEST, DISCOVER]
    assert wire.holder.ip is None


def flap(wire: Leasing) -> None:
    wire.interface.link_down()
    wire.client.link_down()
    wire.interface.link_up(LinkCaps(mac=OUR_MAC))
    wire.client.link_up()
    wire.after(0)


def test_a_link_that_comes_and_goes_during_a_reboot_does_not_make_it_forget():
    wire = Leasing()
    wire.start(previous(wire))
    wire.says(REQUEST)
    flap(wire)
    assert wire.says(REQUEST).options[option.REQUESTED_IP] == OFFERED


def test_the_lease_in_use_is_what_is_asked_for_after_the_link_was_down(bound: Leasing):
    """Even if another was on offer meanwhile."""
    bound.client.link_up()
    bound.after(13.5)
    (*_, asked) = [message for _, message in bound.said()]
    bound.answer(OFFER, asked, yiaddr=bytes((10, 0, 0, 9)))
    assert bound.says(REQUEST).options[option.REQUESTED_IP] == bytes((10, 0, 0, 9))
    flap(bound)
    assert bound.says(REQUEST).options[option.REQUESTED_IP] == OFFERED


def test_what_nobody_gave_is_not_asked_for():
    wire = Leasing()
    wire.start(evolve(previous(wire), server=IPv4Address("0.0.0.0")))
    assert option.REQUESTED_IP not in wire.says(DISCOVER).options


def test_an_offer_that_came_to_nothing_is_not_wished_for(wire: Leasing):
    wire.answer(OFFER, wire.says(DISCOVER))
    wire.after(65)
    *_, last = [message for _, message in wire.said() if message.kind is DISCOVER]
    assert option.REQUESTED_IP not in last.options


def test_nothing_is_given_back_where_there_is_no_link(bound: Leasing):
    bound.interface.link_down()
    bound.client.link_down()
    bound.client.stop()
    bound.silent()
    bound.drops()


def test_a_refusal_after_a_lease_is_the_first_again(wire: Leasing):
    wire.answer(OFFER, wire.says(DISCOVER))
    wire.answer(NAK, wire.says(REQUEST))
    wire.after(0)
    wire.bind()
    wire.after(LEASE_TIME / 2)
    wire.hears(answer_to(NAK, wire.says(REQUEST)), to=OFFERED)
    wire.after(0)
    wire.says(DISCOVER)


def test_without_a_link_nothing_is_said_until_there_is_one():
    wire = Leasing()
    wire.interface.link_down()
    wire.start()
    wire.after(100)
    assert wire.said() == []
    wire.interface.link_up(LinkCaps(mac=OUR_MAC))
    wire.client.link_up()
    wire.after(0)
    wire.bind()


def test_the_stack_ends_and_the_client_with_it(bound: Leasing):
    bound.stack.close(0)
    assert bound.client.state == "STOPPED"


def test_two_interfaces_each_have_a_client_of_their_own(bound: Leasing):
    netif, second = bound.link("eth1", OTHER_MAC)
    client = bound.stack.dhcp_client(second, DhcpcConfig(), Holder(bound))
    client.start()
    bound.after(0)
    assert len(netif.sent) == 1
    bound.client.stop()
    assert client.state == "SELECTING"
    client.stop()


def test_a_second_client_of_one_interface_is_refused(bound: Leasing):
    client = bound.stack.dhcp_client(bound.interface, DhcpcConfig(), Holder(bound))
    with pytest.raises(OSError, match="Address already in use"):
        client.start()
    assert client.state == "STOPPED"
    bound.after(LEASE_TIME / 2)
    bound.answer(ACK, bound.says(REQUEST))
    assert bound.client.state == "BOUND"
