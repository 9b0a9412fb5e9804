"""How long a DHCP client keeps its lease, and how it begins and ends: RFC 2131 3.2, 3.7, 4.4.2 to 4.4.6."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address
from math import inf

import pytest

from netif.dhcp import DhcpcConfig
from netif.link import LinkCaps
from netif.wire import dhcp_options as option
from netif.wire import ethernet, ip
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


# a lease and its end


def test_t1_asks_the_server_alone_and_the_lease_goes_on(bound: Leasing):
    """RFC 2131 4.4.5"""
    bound.after(LEASE_TIME * 0.5 * 0.94)
    bound.silent()
    bound.after(LEASE_TIME * 0.5 * 0.06)
    ((frame, message),) = bound.said()
    assert bound.client.state == "RENEWING"
    assert frame[:6] == SERVER_MAC
    assert frame[26:34] == OFFERED + SERVER
    assert message.ciaddr == OFFERED
    assert not {option.REQUESTED_IP, option.SERVER_ID} & message.options.keys()
    bound.answer(ACK, message)
    assert bound.client.state == "BOUND"
    assert bound.holder.ip == "10.0.0.5"
    assert [lease.obtained for lease in bound.holder.leases] == pytest.approx([1000, bound.now], abs=LEASE_TIME * 0.03)
    assert bound.holder.lost == []


def test_t2_asks_everybody_and_any_server_is_believed(bound: Leasing):
    bound.after(LEASE_TIME * 0.875)
    frame, message = bound.said()[-1]
    assert bound.client.state == "REBINDING"
    assert frame[:6] == ethernet.BROADCAST
    assert frame[26:34] == OFFERED + ip.BROADCAST
    assert message.ciaddr == OFFERED
    assert not {option.REQUESTED_IP, option.SERVER_ID} & message.options.keys()
    bound.hears(answer_to(ACK, message, options_of(server=ROGUE)), src=ROGUE)
    assert bound.client.state == "BOUND"
    assert bound.holder.leases[-1].server == IPv4Address(ROGUE)


def test_at_the_end_of_the_lease_the_address_is_given_up_and_asked_for_anew(bound: Leasing):
    """RFC 2131 4.4.5"""
    server = LossyServer(bound, 1.0, 0)
    server.run(LEASE_TIME - 1)
    assert bound.holder.ip == "10.0.0.5"
    server.run(1)
    assert bound.holder.ip is None
    assert bound.holder.lost == ["the lease has expired"]
    assert bound.holder.states[3:] == ["BOUND", "RENEWING", "REBINDING", "INIT", "SELECTING"]
    assert bound.stack.stats["dhcpc_expired"] == 1
    server.loss = 0.0
    server.run(5)
    assert bound.client.state == "BOUND"


def test_requests_for_more_time_come_at_half_of_what_is_left(bound: Leasing):
    """RFC 2131 4.4.5: and a minute apart at least."""
    server = LossyServer(bound, 1.0, 0)
    server.run(LEASE_TIME - 1)
    at = [when for when, kind in server.heard if kind is REQUEST]
    assert at[0] == pytest.approx(1000 + LEASE_TIME / 2, abs=100)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert sum(pause < 59 for pause in pauses) <= 1  # the first in REBINDING comes when that begins
    assert pauses[0] == pytest.approx((LEASE_TIME * 0.875 - LEASE_TIME / 2) / 2, abs=60)
    assert len(at) >= 7


def test_a_lease_for_ever_is_never_renewed():
    """RFC 2131 3.3"""
    wire = Leasing().start()
    wire.bind(lease_time=0xFFFFFFFF, o58=b"\0\0\0\1")
    assert wire.holder.leases[0].renewal_time == inf
    wire.after(10 * 365 * 86400.0)
    wire.silent()
    assert wire.stack.next_deadline() is None


@pytest.mark.parametrize(
    ("t1", "t2", "renewal", "rebinding"),
    [
        (None, None, 1800, 3150),
        (100, 200, 100, 200),
        (0, 0, 1800, 3150),
        (4000, 5000, 1800, 3150),
        (3000, 2000, 2000 * 4 / 7, 2000),
        (100, 0xFFFFFFFF, 100, 3150),
        (3600, 3600, 1800, 3150),
    ],
)
def test_times_that_make_no_sense_are_replaced(t1, t2, renewal, rebinding):
    """RFC 2131 4.4.5: T1 < T2 < the lease's time; by default half and seven eighths of it."""
    wire = Leasing().start()
    times = {f"o{code}": n.to_bytes(4, "big") for code, n in ((58, t1), (59, t2)) if n is not None}
    wire.bind(**times)
    lease = wire.holder.leases[0]
    assert (lease.renewal_time, lease.rebinding_time) == pytest.approx((renewal, rebinding))


def test_a_lease_of_seconds_does_not_make_a_storm():
    wire = Leasing().start()
    wire.bind(lease_time=1)
    server = LossyServer(wire, 0.0, 0)
    answers_by = {REQUEST: ACK, DISCOVER: OFFER}
    server.answer = lambda frame, message: wire.answer(answers_by[message.kind], message, options_of(1))
    server.run(10)
    assert wire.holder.lost == []
    assert len(server.heard) < 30


def test_a_server_that_cannot_be_reached_any_more_costs_no_exception(bound: Leasing):
    bound.client.stop(release=False)
    wire = Leasing().start()
    asked = wire.says(DISCOVER)
    far = address_of("192.0.2.1")
    wire.hears(answer_to(OFFER, asked, options_of(server=far)))
    wire.hears(answer_to(ACK, wire.says(REQUEST), options_of(server=far)))
    wire.after(LEASE_TIME * 0.8)
    wire.silent()
    assert wire.stack.stats["dhcpc_no_route"] >= 1
    wire.after(LEASE_TIME * 0.1)
    assert wire.client.state == "REBINDING"


def address_of(text: str) -> bytes:
    return ip.parse_address(text)


@pytest.mark.parametrize("loss", [0.01, 0.1, 0.3])
def test_over_a_lossy_wire_the_lease_is_obtained_and_kept(loss: float, seed: int):
    """A day of two-minute leases; each frame of either way may be lost."""
    wire = Leasing().start()
    server = LossyServer(wire, loss, seed)
    server.run(86400)
    lost = {0.01: 0, 0.1: 2, 0.3: 60}[loss]
    assert len(wire.holder.lost) <= lost
    assert set(wire.holder.lost) <= {"the lease has expired"}
    server.loss = 0.0
    server.run(130)
    assert wire.client.state == "BOUND"
    assert wire.holder.ip == "10.0.0.5"
    server.answers = False
    server.run(240)
    assert wire.holder.ip is None


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
