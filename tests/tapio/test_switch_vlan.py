"""802.1Q on a switch: which VLAN a frame is in, who is in it, and what becomes of the tag."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netif.link import PARTIAL, VALID, LinkCaps, Offload
from netif.wire import ethernet
from netif.wire.segment import cut, finish
from tapio import Switch
from tests.tapio.ports import FakePort, FakeRuntime, drain

A, B, C, D = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3, 4))


def tagged(frame, vid, priority=0):
    return frame[:12] + b"\x81\x00" + (priority << 13 | vid).to_bytes(2, "big") + frame[12:]


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def plug(switch, make_port, want):
    """plug(mac, **what port() takes): a port, open."""

    def plug(mac=A, **words):
        port = switch.port(**words)
        port.open(want(mac), make_port())
        return port

    return plug


def arrived(*ports):
    return [[bytes(frame) for frame, _ in drain(port)] for port in ports]


class TestAccessPorts:
    def test_only_ports_of_its_vlan_get_a_frame(self, plug, frames):
        a, b, c = plug(vlan=10), plug(vlan=10), plug(vlan=20)
        frame = frames.plain(dst=ethernet.BROADCAST, src=A)
        a.transmit((frame,), None)
        assert arrived(a, b, c) == [[], [frame], []]

    def test_a_station_is_learnt_in_its_vlan_alone(self, plug, frames, switch):
        a10, b10, a20, b20 = plug(vlan=10), plug(vlan=10), plug(vlan=20), plug(vlan=20)
        c10 = plug(vlan=10)
        b10.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        b20.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        arrived(a10, a20, c10)
        a10.transmit((frames.plain(dst=B, src=A),), None)
        a20.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(got) for got in arrived(b10, b20, c10)] == [1, 1, 0]
        assert len(switch.stations) == 4

    def test_a_tag_of_its_own_vlan_is_taken_off_any_other_is_refused(self, plug, frames):  # 8.6.2
        a, b = plug(vlan=10), plug(vlan=10)
        frame = frames.plain(dst=B, src=A)
        a.transmit((tagged(frame, 10),), None)
        a.transmit((tagged(frame, 20),), None)
        assert arrived(b) == [[frame]]
        assert a.counters.not_member == 1

    def test_a_tag_for_the_priority_alone_names_no_vlan(self, plug, frames):  # 6.9, table 9-2
        a, b = plug(vlan=10), plug(vlan=10)
        frame = frames.plain(dst=B, src=A)
        a.transmit((tagged(frame, 0, priority=5),), None)
        assert arrived(b) == [[frame]]

    @pytest.mark.parametrize("outer", [0, 10])
    def test_a_tag_behind_that_is_no_way_into_its_vlan(self, plug, frames, outer):
        """The outer one comes off here, and the native VLAN has none on a trunk: the next switch would see the inner"""
        a, trunk = plug(vlan=10), plug(trunk=[20], native=10)
        a.transmit((tagged(tagged(frames.plain(dst=B, src=A), 20), outer),), None)
        assert arrived(trunk) == [[]]
        assert a.counters.not_member == 1

    def test_a_tag_of_4095_is_no_vlan(self, plug, frames):
        a, b = plug(vlan=10), plug()
        b.transmit((tagged(frames.plain(dst=B, src=A), 4095),), None)
        assert arrived(a) == [[]]
        assert b.counters.not_member == 1

    def test_a_tagged_runt_is_counted(self, plug, frames):
        a, b = plug(vlan=10), plug(vlan=10)
        a.transmit((frames.plain(dst=B, src=A)[:12] + b"\x81\x00\x00",), None)
        assert arrived(b) == [[]]
        assert a.counters.malformed == 1


class TestTrunks:
    def test_a_frame_leaves_with_the_tag_of_its_vlan(self, plug, frames):
        a, trunk = plug(vlan=10), plug(trunk=[10, 20])
        frame = frames.plain(dst=B, src=A)
        a.transmit((frame,), None)
        assert arrived(trunk) == [[tagged(frame, 10)]]

    def test_and_comes_in_by_it(self, plug, frames):
        trunk, ten, twenty = plug(trunk=[10, 20]), plug(vlan=10), plug(vlan=20)
        frame = frames.plain(dst=B, src=A)
        trunk.transmit((tagged(frame, 20),), None)
        assert arrived(ten, twenty) == [[], [frame]]

    def test_vlans_that_it_does_not_carry_neither_leave_nor_enter(self, plug, frames):
        thirty, trunk = plug(vlan=30), plug(trunk=[10, 20])
        thirty.transmit((frames.plain(dst=B, src=A),), None)
        trunk.transmit((tagged(frames.plain(dst=B, src=C), 30),), None)
        assert arrived(trunk, thirty) == [[], []]
        assert trunk.counters.not_member == 1

    def test_without_a_native_vlan_frames_without_tag_are_refused(self, plug, frames):
        trunk, plain = plug(trunk=[10]), plug()
        trunk.transmit((frames.plain(dst=B, src=A),), None)
        assert arrived(plain) == [[]]
        assert trunk.counters.not_member == 1

    def test_the_native_vlan_has_no_tag(self, plug, frames):
        ten, trunk = plug(vlan=10), plug(trunk=[20], native=10)
        frame, back = frames.plain(dst=B, src=A), frames.plain(dst=A, src=B)
        ten.transmit((frame,), None)
        trunk.transmit((back,), None)
        assert arrived(trunk, ten) == [[frame], [back]]

    def test_from_trunk_to_trunk_the_priority_stays(self, plug, frames):
        one, other = plug(trunk=[10]), plug(trunk=[10])
        frame = tagged(frames.plain(dst=B, src=A), 10, priority=6)
        one.transmit((frame,), None)
        assert arrived(other) == [[frame]]

    def test_a_port_of_which_nothing_is_said_carries_all(self, plug, frames):
        ten, plain = plug(vlan=10), plug()
        frame = frames.plain(dst=B, src=A)
        ten.transmit((frame,), None)
        plain.transmit((tagged(frame, 10),), None)
        assert arrived(plain, ten) == [[tagged(frame, 10)], [frame]]

    def test_a_unicast_frame_crosses_between_learnt_stations(self, plug, frames):
        ten, trunk, other = plug(vlan=10), plug(trunk=[10]), plug(vlan=10)
        trunk.transmit((tagged(frames.plain(dst=ethernet.BROADCAST, src=B), 10),), None)
        arrived(ten, other)
        frame = frames.plain(dst=B, src=A)
        ten.transmit((frame,), None)
        assert arrived(trunk, other) == [[tagged(frame, 10)], []]


class TestOffload:
    def test_a_super_frame_bears_its_tag_and_its_checksum_is_found_behind_it(self, plug, frames):
        ten, trunk = plug(vlan=10), plug(trunk=[10])
        buffers, offload = frames.tcp(bytes(range(250)) * 200, gso=1448)
        ten.transmit(buffers, offload)
        ((frame, left),) = drain(trunk)
        assert frame == tagged(b"".join(buffers), 10)
        assert left == Offload(PARTIAL, 38, 16, 1448)
        whole = [segment[:12] + segment[16:] for segment in cut((frame,), left)]
        assert whole == cut(buffers, offload)

    def test_and_without_it_again(self, plug, frames):
        trunk, ten = plug(trunk=[10]), plug(vlan=10)
        buffers, offload = frames.tcp(bytes(range(250)) * 200, gso=1448)
        frame = tagged(b"".join(buffers), 10)
        trunk.transmit((frame[:58], frame[58:]), offload._replace(start=38))
        assert drain(ten) == [(b"".join(buffers), offload)]

    def test_it_is_cut_with_its_tag_for_a_port_that_was_granted_less(self, plug, frames):
        ten, trunk = plug(vlan=10), plug(trunk=[10], gso_max=1500, tx_checksum=False, rx_checksum=False)
        buffers, offload = frames.tcp(bytes(range(250)) * 40, gso=1448)
        ten.transmit(buffers, offload)
        assert arrived(trunk) == [[tagged(segment, 10) for segment in cut(buffers, offload)]]

    def test_a_checksum_is_finished_behind_the_tag(self, plug, frames):
        ten, trunk = plug(vlan=10), plug(trunk=[10], rx_checksum=False)
        buffers, offload = frames.tcp(bytes(range(250)) * 4)
        ten.transmit(buffers, offload)
        assert drain(trunk) == [(tagged(finish(buffers, offload), 10), None)]

    def test_what_was_vouched_for_still_is(self, plug, frames):
        ten, trunk = plug(vlan=10), plug(trunk=[10])
        buffers, offload = frames.tcp(b"hi")
        ten.transmit(buffers, offload)
        assert [left for _, left in drain(trunk)] == [Offload(VALID)]


class TestWithoutVlans:
    @pytest.mark.parametrize("vid", [0, 1, 10])
    def test_tags_are_payload(self, plug, frames, vid):
        a, b = plug(), plug()
        frame = tagged(frames.plain(dst=B, src=A), vid, priority=3)
        a.transmit((frame,), None)
        assert arrived(b) == [[frame]]


class TestSaying:
    @pytest.mark.parametrize(
        ("words", "wrong"),
        [
            ({"vlan": 0}, "vlan: 0 is no VLAN"),
            ({"vlan": 4095}, "vlan: 4095 is no VLAN"),
            ({"vlan": "10"}, "vlan: '10' is no VLAN"),
            ({"trunk": [10, 5000]}, "trunk: 5000 is no VLAN"),
            ({"trunk": [10], "native": 0}, "native: 0 is no VLAN"),
            ({"vlan": 10, "trunk": [10]}, "not both"),
        ],
    )
    def test_what_is_no_vlan_is_refused(self, switch, words, wrong):
        with pytest.raises(ValueError, match=wrong):
            switch.port(**words)
        assert not switch.knows_vlans


HEADERS = st.sampled_from(
    [
        ethernet.emit(ethernet.BROADCAST, A, kind) + more
        for kind in (ethernet.IP, ethernet.ARP, ethernet.VLAN, 0x88B5)
        for more in (b"", b"\0\x0a\x08\0\x45", b"\0\x0a\x08\x06", b"\x45" + bytes(5))
    ]
)
OFFLOADS = st.sampled_from([None, Offload(), Offload(VALID), Offload(VALID, gso_size=10)]) | st.builds(
    Offload, st.just(PARTIAL), st.integers(0, 60), st.integers(0, 20), st.integers(0, 100)
)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.binary(max_size=14) | HEADERS, st.binary(max_size=80), OFFLOADS), max_size=6))
def test_whatever_the_bytes_are_no_exception_leaves_it_and_no_port_gets_more_than_was_granted(sent):
    runtime, switch = FakeRuntime(), Switch()
    words = [
        {"vlan": 10},
        {"trunk": [10], "native": 1},
        {},
        {"gso_max": 1500, "tx_checksum": False, "rx_checksum": False},
    ]
    ports = [switch.port(**each) for each in words]
    mirror = switch.mirror(*ports)
    for port in (*ports, mirror):
        port.open(LinkCaps(mac=A, gso_max=65535, tx_checksum=True, rx_checksum=True), FakePort(runtime))
    for head, tail, offload in sent:
        for port in ports:
            port.transmit((head, tail), offload)
    assert all(left in (None, Offload()) for _, left in drain(ports[-1]))
    assert all(len(frame) >= 14 for port in ports[:-1] for frame, _ in drain(port))
