"""What a DHCP server makes of each message: RFC 2131 4.1 and 4.3."""

from __future__ import annotations

import pytest

from netif.wire import dhcp_options as option
from netif.wire import ethernet
from netif.wire.dhcp import BOOTREPLY, BOOTREQUEST, Message, emit
from tests.stack.dhcp.serving import (
    ACK,
    DECLINE,
    DISCOVER,
    EVERYBODY,
    INFORM,
    NAK,
    NOBODY,
    OFFER,
    RELEASE,
    REQUEST,
    Serving,
    carried,
    mac_of,
)
from tests.stack.rig import US, address, answers

OTHER_SERVER = address("10.0.0.9")


def test_discover_offer_request_ack(serving: Serving):
    """RFC 2131 3.1: straight to the client that has no address yet (4.1)."""
    offer = serving.discovers()
    assert (offer.kind, offer.address, offer.port) == (OFFER, "10.0.0.2", 68)
    assert (offer.to_mac, offer.to) == (mac_of(1), address("10.0.0.2"))
    assert (offer.message.xid, offer.message.chaddr) == (0x1001, mac_of(1))
    (ack,) = serving.selects(1, "10.0.0.2")
    assert (ack.kind, ack.address, ack.to_mac) == (ACK, "10.0.0.2", mac_of(1))
    assert serving.server.client_address(mac_of(1)) is not None
    assert not serving.stack.stats.drops()


def test_who_cannot_hear_unicast_yet_is_told_by_broadcast(serving: Serving):
    offer = serving.discovers(broadcast=True)
    (ack,) = serving.selects(1, offer.address, broadcast=True)
    for heard in (offer, ack):
        assert (heard.to_mac, heard.to) == (ethernet.BROADCAST, EVERYBODY)
        assert heard.message.broadcast


def test_the_giver_is_told_of_who_comes_and_not_of_who_renews(serving: Serving):
    """IP_EVENT_ASSIGNED_IP_TO_CLIENT"""
    wanted = serving.leases(1, options={option.HOST_NAME: b"printer"})
    assert serving.given == [(mac_of(1), "10.0.0.2", "printer")]
    serving.renews(1, wanted)
    serving.rebinds(1, wanted)
    assert len(serving.given) == 1
    serving.reboots(1, wanted)
    assert serving.given[1:] == [(mac_of(1), "10.0.0.2", "printer")]


def test_each_client_has_its_own_address(serving: Serving):
    assert [serving.leases(n) for n in (1, 2, 3)] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_a_client_is_offered_the_same_again(serving: Serving):
    """4.3.1: its current address."""
    assert serving.discovers(1).address == serving.discovers(1).address
    wanted = serving.leases(1)
    assert serving.discovers(1).address == wanted


def test_it_gets_the_address_that_it_would_like(serving: Serving):
    """4.3.1: option 50, if that is free and in the pool."""
    like = {option.REQUESTED_IP: address("10.0.0.77")}
    assert serving.discovers(1, options=like).address == "10.0.0.77"
    assert serving.discovers(2, options=like).address == "10.0.0.2"
    elsewhere = {option.REQUESTED_IP: address("192.168.1.77")}
    assert serving.discovers(3, options=elsewhere).address == "10.0.0.3"


def test_a_client_identifier_counts_more_than_the_hardware(serving: Serving):
    """4.2, and RFC 6842: it is repeated."""
    named = {option.CLIENT_ID: b"\0printer"}
    first = serving.discovers(1, options=named)
    assert first[option.CLIENT_ID] == b"\0printer"
    assert serving.discovers(2, options=named).address == first.address
    assert serving.discovers(1).address != first.address


def test_a_client_is_known_by_the_hardware_that_it_has_now(serving: Serving):
    """One system on another network card."""
    named = {option.CLIENT_ID: b"\0printer"}
    wanted = serving.leases(1, options=named)
    assert serving.leases(2, options=named) == wanted
    assert str(serving.server.client_address(mac_of(2))) == wanted
    assert serving.server.client_address(mac_of(1)) is None


def test_hardware_does_not_count_where_there_is_an_identifier(serving: Serving):
    wanted = serving.leases(1, options={option.CLIENT_ID: b"\0one"})
    like = {option.CLIENT_ID: b"\0another", option.REQUESTED_IP: address(wanted)}
    assert serving.discovers(1, options=like).address != wanted


