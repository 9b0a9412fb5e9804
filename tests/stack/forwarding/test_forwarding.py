"""One router, frame by frame. RFC 1812 5.2, 5.3; RFC 1624; RFC 2644."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from netif.link import PARTIAL, VALID, LinkCaps, Medium, Offload
from netif.wire import ethernet, ip, tcp, udp
from netif.wire.checksum import pseudo_header
from stack.limits import Limits
from stack.tunif import TunInterface
from stack.udp import UdpEndpoint
from tests.stack.forwarding.crossing import FAR, FAR_MAC, FAR_SIDE, FAR_SIDE_MAC, Crossing, across
from tests.stack.rig import (
    OUR_MAC,
    PEER,
    PEER_MAC,
    Rig,
    ScriptedNetif,
    address,
    answers,
    asks,
    datagram,
    echo,
    icmp_error,
    packet,
)

NOBODY, ELSEWHERE = address("10.1.0.99"), address("192.0.2.1")


def reported(rig: Rig) -> list[tuple[int, int]]:
    return [(Ether(frame)[ICMP].type, Ether(frame)[ICMP].code) for frame in rig.frames()]


def test_a_packet_crosses_with_one_hop_less_and_all_else_as_it_was(crossing: Crossing):
    """RFC 1812 5.3.1"""
    sent = Ether(across(ttl=17))
    crossing.gets(bytes(sent))
    ((frame, offload),) = crossing.crossed()
    got = Ether(frame)
    assert (got.src, got.dst) == (FAR_SIDE_MAC.hex(":"), FAR_MAC.hex(":"))
    sent[IP].ttl = 16
    del sent[IP].chksum
    assert bytes(got[IP]) == bytes(sent)[14:]
    assert offload is None
    assert crossing.netif.sent == []
    crossing.drops()
    assert crossing.stack.stats["forwarded"] == 1


def test_what_pads_a_frame_stays_behind(crossing: Crossing):
    crossing.gets(across(b"x") + bytes(17))
    ((frame, _),) = crossing.crossed()
    assert len(frame) == 14 + 20 + 8 + 1


def test_the_checksum_is_right_for_any_header(crossing: Crossing):
    """RFC 1624 3: 0xffff is no result"""
    dice = random.Random(7)
    for _ in range(300):
        header = ip.emit(PEER, FAR, 99, 8, ident=dice.getrandbits(16), ttl=dice.randrange(2, 256), fragment=0)
        crossing.gets(ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP) + header + bytes(8))
        ((frame, _),) = crossing.crossed()
        again = Ether(frame)
        del again[IP].chksum
        assert bytes(again) == frame


def test_a_host_sends_nothing_on(met: Rig):
    assert met.stack.forward is None
    met.link("eth1", FAR_SIDE_MAC)[1].set_addresses(FAR_SIDE, b"\xff\xff\xff\0", bytes(4))
    met.gets(across())
    met.drops(ip_not_for_us=1)


def test_one_interface_may_be_left_out_or_the_only_one(crossing: Crossing):
    crossing.interface.set_forwarding(False)
    crossing.gets(across())
    crossing.drops(ip_not_for_us=1)
    crossing.stack.forwarding.enable(False)
    crossing.interface.set_forwarding(True)
    crossing.gets(across())
    assert len(crossing.crossed()) == 1
    crossing.interface.set_forwarding(None)
    crossing.gets(across())
    crossing.drops(ip_not_for_us=2)


def test_what_is_for_the_router_is_the_routers(crossing: Crossing):
    crossing.gets(echo(), echo(dst=FAR_SIDE))
    assert reported(crossing) == [(0, 0), (0, 0)]
    assert crossing.stack.stats["forwarded"] == 0


def test_the_time_to_live_ends_here_and_its_sender_is_told(crossing: Crossing):
    """RFC 1812 5.3.1; 4.3.2.4: from our address towards it; 4.3.2.3: with as much of it as there is room for"""
    crossing.gets(across(ttl=1), across(ttl=0))
    first, second = crossing.frames()
    assert (Ether(first)[IP].src, Ether(first)[IP].dst) == ("10.0.0.1", "10.0.0.2")
    assert (Ether(second)[ICMP].type, Ether(second)[ICMP].code) == (11, 0)
    assert first[42:] == across(ttl=1)[14:]
    assert crossing.crossed() == []
    crossing.drops(forward_ttl=2)


def test_no_way_is_reported(crossing: Crossing):
    """RFC 1812 5.2.7.1"""
    crossing.stack.set_default(None, ())
    crossing.gets(across(dst=ELSEWHERE))
    assert reported(crossing) == [(3, 0)]
    crossing.drops(forward_no_route=1)


def test_a_static_route_and_the_longest_prefix_lead(crossing: Crossing):
    """RFC 1812 5.2.4.3"""
    crossing.far_interface.set_routes(
        ((address("192.0.0.0"), 16, FAR), (address("192.0.2.0"), 24, address("10.1.0.3")))
    )
    crossing.knows_far(mac=bytes.fromhex("020000000103"), who=address("10.1.0.3"))
    crossing.gets(across(dst=ELSEWHERE), across(dst=address("192.0.3.1")))
    assert [frame[:6].hex() for frame, _ in crossing.crossed()] == ["020000000103", FAR_MAC.hex()]


@pytest.mark.parametrize("source", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.1", "10.1.0.255"])
def test_martians_stay_behind(crossing: Crossing, source: str):
    """RFC 1812 5.3.7"""
    crossing.gets(across(src=address(source)))
    crossing.drops(forward_martian=1)
    assert crossing.crossed() == [] == crossing.netif.sent


@pytest.mark.parametrize(
    "wrong", [{"dst": "127.0.0.1"}, {"dst": "0.1.2.3"}, {"src": "169.254.1.1"}, {"dst": "169.254.1.1"}]
)
def test_so_do_addresses_that_are_good_on_one_link_alone(crossing: Crossing, wrong: dict[str, str]):
    """RFC 1812 5.3.7; RFC 3927 2.7"""
    crossing.gets(across(**{which: address(text) for which, text in wrong.items()}))
    crossing.drops(forward_martian=1)


def test_broadcasts_and_groups_are_not_sent_on(crossing: Crossing):
    """RFC 1812 5.3.4, 5.3.5; RFC 2644"""
    crossing.gets(
        across(dst=address("10.1.0.255")),  # another subnet's
        across(to=ethernet.BROADCAST),  # a link's, with a host's address in it
        across(dst=address("10.0.0.255"), to=ethernet.BROADCAST),
        across(dst=address("255.255.255.255"), to=ethernet.BROADCAST),
        across(dst=address("224.1.2.3"), to=bytes.fromhex("01005e010203")),
        across(dst=address("240.0.0.1")),
    )
    assert crossing.crossed() == [] == crossing.netif.sent
    assert crossing.stack.stats["forward_broadcast"] == 1
    assert crossing.stack.stats["forwarded"] == 0


def test_a_frame_for_another_host_is_not_sent_on(crossing: Crossing):
    crossing.gets(across(to=PEER_MAC))
    crossing.drops(ethernet_other_host=1)


def test_a_damaged_header_is_dropped(crossing: Crossing):
    """RFC 1812 5.2.2"""
    frame = bytearray(across())
    frame[24] ^= 1
    crossing.gets(bytes(frame), across()[:33], across()[:40])
    assert crossing.crossed() == []
    crossing.drops(ip_checksum=1, ip_header_short=1, ip_total_length=1)


def test_what_does_not_fit_is_cut(crossing: Crossing):
    """RFC 1812 5.2.6"""
    crossing.far_interface.set_mtu(576)
    crossing.gets(across(bytes(range(200)) * 6, fragment=0))
    frames = [frame for frame, _ in crossing.crossed()]
    assert [ip.parse(frame, 14)[1] for frame in frames] == [572, 572, 124]
    whole = b"".join(frame[34:] for frame in frames)
    assert whole == across(bytes(range(200)) * 6)[34:]
    assert crossing.stack.stats["fragmented"] == 1
    assert {ip.parse(frame, 14)[4] for frame in frames} == {63}


def test_what_must_not_be_cut_is_reported_with_the_links_mtu(crossing: Crossing):
    """RFC 1812 5.2.7.1; RFC 1191 4"""
    crossing.far_interface.set_mtu(1280)
    crossing.gets(across(bytes(1253)), across(bytes(1252)))
    (frame,) = crossing.frames()
    report = Ether(frame)[ICMP]
    assert (report.type, report.code, report.nexthopmtu) == (3, 4, 1280)
    assert len(crossing.crossed()) == 1
    crossing.drops(forward_too_big=1)


def test_fragments_pass_one_by_one(crossing: Crossing):
    crossing.gets(across(bytes(16), fragment=ip.MF), packet(bytes(16), ip.UDP, dst=FAR, fragment=3))
    assert [ip.parse(frame, 14)[3] for frame, _ in crossing.crossed()] == [ip.MF, 3]


def test_errors_are_not_about_errors_later_fragments_or_what_is_too_much():
    """RFC 1812 4.3.2.7, 4.3.2.8"""
    crossing = Crossing(limits=Limits(icmp_errors_per_host=5))
    crossing.gets(
        icmp_error(3, 3, across(), dst=FAR, ttl=1),
        packet(bytes(16), ip.UDP, dst=FAR, fragment=3, ttl=1),
    )
    crossing.sends()
    crossing.gets(*[across(ttl=1)] * 20)
    assert len(crossing.frames()) == 5
    crossing.drops(forward_ttl=22, icmp_error_rate=15)


def test_a_neighbour_that_does_not_answer_is_reported():
    """RFC 1812 5.2.7.1; what waits for it is bounded as the host's own packets are"""
    crossing = Crossing(limits=Limits(arp_queue_frames=3))
    crossing.gets(*[across(bytes([n]), dst=NOBODY) for n in range(5)])
    crossing.sends_far("who-has 10.1.0.99 tell 10.1.0.1")
    crossing.after(10)
    frames = crossing.frames()
    assert [(Ether(frame)[ICMP].type, Ether(frame)[ICMP].code, frame[-1]) for frame in frames] == [
        (3, 1, 2),
        (3, 1, 3),
        (3, 1, 4),
    ]
    crossing.drops(arp_queue_full=2, arp_unresolved=3)


