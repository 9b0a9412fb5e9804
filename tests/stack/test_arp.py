"""RFC 826, RFC 1122 2.3.2, RFC 5227 2.4."""

from __future__ import annotations

import errno

import pytest

from netif.link import LinkCaps
from netif.wire import arp, ethernet
from stack.acd import DEFEND_INTERVAL
from stack.arp import RETRY_INTERVAL, STALE_TIME, TRIES
from stack.echo import EchoEndpoint
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
    echo,
)

WHO_HAS_PEER = "who-has 10.0.0.2 tell 10.0.0.1"
LONG = 50.0  # more than a neighbour is believed without asking


def udp_to_peer(n: int = 1) -> str:
    return f"10.0.0.1.49999 > 10.0.0.2.9: udp ({n})"


@pytest.fixture
def socket(rig: Rig) -> UdpEndpoint:
    endpoint = UdpEndpoint(rig.stack)
    endpoint.bind(bytes(4), 49999)
    return endpoint


def test_a_request_for_us_is_answered_to_whoever_asked(rig: Rig):
    rig.gets(asks(PEER, US))
    (reply,) = rig.frames()
    assert reply == answers(US, PEER, mac=OUR_MAC, to=PEER_MAC)


def test_a_request_for_others_is_not_answered_nor_learned(rig: Rig):
    rig.gets(asks(PEER, GATEWAY))
    rig.sends()
    rig.drops(arp_not_for_us=1)
    assert not rig.interface.arp.entries


def test_nothing_is_answered_without_an_address():
    rig = Rig(addressed=False)
    rig.gets(asks(PEER, US), asks(PEER, bytes(4)))
    rig.sends()


def test_packets_wait_while_the_neighbour_is_looked_for_and_follow_in_order(rig: Rig, socket: UdpEndpoint):
    socket.send_to(b"a", (PEER, 9))
    socket.send_to(b"bb", (PEER, 9))
    rig.sends(WHO_HAS_PEER)
    rig.gets(answers(PEER, US))
    rig.sends(udp_to_peer(1), udp_to_peer(2))


def test_a_request_goes_to_everybody_and_names_us(rig: Rig, socket: UdpEndpoint):
    socket.send_to(b"a", (PEER, 9))
    (request,) = rig.frames()
    assert ethernet.parse(request) == (ethernet.BROADCAST, OUR_MAC, ethernet.ARP)
    assert arp.parse(request, 14) == (arp.REQUEST, OUR_MAC, US, bytes(6), PEER)


def test_a_request_is_repeated_once_a_second_and_then_given_up(rig: Rig, socket: UdpEndpoint):
    socket.connect(PEER, 9)
    socket.send_to(b"a")
    for _ in range(TRIES - 1):
        rig.sends(WHO_HAS_PEER)
        rig.after(RETRY_INTERVAL)
    rig.sends(WHO_HAS_PEER)
    rig.after(RETRY_INTERVAL)
    rig.sends()
    rig.drops(arp_unresolved=1)
    with pytest.raises(OSError) as caught:
        socket.send_to(b"b")
    assert caught.value.errno == errno.EHOSTUNREACH
    socket.send_to(b"b")  # the error is told once; this begins anew
    rig.sends(WHO_HAS_PEER)


def test_a_failed_neighbour_is_forgotten(rig: Rig, socket: UdpEndpoint):
    socket.send_to(b"a", (PEER, 9))
    rig.after(TRIES * RETRY_INTERVAL)
    assert not rig.interface.arp.entries
    assert rig.stack.next_deadline() is None


def test_everybody_whose_packets_waited_is_told(rig: Rig):
    sockets = [UdpEndpoint(rig.stack) for _ in range(2)]
    for one in sockets:
        one.connect(PEER, 9)
        one.send_to(b"a")
        one.send_to(b"b")
    ping = EchoEndpoint(rig.stack)
    ping.send_echo(1, b"", PEER)
    rig.after(TRIES * RETRY_INTERVAL)
    assert [one.error.errno for one in (*sockets, ping) if one.error] == [errno.EHOSTUNREACH] * 3


def test_an_unconnected_udp_socket_is_not_told(rig: Rig, socket: UdpEndpoint):
    socket.send_to(b"a", (PEER, 9))
    rig.after(TRIES * RETRY_INTERVAL)
    assert socket.error is None


def test_what_waits_for_a_hop_is_bounded_in_frames_and_the_newest_stay(rig: Rig, socket: UdpEndpoint):
    for size in range(20):
        socket.send_to(bytes(size), (PEER, 9))
    rig.gets(answers(PEER, US))
    rig.sends(WHO_HAS_PEER, *(udp_to_peer(size) for size in range(4, 20)))
    rig.drops(arp_queue_full=4)


