from __future__ import annotations

import pytest

from netif.link import VALID, Offload
from netif.wire import ethernet
from tapio import Switch

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3))


def drain(driver):
    taken = []
    while (item := driver.receive()) is not None:
        taken.append(item)
    return taken


@pytest.fixture
def opened(make_port, want):
    def opened(driver, mac=A, **changes):
        port = make_port()
        driver.open(want(mac, **changes), port)
        return port

    return opened


class TestSwitch:
    @pytest.fixture
    def switch(self):
        return Switch(ageing=300.0)

    @pytest.fixture
    def three(self, switch, opened):
        ports = [switch.port() for _ in range(3)]
        for port, mac in zip(ports, (A, B, C), strict=True):
            opened(port, mac)
        return ports

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