def test_what_waited_goes_when_the_neighbour_is_found_and_the_next_does_not_wait():
    crossing = Crossing(known=False)
    crossing.gets(across(b"one"))
    crossing.sends_far("who-has 10.1.0.2 tell 10.1.0.1")
    crossing.from_far(answers(FAR, FAR_SIDE, FAR_MAC, FAR_SIDE_MAC))
    crossing.gets(across(b"two"))
    assert [frame[42:] for frame, _ in crossing.crossed()] == [b"one", b"two"]


def test_a_link_that_is_down_is_reported(crossing: Crossing):
    crossing.far_interface.link_down()
    crossing.gets(across())
    assert reported(crossing) == [(3, 1)]
    crossing.drops(link_down=1)


def test_who_sends_by_a_roundabout_way_is_told_once_a_second(crossing: Crossing):
    """RFC 1812 5.2.7.2: to a neighbour of the next hop; the packet goes on all the same"""
    third = address("10.0.0.3")
    crossing.knows_peer(who=third, mac=bytes.fromhex("020000000003"))
    crossing.gets(*[across(dst=third)] * 5)
    frames = [Ether(frame) for frame in crossing.frames()]
    redirects = [frame[ICMP] for frame in frames if ICMP in frame]
    assert [(each.type, each.code, each.gw) for each in redirects] == [(5, 1, "10.0.0.3")]
    assert len(frames) == 6
    crossing.after(1)
    crossing.gets(across(dst=third))
    assert [ICMP in Ether(frame) for frame in crossing.frames()] == [True, False]
    assert crossing.stack.stats["redirects_sent"] == 2


