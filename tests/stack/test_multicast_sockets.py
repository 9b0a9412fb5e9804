"""Sockets and groups: who hears what, what is sent where, what comes back, and what ends with the socket."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from netif.link import LinkCaps
from netif.wire import ethernet, icmp, igmp, ip
from netif.wire.igmp import ALL_HOSTS
from stack.ethernet import group_mac
from stack.limits import Limits
from stack.path_mtu import DO
from stack.raw import RAW, RawEndpoint
from stack.subscriptions import Place
from stack.udp import UdpEndpoint
from tests.stack.multicasting import ALICE, BOB, CAROL, GROUP, OTHER_GROUP, V3, records, to_group
from tests.stack.rig import MASK, OUR_MAC, PEER, US, Rig, ScriptedWaiter, address, datagram, packet

HERE = Place()
LOOPBACK = address("127.0.0.1")
SECOND, SECOND_PEER = address("10.1.0.1"), address("10.1.0.2")


def member(rig: Rig, *groups: bytes, port: int = 7, place: Place = HERE) -> UdpEndpoint:
    """A socket at a port that others may share, in these groups."""
    socket = UdpEndpoint(rig.stack)
    socket.reuse = True
    socket.bind(bytes(4), port)
    for group in groups:
        socket.multicast().join(group, place)
    rig.flush()
    return socket


def fails(number: int, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    with pytest.raises(OSError) as caught:
        call(*arguments, **options)
    assert caught.value.errno == number


@pytest.fixture
def two(rig: Rig) -> Any:
    """A second link, 10.1.0.1/24: (rig, its netif, its interface)"""
    netif, second = rig.link("eth1", bytes.fromhex("020000000003"))
    second.set_addresses(SECOND, MASK, bytes(4))
    rig.flush()
    rig.netif.sent.clear()
    netif.sent.clear()
    return rig, netif, second


# who hears


def test_a_member_hears_its_group_and_no_other(rig: Rig):
    socket = member(rig, GROUP)
    rig.sends(V3 + "239.1.2.3 to_ex")
    rig.gets(to_group(b"hello"), to_group(b"x", OTHER_GROUP), to_group(b"x", address("238.129.2.3")))
    assert socket.receive() == (b"hello", (PEER, 5000))
    assert socket.receive() is None
    rig.drops(ethernet_other_host=1, ip_not_for_us=1)


def test_all_members_get_a_copy(rig: Rig):
    one, other = member(rig, GROUP), member(rig, GROUP)
    rig.gets(to_group(b"hello"))
    assert one.receive() == other.receive() == (b"hello", (PEER, 5000))


def test_who_did_not_join_hears_what_others_have_joined_unless_told_otherwise(rig: Rig):
    """IP_MULTICAST_ALL, on by default"""
    lax, strict, never = member(rig), member(rig, OTHER_GROUP), UdpEndpoint(rig.stack)
    never.reuse = True
    never.bind(US, 7)
    strict.multicast().all = False
    rig.gets(to_group())
    assert lax.receive() is None
    member(rig, GROUP, port=9)
    rig.gets(to_group())
    assert lax.receive() is not None
    assert strict.receive() is None
    assert never.receive() is None


def test_a_membership_holds_for_one_link(two: Any):
    rig, _, second = two
    socket = member(rig, GROUP, place=Place(SECOND))
    socket.multicast().all = False
    rig.gets(to_group())
    rig.gets(to_group(src=SECOND_PEER), by=second)
    assert socket.receive() == (b"x", (SECOND_PEER, 5000))
    assert socket.receive() is None
    rig.drops(ethernet_other_host=1)
    rig.interface.join(GROUP)
    rig.gets(to_group())
    assert socket.receive() is None


def test_a_connected_member_hears_one_sender(rig: Rig):
    socket = member(rig, GROUP)
    socket.connect(PEER, 5000)
    rig.gets(to_group(src=ALICE), to_group(b"y"))
    assert socket.receive() == (b"y", (PEER, 5000))
    assert socket.receive() is None


def test_a_socket_bound_to_the_group_hears_that_alone(rig: Rig):
    socket = UdpEndpoint(rig.stack)
    socket.bind(GROUP, 7)
    socket.multicast().join(GROUP, HERE)
    socket.multicast().join(OTHER_GROUP, HERE)
    rig.gets(to_group(b"x"), to_group(b"y", OTHER_GROUP))
    assert socket.receive() == (b"x", (PEER, 5000))
    assert socket.receive() is None


def test_included_sources_alone_are_heard(rig: Rig):
    socket = member(rig)
    groups = socket.multicast()
    groups.join_source(GROUP, ALICE, HERE)
    groups.join_source(GROUP, BOB, HERE)
    rig.flush()
    rig.sends(V3 + "239.1.2.3 allow {10.0.0.11 10.0.0.12}")
    rig.gets(*(to_group(who, src=who) for who in (ALICE, BOB, CAROL)))
    assert [socket.receive(), socket.receive(), socket.receive()] == [(ALICE, (ALICE, 5000)), (BOB, (BOB, 5000)), None]
    groups.filter_source(GROUP, ALICE, HERE, include=True, add=False)
    rig.gets(*(to_group(who, src=who) for who in (ALICE, BOB)))
    assert [socket.receive(), socket.receive()] == [(BOB, (BOB, 5000)), None]
    groups.filter_source(GROUP, BOB, HERE, include=True, add=False)  # the last one: it has left
    assert GROUP not in rig.interface.groups
    fails(errno.EADDRNOTAVAIL, groups.leave, GROUP, HERE)


def test_blocked_sources_are_not_heard(rig: Rig):
    socket = member(rig, GROUP)
    groups = socket.multicast()
    groups.filter_source(GROUP, ALICE, HERE, include=False, add=True)
    rig.gets(*(to_group(who, src=who) for who in (ALICE, BOB)))
    assert [socket.receive(), socket.receive()] == [(BOB, (BOB, 5000)), None]
    rig.drops(ip_group_source=1)
    groups.filter_source(GROUP, ALICE, HERE, include=False, add=False)
    rig.gets(to_group(src=ALICE))
    assert socket.receive() is not None


def test_the_mode_may_change_before_there_is_a_source(rig: Rig):
    """Even by an option that fails, as Linux has it: from then on none but the included are heard."""
    socket = member(rig, GROUP)
    groups = socket.multicast()
    fails(errno.EADDRNOTAVAIL, groups.filter_source, GROUP, ALICE, HERE, include=True, add=False)
    rig.gets(to_group())
    assert socket.receive() is None
    assert GROUP not in rig.interface.groups
    groups.join_source(GROUP, PEER, HERE)
    rig.gets(to_group())
    assert socket.receive() is not None


def test_what_one_socket_blocks_another_may_want(rig: Rig):
    """RFC 3376 3.2: the link is asked for both, each hears its own."""
    one, other = member(rig, GROUP), member(rig)
    one.multicast().filter_source(GROUP, ALICE, HERE, include=False, add=True)
    other.multicast().join_source(GROUP, ALICE, HERE)
    rig.gets(*(to_group(who, src=who) for who in (ALICE, BOB)))
    assert [one.receive(), one.receive()] == [(BOB, (BOB, 5000)), None]
    assert [other.receive(), other.receive()] == [(ALICE, (ALICE, 5000)), None]


def test_broadcasts_are_no_groups(rig: Rig):
    socket = member(rig, GROUP)
    socket.multicast().all = False
    rig.gets(datagram(b"x", dst=address("10.0.0.255"), to=ethernet.BROADCAST))
    assert socket.receive() == (b"x", (PEER, 5000))
    rig.gets(to_group(b"y", ALL_HOSTS))  # which the link has joined, and this socket has not
    assert socket.receive() is None


def test_a_raw_socket_hears_the_groups_that_are_joined(rig: Rig):
    lax, strict = RawEndpoint(rig.stack, 99), RawEndpoint(rig.stack, 99)
    strict.multicast().all = False
    frame = packet(b"12345678", 99, dst=GROUP, to=group_mac(GROUP))
    rig.gets(frame)
    assert lax.receive() is None
    lax.multicast().join(GROUP, HERE)
    rig.gets(frame)
    got = lax.receive()
    assert got is not None
    assert got[0][20:] == b"12345678"
    assert strict.receive() is None
    strict.multicast().join_source(GROUP, ALICE, HERE)
    rig.gets(frame)
    assert strict.receive() is None


# joining and leaving


def test_memberships_end_with_their_socket(rig: Rig):
    one, other = member(rig, GROUP, OTHER_GROUP), member(rig, GROUP)
    rig.after(5.0)
    rig.frames()
    one.close()
    rig.flush()
    rig.sends(V3 + "239.4.5.6 to_in")
    other.abort(OSError(errno.ENETDOWN, "gone"))
    rig.flush()
    rig.sends(V3 + "239.1.2.3 to_in")
    fails(errno.EBADF, other.multicast)


def test_errors_of_joining_and_leaving(rig: Rig):
    groups = member(rig, GROUP).multicast()
    fails(errno.EADDRINUSE, groups.join, GROUP, HERE)
    fails(errno.EADDRINUSE, groups.join, GROUP, Place(US))
    fails(errno.EADDRINUSE, groups.join, GROUP, Place(index=rig.interface.index))
    fails(errno.EINVAL, groups.join, US, HERE)
    fails(errno.EINVAL, groups.join, b"\xff" * 4, HERE)
    fails(errno.ENODEV, groups.join, OTHER_GROUP, Place(index=77))
    fails(errno.ENODEV, groups.join, OTHER_GROUP, Place(index=-1))
    fails(errno.ENODEV, groups.join, OTHER_GROUP, Place(PEER))
    fails(errno.EADDRNOTAVAIL, groups.leave, OTHER_GROUP, HERE)
    fails(errno.EADDRNOTAVAIL, groups.leave, GROUP, Place(LOOPBACK))
    fails(errno.EADDRNOTAVAIL, groups.leave, GROUP, Place(index=77))
    fails(errno.EINVAL, groups.filter_source, OTHER_GROUP, ALICE, HERE, include=False, add=True)
    fails(errno.EADDRNOTAVAIL, groups.filter_source, GROUP, ALICE, HERE, include=False, add=False)
    groups.filter_source(GROUP, ALICE, HERE, include=False, add=True)
    fails(errno.EADDRNOTAVAIL, groups.filter_source, GROUP, ALICE, HERE, include=False, add=True)
    fails(errno.EINVAL, groups.join_source, GROUP, ALICE, HERE)
    groups.leave(GROUP, Place(US))
    fails(errno.EADDRNOTAVAIL, groups.leave, GROUP, HERE)


def test_without_any_link_there_is_nothing_to_join():
    rig = Rig(addressed=False)
    groups = UdpEndpoint(rig.stack).multicast()
    fails(errno.ENODEV, groups.join, GROUP, HERE)
    fails(errno.ENODEV, groups.leave, GROUP, HERE)
    groups.join(GROUP, Place(index=rig.interface.index))  # but by its index it can be named before it has an address
    rig.flush()
    assert len(rig.frames()) == 1


def test_memberships_and_their_sources_are_bounded():
    rig = Rig(limits=Limits(memberships=2, membership_sources=2, groups=2))
    groups = member(rig, GROUP).multicast()
    for who in (ALICE, BOB):
        groups.filter_source(GROUP, who, HERE, include=False, add=True)
    fails(errno.ENOBUFS, groups.filter_source, GROUP, CAROL, HERE, include=False, add=True)
    fails(errno.ENOBUFS, groups.join, OTHER_GROUP, HERE)  # the interface has as many as it may
    groups.join(GROUP, Place(LOOPBACK))
    fails(errno.ENOBUFS, groups.join, OTHER_GROUP, Place(LOOPBACK))
    assert rig.stack.stats["memberships_full"] == 2
    assert rig.stack.stats["groups_full"] == 1
    fails(errno.ENOBUFS, member(rig).multicast().join_source, OTHER_GROUP, ALICE, HERE)


def test_a_link_that_is_gone_is_left_by_name_and_hears_nothing(two: Any):
    rig, netif, second = two
    socket = member(rig, GROUP, place=Place(index=second.index))
    groups = socket.multicast()
    netif.sent.clear()
    second.detach()
    rig.flush()
    assert len(netif.sent) == 1  # that it leaves
    fails(errno.ENODEV, groups.join, OTHER_GROUP, Place(index=second.index))
    groups.leave(GROUP, Place(index=second.index))
    fails(errno.EADDRNOTAVAIL, groups.leave, GROUP, Place(index=second.index))
    socket.close()
    rig.after(10.0)
    assert len(netif.sent) == 1


def test_a_netif_that_starts_anew_finds_its_members(two: Any):
    rig, netif, second = two
    socket = member(rig, GROUP, place=Place(SECOND))
    groups = socket.multicast()
    groups.join_source(OTHER_GROUP, ALICE, Place(index=second.index))
    groups.send_by(Place(SECOND))
    gone = member(rig, GROUP, place=Place(SECOND))
    second.detach()
    gone.close()
    netif, anew = rig.link("eth1", bytes.fromhex("020000000003"))
    anew.set_addresses(SECOND, MASK, bytes(4))
    rig.flush()
    told = [each for buffers, _ in netif.sent if len(b"".join(buffers)) > 54 for each in records(b"".join(buffers))]
    assert {(each.kind, each.group, each.sources) for each in told} == {
        (igmp.TO_EX, GROUP, ()),
        (igmp.ALLOW, OTHER_GROUP, (ALICE,)),
    }
    rig.gets(to_group(src=SECOND_PEER), by=anew)
    assert socket.receive() == (b"x", (SECOND_PEER, 5000))
    netif.sent.clear()
    socket.send_to(b"x", (GROUP, 9))
    assert len(netif.sent) == 1
    fails(errno.EADDRINUSE, groups.join, GROUP, Place(SECOND))
    groups.leave(GROUP, Place(SECOND))
    assert GROUP not in anew.groups


def test_a_link_that_is_gone_takes_no_more_from_a_socket_that_sends_by_it(two: Any):
    rig, _, second = two
    socket = UdpEndpoint(rig.stack)
    socket.multicast().send_by(Place(SECOND))
    second.detach()
    with pytest.raises(OSError, match=r".") as caught:
        socket.send_to(b"x", (GROUP, 9))
    assert caught.value.errno in (errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENETUNREACH)


# what is sent


def test_a_datagram_goes_no_further_than_the_link_unless_told_otherwise(rig: Rig):
    """RFC 1112 6.1"""
    socket = UdpEndpoint(rig.stack)
    socket.send_to(b"x", (GROUP, 9))
    socket.multicast().ttl = 5
    socket.send_to(b"x", (GROUP, 9))
    frames = rig.frames()
    assert [ip.parse(frame, 14)[4] for frame in frames] == [1, 5]
    assert {frame[:6] for frame in frames} == {group_mac(GROUP)}
    socket.send_to(b"x", (PEER, 9))
    rig.knows_peer()
    assert socket.ttl == 64


def test_it_goes_by_the_link_that_was_chosen(two: Any):
    rig, netif, second = two
    socket = UdpEndpoint(rig.stack)
    socket.send_to(b"x", (GROUP, 9))
    assert (len(rig.frames()), len(netif.sent)) == (1, 0)
    socket.multicast().send_by(Place(SECOND))
    socket.send_to(b"x", (GROUP, 9))
    assert (len(rig.frames()), len(netif.sent)) == (0, 1)
    assert ip.parse(b"".join(netif.sent.pop()[0]), 14)[6] == SECOND
    socket.multicast().send_by(HERE)
    socket.multicast().send_by(Place(index=second.index))
    socket.send_to(b"x", (GROUP, 9))
    assert ip.parse(b"".join(netif.sent.pop()[0]), 14)[6] == SECOND
    socket.multicast().send_by(HERE)
    socket.send_to(b"x", (GROUP, 9))
    assert (len(rig.frames()), len(netif.sent)) == (1, 0)


def test_errors_of_choosing(two: Any):
    rig, _, second = two
    socket = UdpEndpoint(rig.stack)
    fails(errno.EADDRNOTAVAIL, socket.multicast().send_by, Place(PEER))
    fails(errno.EADDRNOTAVAIL, socket.multicast().send_by, Place(index=99))
    socket.interface = second
    fails(errno.EINVAL, socket.multicast().send_by, Place(US))


def test_without_a_way_it_is_said():
    rig = Rig(addressed=False)
    fails(errno.ENETUNREACH, UdpEndpoint(rig.stack).send_to, b"x", (GROUP, 9))


def test_members_here_hear_what_we_send(two: Any):
    rig, _, _ = two
    here, elsewhere = member(rig, GROUP), member(rig, GROUP, place=Place(SECOND))
    elsewhere.multicast().all = False
    rig.frames()
    sender = UdpEndpoint(rig.stack)
    sender.send_to(b"hello", (GROUP, 7))
    assert here.receive() is None  # not in the middle of sending
    rig.flush()
    assert here.receive() == (b"hello", (US, sender.local[1]))
    assert elsewhere.receive() is None
    assert len(rig.frames()) == 1
    sender.multicast().loop = False
    sender.send_to(b"hello", (GROUP, 7))
    rig.flush()
    assert here.receive() is None
    assert len(rig.frames()) == 1


def test_who_sends_hears_itself_if_it_is_a_member(rig: Rig):
    socket = member(rig, GROUP)
    socket.send_to(b"echo", (GROUP, 7))
    rig.flush()
    assert socket.receive() == (b"echo", (US, 7))


def test_what_nobody_here_has_joined_does_not_come_back(rig: Rig):
    socket = member(rig)
    socket.send_to(b"x", (GROUP, 7))
    rig.flush()
    assert socket.receive() is None
    rig.drops()


def test_a_time_to_live_of_zero_is_for_this_host_alone(rig: Rig):
    socket = member(rig, GROUP)
    rig.frames()
    socket.multicast().ttl = 0
    assert socket.send_to(b"x", (GROUP, 7)) == 1
    rig.flush()
    rig.sends()
    assert socket.receive() == (b"x", (US, 7))


def test_a_large_datagram_goes_in_fragments_and_comes_back_whole(rig: Rig):
    socket = member(rig, GROUP)
    rig.frames()
    data = bytes(range(250)) * 20
    assert socket.send_to(memoryview(data), (GROUP, 7)) == 5000
    rig.flush()
    frames = rig.frames()
    assert len(frames) == 4
    assert all(frame[:6] == group_mac(GROUP) for frame in frames)
    assert socket.receive() == (data, (US, 7))
    socket.discover = DO
    fails(errno.EMSGSIZE, socket.send_to, data, (GROUP, 7))
    fails(errno.EMSGSIZE, socket.send_to, bytes(65508), (GROUP, 7))


def test_a_datagram_with_options_is_no_larger_than_ip_allows(rig: Rig):
    socket = UdpEndpoint(rig.stack)
    socket.options = b"\x94\4\0\0"
    fails(errno.EMSGSIZE, socket.send_to, bytes(65507), (GROUP, 7))
    fails(errno.EMSGSIZE, socket.send_to, bytes(65507), (PEER, 7))
    assert socket.send_to(bytes(65503), (GROUP, 7)) == 65503


def test_the_link_gets_a_complete_checksum_whatever_it_could_do():
    rig = Rig(tx_checksum=True)
    UdpEndpoint(rig.stack).send_to(bytes(1000), (GROUP, 7))
    other = Rig(addressed=False)
    other.interface.set_addresses(PEER, MASK, bytes(4))
    socket = member(other, GROUP)
    other.gets(*rig.frames())
    assert socket.receive() is not None


def test_a_connected_sender_needs_no_address(rig: Rig):
    socket = UdpEndpoint(rig.stack)
    socket.connect(GROUP, 9)
    assert socket.local[0] == US
    assert socket.send_to(b"x") == 1
    socket.multicast().ttl = 3
    socket.send_to(b"x")
    assert [ip.parse(frame, 14)[4] for frame in rig.frames()] == [1, 3]


def test_a_port_of_zero_and_a_full_driver(rig: Rig):
    socket = member(rig)
    fails(errno.EINVAL, socket.send_to, b"x", (GROUP, 0))
    rig.netif.room = 0
    assert socket.send_to(b"x", (GROUP, 9)) == 1  # kept by the interface
    assert socket.send_to(b"x", (GROUP, 9)) is None
    assert not socket.writable()
    waiter = ScriptedWaiter()
    socket.wait_writable(waiter)
    rig.flush()
    assert not waiter.woken
    rig.netif.room = None
    rig.interface.writable()
    rig.flush()
    assert waiter.woken
    assert socket.writable()
    assert socket.send_to(b"x", (GROUP, 9)) == 1
    rig.netif.room = 0
    member(rig).send_to(b"another's", (GROUP, 9))
    assert rig.interface.blocked
    assert socket.writable()  # which waits for nothing any more


def test_groups_and_single_hosts_by_turns(met: Rig):
    socket = UdpEndpoint(met.stack)
    for _ in range(2):
        socket.send_to(b"x", (PEER, 9))
        socket.send_to(b"x", (GROUP, 9))
    assert [ip.parse(frame, 14)[4] for frame in met.frames()] == [64, 1, 64, 1]


def test_loopback_has_groups_too(rig: Rig):
    socket = member(rig, GROUP, place=Place(LOOPBACK))
    sender = UdpEndpoint(rig.stack)
    sender.multicast().send_by(Place(LOOPBACK))
    assert sender.send_to(b"x", (GROUP, 7)) == 1
    rig.flush()
    assert socket.receive() == (b"x", (LOOPBACK, sender.local[1]))
    assert socket.receive() is None
    sender.send_to(b"x", (OTHER_GROUP, 7))
    rig.flush()
    assert socket.receive() is None
    rig.sends()
    rig.drops()


def test_a_raw_socket_sends_to_groups_as_well(rig: Rig):
    raw = RawEndpoint(rig.stack, 99)
    raw.multicast().join(GROUP, HERE)
    rig.flush()
    rig.frames()
    assert raw.send_to(b"12345678", GROUP) == 8
    rig.flush()
    (frame,) = rig.frames()
    assert ip.parse(frame, 14)[4] == 1
    got = raw.receive()
    assert got is not None
    assert (got[0][20:], got[1]) == (b"12345678", US)
    raw.multicast().ttl = 7
    raw.connect(GROUP)
    raw.send_to(b"12345678")
    assert ip.parse(rig.frames()[0], 14)[4] == 7


def test_a_raw_sockets_own_header_reaches_members_here_too(rig: Rig):
    raw = RawEndpoint(rig.stack, RAW)
    socket = member(rig, GROUP)
    rig.frames()
    body = to_group(b"made")[34:]
    raw.send_to(ip.emit(US, GROUP, ip.UDP, len(body), ident=3, ttl=9) + body, GROUP)
    rig.flush()
    assert ip.parse(rig.frames()[0], 14)[4] == 9
    assert socket.receive() == (b"made", (US, 5000))
    raw.send_to(ip.emit(US, GROUP, ip.UDP, 3, ident=3) + b"bad", GROUP)
    rig.flush()
    rig.drops(udp_header_short=1)


def test_a_ping_of_a_group_is_answered_by_nobody(rig: Rig):
    raw = RawEndpoint(rig.stack, ip.ICMP)
    member(rig, GROUP)
    rig.frames()
    raw.send_to(icmp.emit(icmp.ECHO, 0, 1, b"anybody?"), GROUP)
    rig.flush()
    rig.sends("10.0.0.1 > 239.1.2.3: icmp echo request id 0 seq 1 (8)")
    rig.drops(icmp_broadcast_echo=1)


def test_what_comes_back_is_bounded():
    rig = Rig(limits=Limits(interface_queue_frames=5))
    socket = member(rig, GROUP)
    for _ in range(9):
        socket.send_to(b"x", (GROUP, 7))
    rig.flush()
    assert [socket.receive() is None for _ in range(6)] == [False] * 5 + [True]
    rig.drops(loopback_queue_full=4)


def test_what_came_back_makes_room():
    rig = Rig(limits=Limits(interface_queue_bytes=1500))
    socket = member(rig, GROUP)
    for _ in range(3):
        socket.send_to(bytes(1000), (GROUP, 7))
        socket.send_to(bytes(1000), (GROUP, 7))
        rig.flush()
        assert [socket.receive() is None for _ in range(3)] == [False, False, True]
        rig.frames()


def test_an_answer_to_what_comes_back_comes_back_as_well(rig: Rig):
    """Nothing is received in the middle of sending."""
    one, other = member(rig, GROUP), member(rig, GROUP, port=8)
    one.send_to(b"question", (GROUP, 8))
    rig.flush()
    question = other.receive()
    assert question is not None
    other.send_to(b"answer", (GROUP, 7))
    rig.flush()
    assert one.receive() == (b"answer", (US, 8))


def test_the_link_comes_and_goes_under_a_member(rig: Rig):
    socket = member(rig, GROUP)
    rig.interface.link_down()
    rig.frames()
    socket.multicast().join(OTHER_GROUP, HERE)
    rig.interface.link_up(LinkCaps(mac=OUR_MAC))
    rig.flush()
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1", V3 + "239.1.2.3 to_ex, 239.4.5.6 to_ex")
    rig.gets(to_group())
    assert socket.receive() is not None
