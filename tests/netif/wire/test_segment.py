"""Finishing and cutting frames, byte for byte against segments that scapy builds from nothing."""

from __future__ import annotations

import itertools
import random
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from netif.link import NONE, PARTIAL, VALID, LinkCaps, Medium, Offload
from netif.wire import Malformed, segment
from netif.wire.checksum import pseudo_header

ETHER = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
IP4 = IP(src="10.0.0.1", dst="10.0.0.2", id=65534, flags="DF", ttl=63, tos=0xB8)
IP6 = IPv6(src="fd00::1", dst="fd00::2", tc=0xB8, fl=0x12345)
SEGMENT = TCP(sport=49152, dport=7, seq=0xFFFFF000, ack=77, flags="A", window=512)
STAMPED = TCP(sport=49152, dport=7, seq=5, ack=77, flags="PA", window=512)
STAMPED.options = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
LINKS = {"ethernet": ETHER, "vlan": ETHER / Dot1Q(vlan=5), "bare": None}
NETWORKS = {
    "ipv4": IP4,
    "ipv4 with options": IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_RR(routers=["0.0.0.0"] * 2)]),
    "ipv6": IP6,
}
CAPS = LinkCaps(mac=bytes(6), mtu=1500, gso_max=1500)


def stacked(link: Packet | None, *layers: Packet) -> Packet:
    packet = link
    for layer in layers:
        packet = layer.copy() if packet is None else packet / layer.copy()
    return packet


def l4_start(packet: Packet, transport: type[Packet]) -> int:
    return len(bytes(packet)) - len(bytes(packet[transport]))


def with_partial_checksum(packet: Packet, gso_size: int) -> tuple[bytes, Offload]:
    """The frame as a stack sends it, and its offload."""
    transport = TCP if TCP in packet else UDP
    network = packet[IP] if IP in packet else packet[IPv6]
    frame = bytearray(bytes(packet))
    start, offset, protocol = l4_start(packet, transport), 16 if transport is TCP else 6, 6 if transport is TCP else 17
    family = socket.AF_INET if IP in packet else socket.AF_INET6
    src, dst = (socket.inet_pton(family, address) for address in (network.src, network.dst))
    pseudo = pseudo_header(src, dst, protocol, len(frame) - start)
    frame[start + offset : start + offset + 2] = pseudo.to_bytes(2, "big")
    return bytes(frame), Offload(PARTIAL, start, offset, gso_size)


def scapys_segments(link: Packet | None, network: Packet, transport: Packet, data: bytes, size: int) -> list[bytes]:
    segments = []
    for index, at in enumerate(range(0, len(data), size)):
        head, body = network.copy(), transport.copy()
        if isinstance(head, IP):
            head.id = network.id + index & 0xFFFF
        if isinstance(body, TCP):
            body.seq = transport.seq + at & 0xFFFFFFFF
            body.flags = int(transport.flags) & ~(0x80 if index else 0) & ~(0x09 if at + size < len(data) else 0)
        segments.append(bytes(stacked(link, head, body, Raw(data[at : at + size]))))
    return segments


def in_pieces(frame: bytes, *cuts: int) -> tuple[bytes | memoryview, ...]:
    edges = [0, *sorted(min(at, len(frame)) for at in cuts), len(frame)]
    pieces = [frame[left:right] for left, right in itertools.pairwise(edges)]
    return (pieces[0], *map(memoryview, pieces[1:]))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("transport", [SEGMENT, STAMPED, UDP(sport=1, dport=2)], ids=["tcp", "tcp stamped", "udp"])
@pytest.mark.parametrize("size", [1, 7, 1000, 1447, 1448, 4999, 5000, 9000])
def test_segments_are_scapys(link, network, transport, size):
    data = random.Random(size).randbytes(5000 if size > 7 else 50)
    whole = stacked(LINKS[link], NETWORKS[network], transport, Raw(data))
    frame, offload = with_partial_checksum(whole, size)
    expected = scapys_segments(LINKS[link], NETWORKS[network], transport, data, size)
    assert segment.cut((frame,), offload) == expected
    assert segment.cut(in_pieces(frame, 66, 1001), offload) == expected
    plain = offload._replace(gso_size=0)
    assert [segment.finish((left,), plain) for left in segment.cut((frame,), offload, partial=True)] == expected
    assert segment.finish((frame,), offload) == bytes(whole)


@pytest.mark.parametrize("flags", range(256))
def test_push_and_fin_are_the_last_segments_and_cwr_is_the_firsts(flags):
    transport = SEGMENT.copy()
    transport.flags = flags
    data = bytes(range(250))
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, transport, Raw(data)), 100)
    segments = segment.cut((frame,), offload)
    assert segments == scapys_segments(ETHER, IP4, transport, data, 100)
    assert [each[47] for each in segments] == [flags & ~0x09, flags & ~0x89, flags & ~0x80]