def test_who_is_no_neighbour_is_not_told(crossing: Crossing):
    third = address("10.0.0.3")
    crossing.knows_peer(who=third, mac=bytes.fromhex("020000000003"))
    crossing.gets(across(src=ELSEWHERE, dst=third))
    assert len(crossing.frames()) == 1


def test_source_routes_are_refused_and_bad_options_reported(crossing: Crossing):
    """RFC 7126 4.3, 4.4; RFC 1812 5.2.7"""

    def with_options(options: bytes) -> bytes:
        body = across()[34:]
        header = ip.emit(PEER, FAR, ip.UDP, len(body), ident=1, options=options)
        return ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP) + header + body

    crossing.gets(with_options(b"\x83\7\4\1\2\3\4\0"))
    crossing.sends()
    crossing.gets(with_options(b"\7\0\0\0"))
    (frame,) = crossing.frames()
    assert (Ether(frame)[ICMP].type, Ether(frame)[ICMP].ptr) == (12, 21)
    crossing.drops(ip_source_route=1, ip_option=1)
    crossing.gets(with_options(b"\1\x94\4\0\0" + b"\1\7\7\4" + bytes(4) + b"\0" * 3))  # router alert, record route
    ((frame, _),) = crossing.crossed()
    again = Ether(frame)
    del again[IP].chksum
    assert bytes(again) == frame
    assert frame[34:50] == b"\1\x94\4\0\0" + b"\1\7\7\x08" + FAR_SIDE + b"\0" * 3


