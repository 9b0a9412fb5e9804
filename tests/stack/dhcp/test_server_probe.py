"""Whether somebody has an address already, asked before it is offered: RFC 2131 2.2 and 4.4.1."""

from __future__ import annotations

import pytest

from netif.wire import arp, ethernet
from netif.wire import dhcp_options as option
from stack.limits import Limits
from tests.stack.dhcp.serving import ACK, DISCOVER, OFFER, Serving, mac_of
from tests.stack.rig import OTHER_MAC, OUR_MAC, US, address, answers

WAIT = 0.2  # the default
NOBODYS = bytes(4)


@pytest.fixture
def careful() -> Serving:
    return Serving(conflict_probe=WAIT)


def probes(serving: Serving) -> list[str]:
    """For which addresses it has asked just now."""
    asked = []
    for frame in serving.frames():
        to, _, ethertype = ethernet.parse(frame)
        if ethertype == ethernet.ARP:
            message = arp.parse(frame, 14)
            assert (to, message[:4]) == (ethernet.BROADCAST, (arp.REQUEST, OUR_MAC, NOBODYS, bytes(6)))
            asked.append(".".join(map(str, message.tpa)))
    return asked


def test_an_offer_waits_for_one_probe(careful: Serving):
    careful.asks(1)
    assert probes(careful) == ["10.0.0.2"]
    careful.after(WAIT - 0.01)
    assert careful.hears() == []
    careful.after(0.02)
    (offer,) = careful.hears()
    assert (offer.kind, offer.address) == (OFFER, "10.0.0.2")


def test_it_is_done_once(careful: Serving):
    """A plain exchange goes on at full speed, and so does whoever comes again while its lease lasts."""
    assert careful.says(DISCOVER, 1) == []
    careful.after(WAIT)
    (offer,) = careful.hears()
    (again,) = careful.says(DISCOVER, 1)
    assert again.address == offer.address
    (ack,) = careful.selects(1, offer.address)
    assert ack.kind is ACK
    (again,) = careful.says(DISCOVER, 1)
    assert again.address == offer.address


def test_who_comes_back_after_its_lease_is_asked_for_again():
    serving = Serving(conflict_probe=WAIT, lease_time=100)
    serving.says(DISCOVER, 1)
    serving.after(WAIT)
    serving.selects(1, "10.0.0.2")
    serving.after(101)
    serving.asks(1)
    assert probes(serving) == ["10.0.0.2"]


def test_an_address_in_use_is_left_alone_and_the_next_tried():
    serving = Serving(conflict_probe=WAIT, decline_time=300)
    serving.asks(1)
    assert probes(serving) == ["10.0.0.2"]
    serving.gets(answers(address("10.0.0.2"), NOBODYS, OTHER_MAC))
    assert probes(serving) == ["10.0.0.3"]
    serving.after(WAIT)
    (offer,) = serving.hears()
    assert offer.address == "10.0.0.3"
    assert serving.stack.stats["dhcps_declined"] == 1
    serving.says(DISCOVER, 2, options={option.REQUESTED_IP: address("10.0.0.2")})
    serving.after(WAIT)
    assert serving.hears()[0].address == "10.0.0.4"
    serving.after(300)
    serving.asks(3, options={option.REQUESTED_IP: address("10.0.0.2")})
    assert probes(serving) == ["10.0.0.2"]


def test_the_client_itself_may_have_the_address_still(careful: Serving):
    careful.says(DISCOVER, 1, options={option.REQUESTED_IP: address("10.0.0.50")})
    careful.gets(answers(address("10.0.0.50"), NOBODYS, mac_of(1)))
    careful.after(WAIT)
    (offer,) = careful.hears()
    assert offer.address == "10.0.0.50"


def test_what_is_heard_about_other_addresses_does_not_matter(careful: Serving):
    careful.says(DISCOVER, 1)
    careful.gets(answers(address("10.0.0.3"), US, OTHER_MAC))
    careful.after(WAIT)
    assert careful.hears()[0].address == "10.0.0.2"


def test_a_client_that_asks_again_meanwhile_is_answered_once_to_its_latest(careful: Serving):
    careful.says(DISCOVER, 1)
    careful.after(WAIT / 2)
    assert careful.says(DISCOVER, 1, secs=4, broadcast=True) == []
    careful.after(WAIT)
    (offer,) = careful.hears()
    assert offer.message.broadcast


def test_who_takes_another_offer_meanwhile_gets_none(careful: Serving):
    careful.says(DISCOVER, 1)
    careful.selects(1, "10.0.0.200", options={option.SERVER_ID: address("10.0.0.9")})
    careful.after(1)
    assert careful.hears() == []
    careful.says(DISCOVER, 2)
    careful.after(WAIT)
    assert careful.hears()[0].address == "10.0.0.2"


def test_an_address_that_has_become_free_meanwhile_is_asked_for_anew(careful: Serving):
    careful.says(DISCOVER, 1)
    careful.selects(1, "10.0.0.200", options={option.SERVER_ID: address("10.0.0.9")})
    careful.after(WAIT / 2)
    careful.asks(2)
    assert probes(careful) == ["10.0.0.2"]
    careful.after(WAIT - 0.01)
    assert careful.hears() == []
    careful.after(0.02)
    assert [heard.address for heard in careful.hears()] == ["10.0.0.2"]


def test_who_says_that_it_knows_the_address_need_not_wait(careful: Serving):
    """A server that was started anew between its offer and the request."""
    careful.says(DISCOVER, 1)
    (ack,) = careful.selects(1, "10.0.0.2")
    assert ack.kind is ACK
    careful.gets(answers(address("10.0.0.2"), NOBODYS, OTHER_MAC))
    careful.after(1)
    assert careful.hears() == []
    assert str(careful.server.client_address(mac_of(1))) == "10.0.0.2"


def test_probes_end_with_the_server(careful: Serving):
    careful.says(DISCOVER, 1)
    careful.server.stop()
    careful.after(5)
    assert careful.hears() == []
    assert not careful.interface.arp.claims


def test_there_are_only_so_many_at_a_time():
    serving = Serving(conflict_probe=WAIT, limits=Limits(dhcp_probes=2))
    assert serving.says(DISCOVER, 1) == serving.says(DISCOVER, 2) == []
    assert serving.discovers(3).kind is OFFER  # the client looks for itself anyway
    assert serving.stack.stats["dhcps_unprobed"] == 1
    serving.after(WAIT)
    assert len(serving.hears()) == 2


def test_a_request_that_cannot_be_met_probes_nothing(careful: Serving):
    assert careful.reboots(1, "10.0.0.9") == []
    assert not careful.interface.arp.claims