def test_sequence_numbers_and_identification_wrap():
    data = bytes(10000)
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(data)), 2048)
    segments = [Ether(each) for each in segment.cut((frame,), offload)]
    assert [each[TCP].seq for each in segments] == [0xFFFFF000, 0xFFFFF800, 0, 2048, 4096]
    assert [each[IP].id for each in segments] == [65534, 65535, 0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_super_frame_in_any_pieces_is_cut_as_scapy_would(data):
    transport = SEGMENT.copy()
    transport.seq = data.draw(st.integers(0, 0xFFFFFFFF))
    transport.flags = data.draw(st.integers(0, 255))
    transport.urgptr = data.draw(st.integers(0, 0xFFFF))
    network = data.draw(st.sampled_from([IP4, IP6]))
    payload = random.Random(data.draw(st.integers(0, 99))).randbytes(data.draw(st.integers(1, 3000)))
    size = data.draw(st.integers(100, 1500))
    frame, offload = with_partial_checksum(stacked(ETHER, network, transport, Raw(payload)), size)
    pieces = in_pieces(frame, *data.draw(st.lists(st.integers(0, len(frame)), max_size=4)))
    assert segment.cut(pieces, offload) == scapys_segments(ETHER, network, transport, payload, size)


def test_the_largest_super_frame_is_cut():
    data = random.Random(1).randbytes(65535 - 40)
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(data)), 1460)
    segments = segment.cut(in_pieces(frame, 54), offload)
    assert len(segments) == 45
    assert segments == scapys_segments(ETHER, IP4, SEGMENT, data, 1460)


@pytest.mark.parametrize("checksum", [NONE, VALID])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_super_frame_that_is_not_partial_is_cut_too(checksum, link, network):
    data = bytes(range(256)) * 10
    layers = (LINKS[link], NETWORKS[network], STAMPED)
    whole = bytes(stacked(*layers, Raw(data)))
    assert segment.cut((whole,), Offload(checksum, gso_size=1000)) == scapys_segments(*layers, data, 1000)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.lists(st.integers(0, 400), max_size=4),
    st.sampled_from([SEGMENT, UDP(sport=1, dport=2)]),
)
def test_a_partial_checksum_is_finished_wherever_the_pieces_end(data, cuts, transport):
    whole = stacked(ETHER, IP4, transport, Raw(data))
    frame, offload = with_partial_checksum(whole, 0)
    finished = segment.finish(in_pieces(frame, *cuts), offload)
    assert finished == bytes(whole)
    assert type(finished) is bytes


def test_a_udp_checksum_of_zero_is_finished_as_ones():
    packet = stacked(ETHER, IP4, UDP(sport=1, dport=2), Raw(b"\0\0"))
    field = bytes(packet)[40:42]
    packet[Raw].load = field
    frame, offload = with_partial_checksum(packet, 0)
    assert segment.finish((frame,), offload)[40:42] == b"\xff\xff"
    assert segment.cut((frame,), offload._replace(gso_size=100))[0][40:42] == b"\xff\xff"


@pytest.mark.parametrize("offload", [None, Offload(NONE), Offload(VALID), Offload(VALID, gso_size=10)])
def test_a_frame_with_nothing_to_finish_is_only_joined(offload):
    assert segment.finish((b"abc",), offload) == b"abc"
    assert segment.finish((bytearray(b"abc"), memoryview(b"def")), offload) == b"abcdef"
    assert type(segment.finish((memoryview(b"abc"),), offload)) is bytes


def test_a_port_that_may_have_it_all_gets_the_same_objects():
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(bytes(5000))), 1448)
    pieces = in_pieces(frame, 54)
    caps = LinkCaps(mac=bytes(6), gso_max=65535, tx_checksum=True, rx_checksum=True)
    for delivering in (False, True):
        assert segment.adapt(pieces, None, CAPS, delivering=delivering) == [(pieces, None)]
        [(buffers, granted)] = segment.adapt(pieces, offload, caps, delivering=delivering)
        assert buffers is pieces
        assert granted is offload


def test_a_port_without_offload_gets_finished_segments():
    data = bytes(5000)
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(data)), 1448)
    expected = scapys_segments(ETHER, IP4, SEGMENT, data, 1448)
    assert segment.adapt((frame,), offload, CAPS) == [((each,), Offload(VALID)) for each in expected]
    assert segment.adapt((frame,), offload, CAPS, delivering=True) == [((each,), None) for each in expected]