def super_frame(payload: bytes, *, size: int = 1000, checksum: int | None = None) -> tuple[bytes, Offload]:
    length = 20 + len(payload)
    field = pseudo_header(PEER, FAR, tcp.PROTOCOL, length) if checksum is None else checksum
    header = tcp.emit(5000, 80, 1, 1, tcp.ACK | tcp.PSH, 100, checksum=field)
    return packet(header + payload, ip.TCP, dst=FAR), Offload(PARTIAL, 34, 16, size)


SUPERS = {"gso_max": 65535, "tx_checksum": True, "rx_checksum": True}


def test_a_super_frame_passes_whole():
    crossing = Crossing(far=SUPERS, **SUPERS)
    frame, offload = super_frame(bytes(20000))
    crossing.gets(frame, offload=offload)
    ((crossed, left),) = crossing.crossed()
    assert (len(crossed), left) == (len(frame), offload)
    assert crossed[34:] == frame[34:]


def test_it_is_cut_and_finished_for_a_link_that_takes_none(crossing: Crossing):
    payload = random.Random(1).randbytes(2500)
    frame, offload = super_frame(payload)
    crossing.gets(frame, offload=offload)
    frames = [frame for frame, _ in crossing.crossed()]
    assert [len(frame) - 54 for frame in frames] == [1000, 1000, 500]
    assert b"".join(frame[54:] for frame in frames) == payload
    for frame in frames:
        again = Ether(frame)
        del again[IP].chksum, again["TCP"].chksum
        assert bytes(again) == frame


def test_a_partial_checksum_is_finished_for_a_link_that_cannot(crossing: Crossing):
    body = udp.emit(PEER, FAR, 5000, 7, bytes(300), partial=True) + bytes(300)
    crossing.gets(packet(body, ip.UDP, dst=FAR), offload=Offload(PARTIAL, 34, 6))
    ((frame, offload),) = crossing.crossed()
    assert offload is not None
    assert offload.checksum == VALID
    again = Ether(frame)
    del again[UDP].chksum
    assert bytes(again) == frame