def test_what_waits_for_a_hop_is_bounded_in_bytes():
    rig = Rig(mtu=9000)
    socket = UdpEndpoint(rig.stack)
    socket.bind(bytes(4), 49999)
    for _ in range(10):
        socket.send_to(bytes(8000), (PEER, 9))
    rig.gets(answers(PEER, US))
    rig.sends(WHO_HAS_PEER, *[udp_to_peer(8000)] * 8)
    rig.drops(arp_queue_full=2)


def test_a_reply_that_nobody_asked_for_is_not_learned(rig: Rig):
    rig.gets(answers(PEER, US))
    assert not rig.interface.arp.entries
    rig.drops(arp_not_for_us=1)


def test_whoever_asks_for_us_is_known_from_then_on(rig: Rig, socket: UdpEndpoint):
    rig.gets(asks(PEER, US))
    rig.frames()
    socket.send_to(b"a", (PEER, 9))
    rig.sends(udp_to_peer())


def test_whoever_asks_for_us_from_elsewhere_is_answered_and_not_learned(rig: Rig):
    rig.gets(asks(address("172.16.0.9"), US))
    rig.sends("10.0.0.1 is-at 02:00:00:00:00:01")
    assert not rig.interface.arp.entries


def test_a_probe_is_answered_and_not_learned(rig: Rig):
    rig.gets(asks(bytes(4), US))  # RFC 5227 2.1.1
    (reply,) = rig.frames()
    assert arp.parse(reply, 14).operation == arp.REPLY
    assert not rig.interface.arp.entries


def test_a_neighbour_is_found_by_its_mac(rig: Rig, socket: UdpEndpoint):  # esp_netif_arp_get_client_by_mac
    assert rig.interface.address_of(PEER_MAC) is None
    rig.gets(asks(PEER, US))
    assert rig.interface.address_of(PEER_MAC) == PEER
    socket.send_to(b"x", (GATEWAY, 9))
    assert rig.interface.address_of(bytes(6)) is None, "whom we look for has no MAC yet"


def test_a_known_neighbour_that_moves_is_followed(met: Rig):
    met.gets(asks(PEER, PEER, OTHER_MAC))  # its own gratuitous request
    met.gets(echo())
    (reply,) = met.frames()
    assert reply[:6] == OTHER_MAC
    met.drops()


@pytest.mark.parametrize(
    "frame",
    [
        asks(PEER, US, mac=bytes.fromhex("01005e000001")),
        asks(PEER, US, mac=bytes(6)),
        asks(address("224.0.0.1"), US),
        asks(address("127.0.0.1"), US),
        asks(address("10.0.0.255"), US),
        asks(PEER, US, mac=OUR_MAC),
    ],
)
def test_a_sender_that_cannot_be_a_host_is_not_heard(rig: Rig, frame: bytes):
    rig.gets(frame)
    rig.sends()
    rig.drops(arp_sender=1)


def test_a_malformed_message_is_counted(rig: Rig):
    whole = asks(PEER, US)
    rig.gets(whole[:40], whole[:14] + b"\0\6" + whole[16:])
    rig.sends()
    rig.drops(arp_short=1, arp_format=1)


def test_we_announce_ourselves_when_the_address_is_set_and_when_the_link_comes_up():
    rig = Rig(addressed=False)
    rig.interface.set_addresses(US, MASK, GATEWAY)
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1")
    rig.interface.set_addresses(US, MASK, GATEWAY)
    rig.sends()
    rig.interface.link_down()
    rig.netif.sent.clear()
    rig.interface.link_up(LinkCaps(mac=OUR_MAC))
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1")


def test_a_conflict_is_counted_and_answered_once_in_a_while(rig: Rig):
    rig.gets(asks(US, GATEWAY, OTHER_MAC), answers(US, GATEWAY, OTHER_MAC))
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1")
    rig.after(DEFEND_INTERVAL)
    rig.gets(asks(US, US, OTHER_MAC))
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1")
    assert rig.stack.stats["arp_conflict"] == 3
    assert rig.stack.stats["arp_defended"] == 2
    assert not rig.interface.arp.entries


def test_an_old_neighbour_is_used_and_asked_by_unicast(met: Rig):
    met.after(LONG)
    met.gets(echo())
    request, reply = met.frames()
    assert request[:6] == PEER_MAC
    assert arp.parse(request, 14) == (arp.REQUEST, OUR_MAC, US, bytes(6), PEER)
    assert reply[:6] == PEER_MAC
    met.gets(answers(PEER, US))
    met.after(3 * RETRY_INTERVAL)
    met.sends()


