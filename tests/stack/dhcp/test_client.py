"""A DHCP client's conversations with a server: RFC 2131."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address

import pytest

from netif.dhcp import DhcpcConfig
from netif.link import LinkCaps
from netif.wire import dhcp_options as option
from netif.wire import ethernet, ip
from netif.wire.dhcp import BOOTREQUEST, MessageType
from tests.stack.dhcp.leasing import (
    LEASE_TIME,
    OFFERED,
    ROGUE,
    SERVER,
    Leasing,
    LossyServer,
    answer_to,
    frame_of,
    options_of,
)
from tests.stack.rig import OUR_MAC, datagram

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, _ = MessageType


@pytest.fixture
def wire() -> Leasing:
    return Leasing().start()


@pytest.fixture
def bound() -> Leasing:
    wire = Leasing().start()
    wire.bind()
    return wire


# obtaining


def test_four_messages_and_the_address_is_there(wire: Leasing):
    """RFC 2131 3.1, figure 3"""
    wire.answer(OFFER, wire.says(DISCOVER))
    request = wire.says(REQUEST)
    assert request.options[option.REQUESTED_IP] == OFFERED
    assert request.options[option.SERVER_ID] == SERVER
    assert request.ciaddr == bytes(4)
    wire.answer(ACK, request)
    assert wire.holder.ip == "10.0.0.5"
    assert wire.holder.states == ["INIT", "SELECTING", "REQUESTING", "BOUND"]
    (lease,) = wire.holder.leases
    assert (str(lease.ip_info), lease.server, lease.lease_time) == ("10.0.0.5/24", IPv4Address(SERVER), LEASE_TIME)


def test_no_time_passes_before_the_first_message_nor_between_the_others(wire: Leasing):
    began = wire.now
    wire.bind()
    assert wire.now == began


def test_before_there_is_an_address_it_sends_from_none_to_all(wire: Leasing):
    """RFC 2131 4.1"""
    ((frame, message),) = wire.said()
    assert ethernet.parse(frame)[:2] == (ethernet.BROADCAST, OUR_MAC)
    assert frame[26:34] == bytes(4) + ip.BROADCAST
    assert (message.op, message.chaddr, message.ciaddr, message.broadcast) == (BOOTREQUEST, OUR_MAC, bytes(4), False)
    assert message.giaddr == bytes(4)
    ip.parse(frame, 14)


def test_what_a_client_says_of_itself():
    config = DhcpcConfig(hostname="printer", vendor_class="acme", requested="10.0.0.9", ask=(66, 150), broadcast=True)
    message = Leasing(config).start().says(DISCOVER)
    asked = message.options[option.PARAMETER_LIST]
    assert message.options[option.HOST_NAME] == b"printer"
    assert message.options[option.VENDOR_CLASS] == b"acme"
    assert message.options[option.REQUESTED_IP] == b"\x0a\0\0\x09"
    assert message.options[option.CLIENT_ID] == option.client_id(OUR_MAC)
    assert message.options[option.MAX_SIZE] == (1500).to_bytes(2, "big")
    assert message.broadcast
    assert set(asked) >= {1, 3, 6, 12, 15, 26, 28, 33, 42, 43, 51, 58, 59, 66, 67, 114, 119, 121, 150, 249}
    assert asked.index(121) < asked.index(3)  # RFC 3442
    assert len(asked) == len(set(asked))
    assert 108 not in asked  # RFC 8925 2: nobody who has no IPv6 may offer to do without IPv4


@pytest.mark.parametrize(("mtu", "largest"), [(1500, 1500), (1280, 1280), (68, 576), (9000, 1500)])
def test_no_larger_answer_is_invited_than_the_link_takes(mtu, largest):
    """RFC 2132 9.10: 576 at least."""
    wire = Leasing(mtu=mtu).start()
    assert wire.says(DISCOVER).options[option.MAX_SIZE] == largest.to_bytes(2, "big")


def test_only_what_is_answered_asks_for_broadcast():
    """RFC 2131 4.4.1, table 5"""
    wire = Leasing(DhcpcConfig(broadcast=True, conflict_check="none")).start()
    wire.bind()
    wire.client.stop()
    assert not wire.says(RELEASE).broadcast


@pytest.mark.parametrize(
    ("client_id", "said"), [("mac", b"\1" + OUR_MAC), (b"\0myself", b"\0myself"), (b"", option.client_id(OUR_MAC))]
)
def test_it_is_identified_as_configured(client_id, said):
    wire = Leasing(DhcpcConfig(client_id=client_id, conflict_check="none")).start()
    wire.answer(OFFER, wire.says(DISCOVER))
    assert wire.says(REQUEST).options[option.CLIENT_ID] == said


def test_another_configuration_counts_from_the_next_message(bound: Leasing):
    bound.client.config = DhcpcConfig(hostname="renamed")
    bound.after(LEASE_TIME / 2)
    assert bound.says(REQUEST).options[option.HOST_NAME] == b"renamed"


@pytest.mark.parametrize("to", [ip.BROADCAST, OFFERED, bytes((10, 0, 0, 255))])
def test_answers_are_heard_to_whatever_address(wire: Leasing, to: bytes):
    """RFC 2131 4.1: by unicast to an address that is not ours yet, or by broadcast."""
    asked = wire.says(DISCOVER)
    wire.hears(answer_to(OFFER, asked), to=to)
    if to == bytes((10, 0, 0, 255)):
        assert wire.client.state == "REQUESTING"
    wire.answer(ACK, wire.says(REQUEST))
    assert wire.client.state == "BOUND"


def test_a_unicast_in_a_broadcast_frame_is_heard(wire: Leasing):
    """As some servers send to whom cannot answer ARP."""
    wire.hears(answer_to(OFFER, wire.says(DISCOVER)), mac=ethernet.BROADCAST)
    wire.says(REQUEST)


def test_an_answer_with_a_wrong_checksum_is_not(wire: Leasing):
    frame = bytearray(frame_of(answer_to(OFFER, wire.says(DISCOVER)), OFFERED))
    frame[60] ^= 1
    wire.gets(bytes(frame))
    wire.silent()
    wire.drops(udp_checksum=1)


def test_other_datagrams_to_others_addresses_are_not_for_us(wire: Leasing):
    wire.said()
    wire.gets(datagram(b"x", dport=69, dst=OFFERED), datagram(b"x", dport=67, dst=OFFERED))
    wire.drops(ip_not_for_us=2)


def test_of_two_offers_the_first_is_taken(wire: Leasing):
    asked = wire.says(DISCOVER)
    wire.answer(OFFER, asked)
    wire.hears(answer_to(OFFER, asked, options_of(server=ROGUE), yiaddr=bytes((10, 0, 0, 7))))
    assert wire.says(REQUEST).options[option.SERVER_ID] == SERVER
    wire.drops(dhcpc_unexpected=1)


def test_no_route_to_a_server_and_none_from_it_are_needed(wire: Leasing):
    """siaddr zero, no router, no name server."""
    wire.answer(OFFER, wire.says(DISCOVER), siaddr=bytes(4))
    wire.answer(ACK, wire.says(REQUEST), siaddr=bytes(4))
    assert wire.holder.ip == "10.0.0.5"
    assert str(wire.holder.leases[0].ip_info.gw) == "0.0.0.0"


# again and again


def sent_at(wire: Leasing, seconds: float) -> list[float]:
    """When messages were sent, from now on."""
    server = LossyServer(wire, 1.0, 0)
    began = wire.now
    server.serve()
    server.run(seconds)
    return [at - began for at, _ in server.heard]


def test_discovers_are_repeated_ever_more_slowly_and_at_random(wire: Leasing):
    """RFC 2131 4.1: 4, 8, 16, 32, then 64 seconds, each by up to one second more or less."""
    at = sent_at(wire, 300)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    for pause, wanted in zip(pauses, [4, 8, 16, 32, 64, 64], strict=False):
        assert wanted - 1 <= pause <= wanted + 1
    assert len({round(pause % 1, 3) for pause in pauses}) > 2
    assert 7 <= len(at) <= 8


def test_secs_count_from_the_first_message_and_the_request_bears_the_discovers():
    """RFC 2131 4.4.1"""
    wire = Leasing().start()
    assert wire.says(DISCOVER).secs == 0
    wire.after(5.1)
    again = wire.says(DISCOVER)
    assert 3 <= again.secs <= 5
    wire.answer(OFFER, again)
    first = wire.says(REQUEST)
    wire.after(5.1)
    assert first.secs == wire.says(REQUEST).secs == again.secs
    assert again.xid == first.xid


def test_a_request_that_nobody_answers_leads_back_after_a_minute(wire: Leasing):
    """RFC 2131 3.1.5"""
    wire.answer(OFFER, wire.says(DISCOVER))
    server = LossyServer(wire, 1.0, 0)
    server.serve()
    server.run(66)
    assert [kind for _, kind in server.heard] == [REQUEST] * 4 + [DISCOVER] * 2
    assert 55 < server.heard[4][0] - server.heard[0][0] < 65
    assert wire.holder.states[-2:] == ["INIT", "SELECTING"]


def test_it_gives_up_after_the_tries_it_was_given():
    wire = Leasing(DhcpcConfig(tries=3)).start()
    assert len(sent_at(wire, 600)) == 3
    assert wire.client.state == "INIT"
    wire.interface.link_down()
    wire.client.link_down()
    wire.interface.link_up(LinkCaps(mac=OUR_MAC))
    wire.client.link_up()
    assert len(sent_at(wire, 600)) == 3


def test_a_nak_leads_back_at_once_but_not_in_a_circle(wire: Leasing):
    """RFC 2131 3.1.5"""
    for _ in range(5):
        wire.answer(OFFER, wire.says(DISCOVER))
        wire.answer(NAK, wire.says(REQUEST))
        assert wire.client.state in ("SELECTING", "INIT")
        wire.after(0 if wire.client.state == "SELECTING" else 64)
        wire.netif.sent[1:] = []
    assert wire.stack.stats["dhcpc_refused"] == 5


def test_refusals_in_a_row_are_followed_ever_more_slowly():
    wire = Leasing().start()
    server = LossyServer(wire, 0.0, 0)
    server.answer = lambda frame, message: wire.answer(OFFER if message.kind is DISCOVER else NAK, message)
    server.run(300)
    assert 5 <= wire.stack.stats["dhcpc_refused"] <= 9
