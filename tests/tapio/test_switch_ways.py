"""A switch sends frame after frame of two stations the same way, until anything changes by which they go another."""

from __future__ import annotations

import pytest

from netif.link import PARTIAL, Offload
from netif.wire import ethernet
from netif.wire.segment import cut
from tapio import Switch
from tests.tapio.ports import drain, drained

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3))


@pytest.fixture
def switch():
    return Switch(stations=4)


@pytest.fixture
def three(switch, opened, frames):
    """Ports at which A, B and C have spoken; and A has sent to B twice."""
    ports = [switch.port() for _ in range(3)]
    for port, mac in zip(ports, (A, B, C), strict=True):
        opened(port, mac)
        port.transmit((frames.plain(dst=ethernet.BROADCAST, src=mac),), None)
    for _ in range(2):
        ports[0].transmit((frames.plain(dst=B, src=A),), None)
    for port in ports:
        drain(port)
    return ports


@pytest.fixture
def heard(three, frames):
    """heard(): how many frames each port has of another one from A to B."""

    def heard():
        three[0].transmit((frames.plain(dst=B, src=A),), None)
        return [len(drain(port)) for port in three]

    return heard


def test_it_goes_there_alone(heard):
    assert [heard(), heard()] == [[0, 1, 0]] * 2


def test_its_destination_moves(heard, three, frames):
    three[2].transmit((frames.plain(dst=C, src=B),), None)
    assert heard() == [0, 0, 1]


def test_its_sender_moves(heard, three, frames):
    three[1].transmit((frames.plain(dst=B, src=A),), None)  # as if it were at B's port now: filtered there
    assert three[1].counters.filtered == 1
    three[2].transmit((frames.plain(dst=A, src=C),), None)
    assert [len(drain(port)) for port in three] == [0, 1, 0]
    assert heard() == [0, 1, 0]  # and back again
    three[2].transmit((frames.plain(dst=A, src=C),), None)
    assert [len(drain(port)) for port in three] == [1, 0, 0]


def test_its_destination_grows_old(heard, runtime):
    runtime.time = 300.0
    assert heard() == [0, 1, 0]
    runtime.time = 300.5
    assert heard() == [0, 1, 1]  # to those whose age is not known, too


def test_its_sender_stays_young_by_sending(heard, three, frames, runtime):
    runtime.time = 200.0
    heard()
    runtime.time = 400.0
    three[1].transmit((frames.plain(dst=A, src=B),), None)
    assert [len(drain(port)) for port in three] == [1, 0, 0]


def test_its_sender_was_forgotten_and_is_learnt_again(heard, three, frames, runtime):
    runtime.time = 200.0
    three[1].transmit((frames.plain(dst=C, src=B),), None)
    runtime.time = 300.5
    three[2].transmit((frames.plain(dst=A, src=C),), None)
    assert [len(drain(port)) for port in three] == [1, 1, 1]
    assert heard() == [0, 1, 0]
    three[2].transmit((frames.plain(dst=A, src=C),), None)
    assert [len(drain(port)) for port in three] == [1, 0, 0]


def test_its_destination_is_forgotten_by_hand(heard, switch):
    assert switch.remove_station(B)
    assert heard() == [0, 1, 1]


def test_its_destination_is_said_to_be_elsewhere(heard, switch, three):
    switch.add_station(B, three[2])
    assert heard() == [0, 0, 1]
    switch.remove_station(B)
    assert heard() == [0, 1, 1]


def test_its_destination_is_forgotten_for_others(heard, three, frames):
    for n in range(4):
        three[2].transmit((frames.plain(dst=C, src=bytes([6, 0, 0, 0, 0, n])),), None)
    for port in three:
        drain(port)
    assert heard() == [0, 1, 1]


def test_its_port_closes_and_opens(heard, three, opened):
    three[1].close()
    assert heard() == [0, 0, 1]
    opened(three[1], B)
    assert heard() == [0, 1, 1]


def test_somebody_looks_on(heard, switch, three, opened):
    mirror = switch.mirror(three[1])
    opened(mirror)
    assert (heard(), len(drain(mirror))) == ([0, 1, 0], 1)
    mirror.close()
    other = switch.mirror(three[0], received=False)
    opened(other)
    assert (heard(), len(drain(other))) == ([0, 1, 0], 1)


def test_vlans_come_up(three, switch):
    tagged = B + A + ethernet.VLAN.to_bytes(2, "big") + b"\0\7" + b"\x88\xb5" + b"payload"
    for _ in range(2):
        three[0].transmit((tagged,), None)
        assert [len(drain(port)) for port in three] == [0, 1, 0]
    switch.port(vlan=7)
    three[0].transmit((tagged,), None)
    assert [len(drain(port)) for port in three] == [0, 1, 1]  # there nobody has spoken


def test_isolated_ports_do_not_reach_each_other(switch, opened, frames):
    one, other = switch.port(isolated=True), switch.port(isolated=True)
    opened(one, A), opened(other, B)
    other.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
    for _ in range(3):
        one.transmit((frames.plain(dst=B, src=A),), None)
    assert (drain(other), one.counters.filtered) == ([], 3)


def test_a_frame_is_cut_for_who_was_granted_less(switch, opened, frames):
    one, other = switch.port(), switch.port(rx_checksum=False)
    opened(one, frames.OURS), opened(other, frames.THEIRS)
    other.transmit((frames.plain(dst=frames.OURS, src=frames.THEIRS),), None)
    buffers, offload = frames.tcp(bytes(5000), gso=1448)
    for _ in range(3):
        one.transmit(buffers, offload)
        assert drained(other) == cut(buffers, offload)
    one.transmit((b"".join(buffers)[:14] + bytes(5000),), Offload(PARTIAL, 34, 16, 1448))
    assert (drain(other), other.counters.malformed) == ([], 1)


def test_what_came_in_and_went_out_is_counted(switch, opened, frames):
    one, other = switch.port(), switch.port(queue=2)
    opened(one, A), opened(other, B)
    other.transmit((frames.plain(dst=A, src=B),), None)
    frame = frames.plain(dst=B, src=A)
    for _ in range(3):
        one.transmit((frame[:14], frame[14:]), None)
    counted = one.counters, other.counters
    assert (counted[0].in_frames, counted[0].in_bytes) == (3, 3 * len(frame))
    assert (counted[1].out_frames, counted[1].out_bytes, counted[1].dropped) == (2, 2 * len(frame), 1)
    assert len(drain(other)) == 2
    assert (other.counters.out_frames, other.counters.out_bytes) == (2, 2 * len(frame))


def test_a_runt_is_malformed_whatever_its_addresses(heard, three):
    three[0].transmit((B + A,), None)
    assert three[0].counters.malformed == 1
    assert heard() == [0, 1, 0]
