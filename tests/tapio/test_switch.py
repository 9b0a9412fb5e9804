from __future__ import annotations

import pytest

from netif.link import VALID, Offload
from netif.wire import ethernet
from tapio import Switch
from tests.tapio.ports import drain

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3))


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def three(switch, opened):
    ports = [switch.port() for _ in range(3)]
    for port, mac in zip(ports, (A, B, C), strict=True):
        opened(port, mac)
    return ports


class TestSwitch:
    def test_a_frame_for_an_unknown_station_goes_everywhere_but_back(self, three, frames):
        a, b, c = three
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (a, b, c)] == [0, 1, 1]

    def test_a_station_that_has_spoken_is_sent_to_alone(self, three, frames):
        a, b, c = three
        b.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        assert [len(drain(port)) for port in (a, b, c)] == [1, 0, 1]
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (a, b, c)] == [0, 1, 0]

    def test_a_frame_for_a_station_on_its_own_port_goes_nowhere(self, three, frames):
        a, b, c = three
        a.transmit((frames.plain(dst=ethernet.BROADCAST, src=C),), None)
        drain(b), drain(c)
        a.transmit((frames.plain(dst=C, src=A),), None)
        assert [len(drain(port)) for port in (a, b, c)] == [0, 0, 0]

    def test_a_station_that_moved_is_followed(self, three, frames):
        a, b, c = three
        b.transmit((frames.plain(dst=A, src=B),), None)
        c.transmit((frames.plain(dst=A, src=B),), None)
        drain(a), drain(b), drain(c)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 1]

    def test_a_silent_station_is_forgotten_after_the_ageing_time(self, three, frames, runtime):
        a, b, c = three
        b.transmit((frames.plain(dst=A, src=B),), None)
        drain(a), drain(c)
        runtime.time = 300.0
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [1, 0]
        runtime.time = 300.5
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [1, 1]

    def test_a_group_address_is_never_learnt(self, three, frames, switch):
        a, b, c = three
        a.transmit((frames.plain(dst=B, src=ethernet.BROADCAST),), None)
        assert not switch.stations
        b.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        assert len(drain(c)) == 2

    def test_a_flood_of_addresses_does_not_grow_the_table_without_bound(self, three, frames, switch):
        for n in range(10_000):
            three[0].transmit((frames.plain(dst=B, src=b"\x02\x01" + n.to_bytes(4, "big")),), None)
        assert len(switch.stations) <= 4096

    def test_a_full_port_loses_frames_and_counts_them(self, switch, opened, frames):
        a, b = switch.port(), switch.port(queue=2)
        opened(a, A), opened(b, B)
        assert all(a.transmit((frames.plain(dst=B, src=A),), None) for _ in range(5))
        assert (len(drain(b)), b.dropped, a.dropped) == (2, 3, 0)

    def test_a_broadcast_is_one_object_at_every_port(self, three, frames):
        a, b, c = three
        frame = frames.plain(dst=ethernet.BROADCAST, src=A)
        a.transmit((frame[:20], frame[20:]), None)
        (at_b,), (at_c,) = drain(b), drain(c)
        assert at_b[0] is at_c[0]
        assert at_b[0] == frame

    def test_caps_belong_to_the_port(self, switch, opened, frames):
        a, b, c = switch.port(), switch.port(), switch.port(gso_max=1500)
        opened(a, A), opened(b, B), opened(c, C)
        buffers, offload = frames.tcp(bytes(10_000), gso=1448, dst=ethernet.BROADCAST, src=A)
        a.transmit(buffers, offload)
        assert drain(b) == [(b"".join(buffers), offload)]
        assert [len(frame) for frame, _ in drain(c)] == [14 + 40 + 1448] * 6 + [14 + 40 + 10_000 - 6 * 1448]

    def test_valid_passes_to_a_port_that_trusts_and_is_dropped_from_the_offload_elsewhere(self, switch, opened, frames):
        a, b, c = switch.port(), switch.port(), switch.port(rx_checksum=False)
        opened(a, A), opened(b, B), opened(c, C)
        buffers, offload = frames.tcp(b"hi", dst=ethernet.BROADCAST)
        a.transmit(buffers, offload)
        assert [left for _, left in drain(b)] == [Offload(VALID)]
        assert [left for _, left in drain(c)] == [None]

    def test_a_runt_is_counted_and_goes_nowhere(self, three):
        a, b, c = three
        assert a.transmit((b"short",), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 0]
        assert a.malformed == 1

    def test_a_closed_port_is_forgotten(self, three, frames, switch):
        a, b, c = three
        b.transmit((frames.plain(dst=A, src=B),), None)
        b.close()
        assert B not in switch.stations
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 2]

    def test_all_ports_must_share_a_runtime_until_the_last_is_closed(self, switch, opened, make_port, want):
        a, b = switch.port(), switch.port()
        opened(a, A)
        elsewhere = make_port(type(make_port().runtime)())
        with pytest.raises(ValueError, match="one runtime"):
            b.open(want(B), elsewhere)
        a.close()
        b.open(want(B), elsewhere)

    def test_a_station_is_known_until_the_table_is_full(self, opened, frames):
        switch = Switch(stations=2)
        a, b = switch.port(), switch.port()
        opened(a, A), opened(b, B)
        for source in (A, B, C):
            a.transmit((frames.plain(dst=ethernet.BROADCAST, src=source),), None)
        assert list(switch.stations) == [B, C]

    @pytest.mark.parametrize("last", [0x00, 0x03, 0x0E, 0x0F])
    def test_what_is_for_the_next_bridge_goes_no_further(self, three, frames, last):  # 802.1Q 8.6.3
        a, b, c = three
        a.transmit((frames.plain(dst=b"\x01\x80\xc2\0\0" + bytes([last]), src=A),), None)
        assert drain(b) == drain(c) == []
        assert a.counters.reserved == 1

    def test_the_group_addresses_behind_those_are_passed_on(self, three, frames):
        a, b, c = three
        a.transmit((frames.plain(dst=b"\x01\x80\xc2\0\0\x10", src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [1, 1]

    def test_a_port_opened_anew_has_nothing_left_from_before(self, three, frames, opened):
        a, b, _ = three
        a.transmit((frames.plain(dst=B, src=A),), None)
        opened(b, B)
        assert drain(b) == []

    def test_and_room_for_all_that_it_may_hold(self, opened, frames):
        switch = Switch()
        a, b = switch.port(), switch.port(queue_bytes=100)
        opened(a, A), opened(b, B)
        a.transmit((frames.plain(bytes(200), dst=B, src=A),), None)
        opened(b, B)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert len(drain(b)) == 1

    def test_what_passes_is_counted_at_each_port(self, three, frames):
        a, b, c = three
        frame = frames.plain(dst=B, src=A)
        a.transmit((frame[:20], frame[20:]), None)
        assert (a.counters.in_frames, a.counters.in_bytes, a.counters.out_frames) == (1, len(frame), 0)
        assert (b.counters.out_frames, b.counters.out_bytes, c.counters.out_frames) == (1, len(frame), 1)


class TestStaticStations:
    def test_it_is_where_it_was_said_to_be_whoever_bears_its_address(self, switch, three, frames):
        a, b, c = three
        switch.add_station("02:00:00:00:00:02", b)
        c.transmit((frames.plain(dst=A, src=B),), None)
        drain(a), drain(b)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [1, 0]

    def test_it_is_learnt_nowhere_else_and_what_was_learnt_is_forgotten(self, switch, three, frames):
        _, b, c = three
        c.transmit((frames.plain(dst=A, src=B),), None)
        switch.add_station(B, b)
        assert B not in switch.stations
        c.transmit((frames.plain(dst=A, src=B),), None)
        assert B not in switch.stations

    def test_it_does_not_age(self, switch, three, frames, runtime):
        a, b, c = three
        switch.add_station(B, b)
        runtime.time = 1e6
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [1, 0]

    def test_a_station_that_is_nowhere_is_a_black_hole(self, switch, three, frames):
        a, b, c = three
        switch.add_station(B)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 0]
        assert a.counters.filtered == 1

    def test_a_group_may_be_at_several_ports(self, switch, three, frames):
        a, b, c = three
        group = b"\x01\0\x5e\0\0\xfb"
        switch.add_station(group, a, c)
        a.transmit((frames.plain(dst=group, src=A),), None)
        assert [len(drain(port)) for port in (a, b, c)] == [0, 0, 1]

    def test_taken_away_it_is_learnt_again(self, switch, three, frames):
        a, b, c = three
        switch.add_station(B, b)
        assert switch.remove_station(B)
        assert not switch.remove_station(B)
        c.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        drain(a), drain(b)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 1]

    def test_it_belongs_to_its_vlan(self, switch, three, frames, opened):
        a, b, _ = three
        ten = switch.port(vlan=10)
        opened(ten, C)
        switch.add_station(B, vlan=10)
        ten.transmit((frames.plain(dst=B, src=C),), None)
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert [len(drain(port)) for port in (a, b)] == [0, 1]

    def test_mistakes_are_told(self, switch, three):
        with pytest.raises(ValueError, match="MAC address"):
            switch.add_station("gateway", three[0])
        with pytest.raises(ValueError, match="made by its port"):
            switch.add_station(A, Switch().port())
        with pytest.raises(ValueError, match="no VLAN"):
            switch.add_station(A, three[0], vlan=4095)

    def test_the_table_of_them_is_bounded(self, three):
        small = Switch(stations=1)
        small.add_station(A)
        small.add_station(A)
        with pytest.raises(ValueError, match="full"):
            small.add_station(B)


class TestIsolation:
    def test_isolated_ports_reach_the_others_alone(self, opened, frames):
        switch = Switch()
        a, b, c = switch.port(isolated=True), switch.port(isolated=True), switch.port()
        opened(a, A), opened(b, B), opened(c, C)
        b.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        assert [len(drain(port)) for port in (a, c)] == [0, 1]
        a.transmit((frames.plain(dst=B, src=A),), None)
        a.transmit((frames.plain(dst=C, src=A),), None)
        assert [len(drain(port)) for port in (b, c)] == [0, 1]
        assert a.counters.filtered == 1


class TestMirror:
    @pytest.fixture
    def three(self, three):
        for port, mac in zip(three, (A, B, C), strict=True):
            port.transmit((ethernet.emit(ethernet.BROADCAST, mac, 0x88B5),), None)
        for port in three:
            drain(port)
        return three

    def test_it_sees_what_its_ports_send_and_receive(self, switch, three, opened, frames):
        a, b, c = three
        mirror = switch.mirror(a)
        opened(mirror)
        sent, received, others = (
            frames.plain(dst=to, src=of) for to, of in ((B, A), (A, C), (C, B))
        )  # from it, to it, past it
        a.transmit((sent,), None)
        c.transmit((received,), None)
        b.transmit((others,), None)
        assert [frame for frame, _ in drain(mirror)] == [sent, received]
        assert [frame for frame, _ in drain(a)] == [received]

    @pytest.mark.parametrize(("sent", "received"), [(True, False), (False, True)])
    def test_or_one_of_both(self, switch, three, opened, frames, sent, received):
        a, _, c = three
        mirror = switch.mirror(a, sent=sent, received=received)
        opened(mirror)
        a.transmit((frames.plain(dst=C, src=A),), None)
        c.transmit((frames.plain(dst=A, src=C),), None)
        assert [frame[6:12] for frame, _ in drain(mirror)] == [A] * sent + [C] * received

    def test_without_ports_it_sees_each_frame_once_of_later_ports_too(self, switch, three, opened, frames):
        a, b, _ = three
        mirror = switch.mirror()
        opened(mirror)
        late = switch.port()
        opened(late, b"\x02\0\0\0\0\x09")
        for port in (a, b, late):
            port.transmit((frames.plain(dst=ethernet.BROADCAST, src=A),), None)
        assert len(drain(mirror)) == 3

    def test_nothing_is_sent_to_it_and_what_it_sends_goes_nowhere(self, switch, three, opened, frames):
        a, b, c = three
        mirror = switch.mirror(b)
        opened(mirror)
        assert mirror.transmit((frames.plain(dst=ethernet.BROADCAST, src=b"\x02\0\0\0\0\x09"),), None)
        assert drain(a) == drain(b) == drain(c) == []
        assert b"\x02\0\0\0\0\x09" not in switch.stations
        assert mirror.dropped == 1
        a.transmit((frames.plain(dst=C, src=A),), None)
        assert drain(mirror) == []

    def test_a_full_one_loses_frames_and_holds_up_nobody(self, switch, three, opened, frames):
        a, b, _ = three
        mirror = switch.mirror(a, queue=1)
        opened(mirror)
        for _ in range(3):
            a.transmit((frames.plain(dst=B, src=A),), None)
        assert (len(drain(mirror)), mirror.dropped, len(drain(b))) == (1, 2, 3)

    def test_closed_it_sees_nothing_more(self, switch, three, opened, frames):
        a, _, _ = three
        mirror = switch.mirror(a)
        opened(mirror)
        mirror.close()
        mirror.close()
        a.transmit((frames.plain(dst=B, src=A),), None)
        assert mirror.receive() is None
        assert not a.sent_to
        assert not switch.mirrors

    def test_it_sees_tags_as_they_are_on_the_port_it_watches(self, switch, three, opened, frames):
        a, _, _ = three
        trunk = switch.port(trunk=[1])
        opened(trunk)
        mirror = switch.mirror(trunk)
        opened(mirror)
        frame = frames.plain(dst=ethernet.BROADCAST, src=A)
        a.transmit((frame,), None)
        assert [bytes(seen) for seen, _ in drain(mirror)] == [frame[:12] + b"\x81\0\0\x01" + frame[12:]]


class TestStorms:
    def test_what_one_port_sends_to_all_is_bounded_by_the_second(self, opened, frames, runtime):
        switch = Switch(storm=3)
        a, b = switch.port(), switch.port()
        opened(a, A), opened(b, B)
        for _ in range(5):
            a.transmit((frames.plain(dst=ethernet.BROADCAST, src=A),), None)
        assert (len(drain(b)), a.counters.storm) == (3, 2)
        runtime.time = 1.0
        a.transmit((frames.plain(dst=ethernet.BROADCAST, src=A),), None)
        assert len(drain(b)) == 1