def test_segments_too_large_for_the_next_link_are_reported():
    crossing = Crossing(far=SUPERS, **SUPERS)
    crossing.far_interface.set_mtu(1000)
    frame, offload = super_frame(bytes(20000), size=1000)
    crossing.gets(frame, offload=offload)
    assert reported(crossing) == [(3, 4)]
    assert crossing.crossed() == []


def test_what_a_full_link_cannot_take_waits_within_bounds():
    crossing = Crossing(limits=Limits(interface_queue_frames=2))
    crossing.far_netif.room = 1
    crossing.gets(*[across()] * 5)
    crossing.drops(interface_queue_full=2)
    crossing.far_netif.room = None
    crossing.far_interface.writable()
    assert len(crossing.crossed()) == 3


def test_what_crossed_is_counted_by_the_interface_that_it_came_in_by(crossing: Crossing):
    crossing.gets(across(), across(b"hello world"), across(ttl=1))
    crossing.from_far(packet(bytes(8), 99, src=FAR, dst=PEER, to=FAR_SIDE_MAC, mac=FAR_MAC))
    near, far = crossing.interface.forwarding_counters, crossing.far_interface.forwarding_counters
    assert (near.frames, near.bytes, dict(near.dropped)) == (2, 33 + 39, {"forward_ttl": 1})
    assert (far.frames, far.bytes) == (1, 28)
    total = crossing.stack.forwarding.counters
    assert (total.frames, total.bytes, dict(total.dropped)) == (3, 100, {"forward_ttl": 1})


@pytest.mark.parametrize(
    ("asker", "target", "answered"),
    [
        (PEER, FAR, True),
        (PEER, address("10.0.0.9"), False),  # on that very link
        (PEER, ELSEWHERE, False),  # the default leads there
        (bytes(4), FAR, False),  # is it free? (RFC 5227)
        (FAR, FAR, False),
    ],
)
def test_proxy_arp(crossing: Crossing, asker: bytes, target: bytes, answered: bool):
    """RFC 1027"""
    crossing.gets(asks(asker, target))
    crossing.sends()
    crossing.interface.set_proxy_arp(True)
    crossing.gets(asks(asker, target))
    crossing.sends(*["10.1.0.2 is-at 02:00:00:00:00:01"] * answered)


def test_a_socket_of_the_router_is_not_concerned(crossing: Crossing):
    socket = UdpEndpoint(crossing.stack)
    socket.bind(bytes(4), 7)
    crossing.gets(datagram(b"mine"), across(b"not mine"))
    got = socket.receive()
    assert got is not None
    assert bytes(got[0]) == b"mine"
    assert socket.receive() is None


def test_a_point_to_point_link_is_crossed_without_a_link_header(crossing: Crossing):
    """What a driver is to complete stands elsewhere in a frame without one."""
    there = address("10.2.0.2")
    wire = ScriptedNetif("tun0", b"")
    tun = TunInterface(crossing.stack, wire)
    tun.link_up(LinkCaps(mac=b"", medium=Medium.POINT_TO_POINT, **SUPERS))
    tun.set_addresses(address("10.2.0.1"), b"\xff\xff\xff\0", bytes(4))
    body = udp.emit(PEER, there, 5000, 7, bytes(300), partial=True) + bytes(300)
    crossing.gets(packet(body, ip.UDP, dst=there), offload=Offload(PARTIAL, 34, 6))
    ((buffers, offload),) = wire.sent
    assert offload == Offload(PARTIAL, 20, 6)
    assert ip.parse(b"".join(buffers), 0)[4] == 63
    crossing.gets(packet(body, ip.UDP, src=there, dst=PEER)[14:], by=tun)
    (frame,) = crossing.frames()
    assert frame[:6] == PEER_MAC
    assert frame[34:] == body