def test_a_port_with_checksums_but_no_super_frames_gets_partial_segments_save_small_ones():
    data = random.Random(2).randbytes(2000)
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(data)), 990)
    expected = scapys_segments(ETHER, IP4, SEGMENT, data, 990)
    caps = LinkCaps(mac=bytes(6), tx_checksum=True)
    adapted = segment.adapt((frame,), offload, caps)
    assert [granted for _, granted in adapted] == [Offload(PARTIAL, 34, 16)] * 2 + [Offload(VALID)]
    assert [segment.finish(buffers, granted) for buffers, granted in adapted] == expected
    assert adapted[2][0] == (expected[2],)


@pytest.mark.parametrize(("gso_max", "count"), [(5040, 1), (5039, 4)])
def test_the_link_header_does_not_count_for_the_largest_packet(gso_max, count):
    frame, offload = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(bytes(5000))), 1448)
    assert len(segment.adapt((frame,), offload, LinkCaps(mac=bytes(6), gso_max=gso_max, tx_checksum=True))) == count
    bare, offload = with_partial_checksum(stacked(None, IP4, SEGMENT, Raw(bytes(5000))), 1448)
    caps = LinkCaps(mac=b"", medium=Medium.POINT_TO_POINT, gso_max=gso_max, tx_checksum=True)
    assert len(segment.adapt((bare,), offload, caps)) == count


def test_a_plain_frame_is_finished_for_a_port_without_checksum_offload():
    whole = stacked(ETHER, IP4, SEGMENT, Raw(bytes(300)))
    frame, offload = with_partial_checksum(whole, 0)
    assert segment.adapt((frame,), offload, CAPS) == [((bytes(whole),), Offload(VALID))]
    assert segment.adapt((frame,), offload, CAPS, delivering=True) == [((bytes(whole),), None)]


def test_a_verdict_is_not_delivered_to_a_port_that_wants_none():
    buffers = (b"frame",)
    assert segment.adapt(buffers, Offload(VALID), CAPS, delivering=True) == [(buffers, None)]
    assert segment.adapt(buffers, Offload(VALID), CAPS) == [(buffers, Offload(VALID))]
    assert segment.adapt(buffers, Offload(NONE), CAPS, delivering=True) == [(buffers, Offload(NONE))]


GOOD = with_partial_checksum(stacked(ETHER, IP4, SEGMENT, Raw(bytes(3000))), 1000)[0]


def altered(at: int, value: int) -> bytes:
    return GOOD[:at] + bytes((value,)) + GOOD[at + 1 :]


@pytest.mark.parametrize(
    ("frame", "offload"),
    [
        (GOOD[:0], Offload(PARTIAL, 34, 16, 1000)),
        (GOOD[:14], Offload(PARTIAL, 34, 16, 1000)),
        (GOOD[:40], Offload(PARTIAL, 34, 16, 1000)),
        (GOOD[:54], Offload(PARTIAL, 34, 16, 1000)),
        (GOOD, Offload(PARTIAL, 38, 16, 1000)),
        (GOOD, Offload(PARTIAL, 20, 16, 1000)),
        (altered(14, 0x25), Offload(PARTIAL, 34, 16, 1000)),
        (altered(14, 0x40), Offload(PARTIAL, 14, 16, 1000)),
        (altered(14, 0x44), Offload(PARTIAL, 30, 16, 1000)),
        (altered(23, 1), Offload(PARTIAL, 34, 16, 1000)),
        (altered(46, 0x40), Offload(PARTIAL, 34, 16, 1000)),
        (altered(14, 0x44), Offload(VALID, gso_size=1000)),
    ],
)
def test_a_super_frame_that_is_not_what_its_offload_says_is_malformed(frame, offload):
    with pytest.raises(Malformed) as caught:
        segment.cut((frame,), offload)
    assert caught.value.reason == "gso_format"


@pytest.mark.parametrize("length", [0, 10, 51])
def test_a_partial_checksum_past_the_frame_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        segment.finish((GOOD[:length],), Offload(PARTIAL, 34, 16))
    assert caught.value.reason == "gso_format"


@settings(max_examples=300)
@given(
    st.binary(max_size=120),
    st.integers(0, 70),
    st.sampled_from([6, 16]),
    st.integers(0, 60),
    st.sampled_from([NONE, PARTIAL, VALID]),
)
def test_whatever_comes_is_cut_or_malformed(noise, start, offset, size, checksum):
    for frame in (noise, GOOD[:14] + noise, GOOD[:34] + noise, GOOD[:20] + noise[:14] + GOOD[34:40] + noise):
        try:
            segment.adapt((frame,), Offload(checksum, start, offset, size), CAPS)
        except Malformed:
            pass