def test_what_a_neighbour_asks_others_does_not_confirm_it(met: Rig):  # RFC 4861 7.3.1; Linux neither
    met.after(LONG)
    met.gets(asks(PEER, GATEWAY))
    met.gets(echo())
    request, _reply = met.frames()
    assert request[:6] == PEER_MAC
    assert arp.parse(request, 14).operation == arp.REQUEST


def test_a_neighbour_that_asks_others_with_another_mac_has_moved(met: Rig):
    met.after(LONG)
    met.gets(asks(PEER, GATEWAY, OTHER_MAC))
    met.gets(echo())
    (reply,) = met.frames()
    assert reply[:6] == OTHER_MAC


def test_an_old_neighbour_that_is_silent_is_sought_anew_among_everybody(met: Rig):
    met.after(LONG)
    met.gets(echo())
    assert met.frames()[0][:6] == PEER_MAC
    met.after((TRIES - 1) * RETRY_INTERVAL)
    assert [frame[:6] for frame in met.frames()] == [PEER_MAC] * (TRIES - 1)
    met.gets(echo())
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")
    met.after(RETRY_INTERVAL)
    met.gets(echo())
    assert [frame[:6] for frame in met.frames()] == [ethernet.BROADCAST]
    met.gets(answers(PEER, US, OTHER_MAC))
    (reply,) = met.frames()
    assert reply[:6] == OTHER_MAC


def test_a_neighbour_that_nobody_uses_is_forgotten(met: Rig):
    met.after(LONG + STALE_TIME)
    met.sends()
    assert not met.interface.arp.entries
    assert met.stack.next_deadline() is None


def test_ageing_is_maintenance_and_searching_is_not(met: Rig):
    assert met.stack.next_deadline() is not None
    assert not met.stack.pending()
    UdpEndpoint(met.stack).send_to(b"a", (GATEWAY, 9))
    assert met.stack.pending()


def test_a_route_that_knew_its_neighbour_finds_it_again_after_it_was_forgotten(rig: Rig, socket: UdpEndpoint):
    socket.connect(PEER, 9)
    rig.knows_peer()
    socket.send_to(b"a")
    rig.after(LONG + STALE_TIME)
    rig.netif.sent.clear()
    socket.send_to(b"a")
    rig.sends(WHO_HAS_PEER)
    rig.gets(answers(PEER, US))
    rig.sends(udp_to_peer())


def test_the_table_is_bounded_and_strangers_push_out_only_what_is_stale():
    rig = Rig(limits=Limits(arp_entries=3))
    for last in (2, 3, 4):
        rig.gets(asks(bytes((10, 0, 0, last)), US))
    rig.gets(asks(bytes((10, 0, 0, 5)), US))
    assert len(rig.frames()) == 4  # answered all the same
    rig.drops(arp_table_full=1)
    rig.after(LONG)
    rig.gets(asks(bytes((10, 0, 0, 5)), US))
    assert [*rig.interface.arp.entries] == [bytes((10, 0, 0, last)) for last in (3, 4, 5)]


def test_our_own_search_pushes_out_whoever_was_confirmed_longest_ago():
    rig = Rig(limits=Limits(arp_entries=3))
    for last in (2, 3, 4, 2):
        rig.gets(asks(bytes((10, 0, 0, last)), US))
    socket = UdpEndpoint(rig.stack)
    socket.send_to(b"a", (GATEWAY, 9))
    assert [*rig.interface.arp.entries] == [bytes((10, 0, 0, last)) for last in (4, 2, 254)]


def test_searches_push_out_searches_once_they_are_half_of_the_table():
    rig = Rig(limits=Limits(arp_entries=4))
    for last in (11, 12, 13, 14):
        rig.gets(asks(bytes((10, 0, 0, last)), US))
    rig.frames()
    socket = UdpEndpoint(rig.stack)
    for last in (2, 3, 4):
        socket.send_to(b"a", (bytes((10, 0, 0, last)), 9))
    rig.sends(*[f"who-has 10.0.0.{last} tell 10.0.0.1" for last in (2, 3, 4)])
    rig.drops(arp_table_full=1)
    assert [*rig.interface.arp.entries] == [bytes((10, 0, 0, last)) for last in (13, 14, 3, 4)]


def test_neighbours_are_forgotten_with_the_link(met: Rig):
    UdpEndpoint(met.stack).send_to(b"a", (GATEWAY, 9))
    met.interface.link_down()
    assert not met.interface.arp.entries
    met.drops(link_down=1)