def test_hardware_by_identifier_is_the_same_as_without(serving: Serving):
    """RFC 2132 9.14: type 1 and the MAC."""
    wanted = serving.leases(1)
    assert serving.discovers(1, options={option.CLIENT_ID: b"\1" + mac_of(1)}).address == wanted


@pytest.mark.parametrize("named", [b"", b"\5", b"\0" + b"x" * 255], ids=["empty", "short", "long"])
def test_what_is_no_identifier_does_not_count(serving: Serving, named):
    """RFC 2132 9.14: two bytes at least; and what we remember is bounded."""
    wanted = serving.leases(1)
    assert serving.discovers(1, options={option.CLIENT_ID: named}).address == wanted


# SELECTING


def test_who_selects_another_server_sets_its_address_free(serving: Serving):
    """3.1 4"""
    offered = serving.discovers(1).address
    assert serving.selects(1, "10.0.0.200", options={option.SERVER_ID: OTHER_SERVER}) == []
    assert serving.discovers(2).address == offered
    serving.drops(dhcps_other_server=1)


def test_who_leaves_for_another_server_keeps_its_lease(serving: Serving):
    wanted = serving.leases(1)
    serving.selects(1, "10.0.0.200", options={option.SERVER_ID: OTHER_SERVER})
    assert str(serving.server.client_address(mac_of(1))) == wanted


def test_only_a_request_says_that_another_server_was_chosen(serving: Serving):
    offered = serving.discovers(1).address
    serving.says(DECLINE, 1, options={option.SERVER_ID: OTHER_SERVER, option.REQUESTED_IP: address(offered)})
    assert serving.discovers(2).address != offered


def test_selecting_what_was_not_offered_is_refused(serving: Serving):
    """4.3.2, and 4.1: by broadcast, for who knows which address it has."""
    serving.discovers(1)
    (nak,) = serving.selects(1, "10.0.0.50")
    assert (nak.kind, nak.to_mac, nak.to, nak.port) == (NAK, ethernet.BROADCAST, EVERYBODY, 68)
    assert nak.address == "0.0.0.0"
    assert nak[option.SERVER_ID] == US
    assert serving.stack.stats["dhcps_refused"] == 1


def test_selecting_what_another_has_is_refused(serving: Serving):
    wanted = serving.leases(1)
    (nak,) = serving.selects(2, wanted)
    assert nak.kind is NAK


def test_selecting_after_the_offer_has_lapsed_is_good_while_it_is_free(serving: Serving):
    wanted = serving.discovers(1).address
    serving.after(60)
    (ack,) = serving.selects(1, wanted)
    assert ack.kind is ACK


# INIT-REBOOT


def test_who_reboots_gets_its_lease_again(serving: Serving):
    wanted = serving.leases(1)
    (ack,) = serving.reboots(1, wanted)
    assert (ack.kind, ack.address, ack.to_mac) == (ACK, wanted, mac_of(1))


def test_who_reboots_on_another_network_is_refused(serving: Serving):
    """4.3.2: whether we know it or not."""
    (nak,) = serving.reboots(7, "192.168.1.5")
    assert (nak.kind, nak.to) == (NAK, EVERYBODY)


def test_who_reboots_with_a_wrong_idea_is_refused(serving: Serving):
    serving.leases(1)
    (nak,) = serving.reboots(1, "10.0.0.99")
    assert nak.kind is NAK


def test_who_reboots_and_is_unknown_is_left_to_others(serving: Serving):
    """4.3.2: MUST remain silent."""
    assert serving.reboots(7, "10.0.0.99") == []
    serving.drops(dhcps_unknown_client=1)


def test_who_reboots_after_its_lease_gets_it_again(serving: Serving):
    serving.restart(lease_time=60)
    wanted = serving.leases(1)
    serving.after(100)
    assert serving.server.client_address(mac_of(1)) is None
    (ack,) = serving.reboots(1, wanted)
    assert ack.kind is ACK


# RENEWING and REBINDING


def test_renewing_is_answered_to_the_address(serving: Serving):
    """4.3.2, 4.1: unicast to ciaddr."""
    wanted = serving.leases(1)
    serving.gets(answers(address(wanted), US, mac_of(1)))
    serving.renews(1, wanted)  # the first makes us ask who has that address
    serving.gets(answers(address(wanted), US, mac_of(1)))
    (waited,) = serving.hears()
    (ack,) = serving.renews(1, wanted)
    for heard in (waited, ack):
        assert (heard.kind, heard.to_mac, heard.to, heard.port) == (ACK, mac_of(1), address(wanted), 68)
        assert heard.message.ciaddr == heard.message.yiaddr == address(wanted)


