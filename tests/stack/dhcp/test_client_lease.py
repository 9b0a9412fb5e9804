"""How long a DHCP client keeps its lease: RFC 2131 4.4.5."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address
from math import inf

import pytest

from netif.wire import dhcp_options as option
from netif.wire import ethernet, ip
from netif.wire.dhcp import MessageType
from tests.stack.dhcp.leasing import (
    LEASE_TIME,
    OFFERED,
    ROGUE,
    SERVER,
    SERVER_MAC,
    Leasing,
    LossyServer,
    answer_to,
    options_of,
)

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
    """Six hours of two-minute leases; each frame of either way may be lost."""
    wire = Leasing().start()
    server = LossyServer(wire, loss, seed)
    server.run(6 * 3600)
    lost = {0.01: 0, 0.1: 1, 0.3: 20}[loss]
    assert len(wire.holder.lost) <= lost
    assert set(wire.holder.lost) <= {"the lease has expired"}
    server.loss = 0.0
    server.run(130)
    assert wire.client.state == "BOUND"
    assert wire.holder.ip == "10.0.0.5"
    server.answers = False
    server.run(240)
    assert wire.holder.ip is None


def test_renewals_come_a_little_early_and_never_at_the_same_time():
    """RFC 2131 4.4.5: lest all clients come at once."""
    wire = Leasing().start()
    server = LossyServer(wire, 0.0, 0)
    server.run(1200)
    at = [lease.obtained for lease in wire.holder.leases]
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(57 <= pause <= 60 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) == len(pauses)