def test_renewing_extends_the_lease(serving: Serving):
    serving.restart(lease_time=100)
    wanted = serving.leases(1)
    for _ in range(5):
        serving.after(60)
        serving.renews(1, wanted)
    assert serving.server.client_address(mac_of(1)) is not None
    serving.after(101)
    assert serving.server.client_address(mac_of(1)) is None


def test_rebinding_is_good_with_whoever_knows_the_lease(serving: Serving):
    wanted = serving.leases(1)
    serving.rebinds(1, wanted)
    serving.gets(answers(address(wanted), US, mac_of(1)))
    (ack,) = serving.hears()
    assert ack.kind is ACK


def test_rebinding_what_is_unknown_is_left_to_others(serving: Serving):
    assert serving.rebinds(7, "10.0.0.99") == []
    serving.drops(dhcps_unknown_client=1)


def test_rebinding_on_another_network_is_refused(serving: Serving):
    (nak,) = serving.rebinds(7, "192.168.1.5")
    assert (nak.kind, nak.to) == (NAK, EVERYBODY)


def test_a_renewal_that_we_have_forgotten_is_believed(serving: Serving):
    """4.3.2: it asks us alone, so that it had its lease from us; and nobody else has that address."""
    serving.renews(7, "10.0.0.50")
    assert serving.given == [(mac_of(7), "10.0.0.50", "")]
    assert str(serving.server.client_address(mac_of(7))) == "10.0.0.50"
    (nak,) = serving.renews(8, "10.0.0.50")
    assert nak.kind is NAK


# DECLINE, RELEASE, INFORM


def test_what_is_declined_rests(serving: Serving):
    """4.3.3"""
    serving.restart(decline_time=300)
    wanted = serving.leases(1)
    assert serving.says(DECLINE, 1, options={option.SERVER_ID: US, option.REQUESTED_IP: address(wanted)}) == []
    assert serving.stack.stats["dhcps_declined"] == 1
    assert serving.server.client_address(mac_of(1)) is None
    like = {option.REQUESTED_IP: address(wanted)}
    assert serving.discovers(1, options=like).address != wanted
    assert serving.discovers(2, options=like).address != wanted
    serving.after(301)
    assert serving.discovers(3, options=like).address == wanted


def test_only_its_client_declines_an_address(serving: Serving):
    wanted = serving.leases(1)
    serving.says(DECLINE, 2, options={option.SERVER_ID: US, option.REQUESTED_IP: address(wanted)})
    serving.says(DECLINE, 1, options={option.SERVER_ID: OTHER_SERVER, option.REQUESTED_IP: address(wanted)})
    serving.says(DECLINE, 1, options={option.SERVER_ID: US, option.REQUESTED_IP: address("10.0.0.50")})
    assert str(serving.server.client_address(mac_of(1))) == wanted
    serving.drops(dhcps_unknown_client=2, dhcps_other_server=1)


def test_what_is_released_is_kept_for_its_client(serving: Serving):
    """4.3.4: a record is retained."""
    serving.restart(start="10.0.0.10", end="10.0.0.12")
    wanted = serving.leases(1)
    assert serving.says(RELEASE, 1, src=address(wanted), dst=US, ciaddr=address(wanted)) == []
    assert serving.server.client_address(mac_of(1)) is None
    assert serving.leases(2) != wanted
    assert serving.discovers(1).address == wanted


def test_what_is_released_cannot_be_declined_or_released_again(serving: Serving):
    wanted = serving.leases(1)
    for kind in (RELEASE, DECLINE, RELEASE):
        serving.says(kind, 1, ciaddr=address(wanted), options={option.REQUESTED_IP: address(wanted)})
    assert serving.stack.stats["dhcps_declined"] == 0
    assert serving.discovers(1).address == wanted


def test_what_is_released_is_given_to_another_when_nothing_else_is_left(serving: Serving):
    serving.restart(start="10.0.0.10", end="10.0.0.11")
    first, second = serving.leases(1), serving.leases(2)
    assert serving.says(DISCOVER, 3) == []
    serving.says(RELEASE, 2, src=address(second), dst=US, ciaddr=address(second))
    serving.after(1)
    serving.says(RELEASE, 1, src=address(first), dst=US, ciaddr=address(first))
    assert serving.discovers(3).address == second  # free for longest
    serving.drops(dhcps_pool_empty=1)


def test_only_its_client_releases_an_address(serving: Serving):
    wanted = serving.leases(1)
    serving.says(RELEASE, 2, src=address(wanted), dst=US, ciaddr=address(wanted))
    serving.says(RELEASE, 1, src=address(wanted), dst=US, ciaddr=address("10.0.0.50"))
    assert str(serving.server.client_address(mac_of(1))) == wanted
    serving.drops(dhcps_unknown_client=2)


def test_whoever_has_an_address_may_ask_for_the_rest(serving: Serving):
    """4.3.5: no lease, no yiaddr, by unicast."""
    serving.restart(domain="lan")
    serving.gets(answers(address("10.0.0.200"), US, mac_of(5)))
    serving.says(INFORM, 5, src=address("10.0.0.200"), ciaddr=address("10.0.0.200"))
    serving.gets(answers(address("10.0.0.200"), US, mac_of(5)))
    (ack,) = serving.hears()
    assert (ack.kind, ack.to, ack.to_mac) == (ACK, address("10.0.0.200"), mac_of(5))
    assert ack.message.yiaddr == NOBODY
    assert ack[option.DOMAIN_NAME] == b"lan"
    assert not {option.LEASE_TIME, option.RENEWAL_TIME, option.REBINDING_TIME} & set(ack.message.options)
    assert serving.server.client_address(mac_of(5)) is None


def test_who_informs_from_nowhere_is_not_answered(serving: Serving):
    assert serving.says(INFORM, 5) == []
    assert serving.says(INFORM, 5, ciaddr=address("8.8.8.8")) == []
    serving.drops(dhcps_claim=2)


# what is no client's


@pytest.mark.parametrize("kind", [OFFER, ACK, NAK])
def test_what_servers_say_is_not_for_us(serving: Serving, kind):
    assert serving.says(kind) == []
    serving.drops(dhcps_kind=1)


def test_a_reply_is_not_for_us_whatever_it_says(serving: Serving):
    message = emit(Message(op=BOOTREPLY, kind=DISCOVER, xid=1, chaddr=mac_of(1)))
    serving.gets(carried(message, mac_of(1), NOBODY, EVERYBODY))
    assert serving.hears() == []
    serving.drops(dhcps_kind=1)


@pytest.mark.parametrize("mac", [bytes(6), b"\x01\0\0\0\0\1", b"\xff" * 6])
def test_who_cannot_be_a_host_gets_no_address(serving: Serving, mac):
    serving.says(DISCOVER, mac=mac)
    assert serving.hears() == []
    serving.drops(dhcps_sender=1)


def test_a_request_for_no_address_is_dropped(serving: Serving):
    assert serving.says(REQUEST) == []
    serving.drops(dhcps_claim=1)


def test_an_offer_goes_to_no_stranger(serving: Serving):
    """An address in a field of a message must not make us send to anybody on earth."""
    assert serving.says(DISCOVER, ciaddr=address("8.8.8.8")) == []
    assert serving.says(DISCOVER, giaddr=address("8.8.8.8")) == []
    serving.drops(dhcps_claim=1, dhcps_relay=1)


@pytest.mark.parametrize(
    "code", [option.REQUESTED_IP, option.LEASE_TIME, option.SERVER_ID, option.MAX_SIZE], ids="option {}".format
)
def test_an_option_that_cannot_be_read_changes_nothing(serving: Serving, code):
    serving.leases(1)
    for kind in (DISCOVER, REQUEST):
        assert serving.says(kind, 1, options={option.REQUESTED_IP: address("10.0.0.2"), code: b"\1\2\3"}) == []
    serving.drops(dhcp_option_value=2)


def test_it_serves_one_interface_alone():
    serving = Serving()
    _, other = serving.link("eth1", bytes.fromhex("020000000077"))
    serving.server.stop()
    assert serving.says(DISCOVER) == []
    serving.configure()
    serving.server.start()
    message = emit(Message(op=BOOTREQUEST, kind=DISCOVER, xid=1, chaddr=mac_of(1)))
    serving.gets(carried(message, mac_of(1), NOBODY, EVERYBODY), by=other)
    assert serving.hears() == []
    assert serving.stack.stats["udp_no_socket"] == 2
    assert serving.discovers(1).kind is OFFER
