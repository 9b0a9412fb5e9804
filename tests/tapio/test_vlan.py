"""802.1Q tags on any driver: what is put on, what is taken off, and what is not for us. Scapy reads the same tags."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Dot1Q, Ether

from netif.link import PARTIAL, Medium
from netif.wire.segment import cut
from tapio import Vlan, Wrapper, pair


@pytest.fixture
def tagged(make_port, want, frames):
    """A VLAN 10 of priority 5 within the near end, and the bare far end: `tagged(id=10, priority=5, **far wants)`."""

    def made(id=10, priority=5, **changes):
        near, far = pair()
        vlan = Vlan(near, id, priority)
        far.open(want(frames.THEIRS, **changes), make_port())
        vlan.open(want(frames.OURS), make_port())
        return vlan, far

    return made


def drained(driver):
    return [bytes(item[0]) for item in iter(driver.receive, None)]


def test_what_goes_out_bears_the_tag_with_its_priority(tagged, frames):
    vlan, far = tagged()
    frame = frames.plain(b"payload")
    vlan.transmit((frame[:14], frame[14:]), None)
    (sent,) = drained(far)
    seen = Ether(sent)
    assert (seen[Dot1Q].vlan, seen[Dot1Q].prio, seen[Dot1Q].type) == (10, 5, 0x88B5)
    assert sent == frame[:12] + bytes.fromhex("8100a00a") + frame[12:]


def test_what_comes_in_has_lost_it_whatever_its_priority(tagged, frames):
    vlan, far = tagged()
    for priority in range(8):
        far.transmit(
            (bytes(Ether(dst="02:00:00:00:00:01", type=0x8100) / Dot1Q(vlan=10, prio=priority, type=0x88B5)),), None
        )
    assert [frame[12:14] for frame in drained(vlan)] == [b"\x88\xb5"] * 8


def test_other_vlans_and_none_are_counted_and_lost(tagged, frames):
    vlan, far = tagged()
    frame = frames.plain(dst=frames.OURS, src=frames.THEIRS)
    for vid in (0, 1, 11, 4095):
        far.transmit((frame[:12] + b"\x81\x00" + vid.to_bytes(2, "big") + frame[12:],), None)
    far.transmit((frame,), None)
    far.transmit((frame[:12] + b"\x81\x00\x00",), None)
    far.transmit((frame[:9],), None)
    assert drained(vlan) == []
    assert (vlan.other_vlan, vlan.untagged, vlan.malformed) == (4, 1, 2)


def test_a_flood_of_other_vlans_is_taken_in_turns(tagged, make_port, want, frames):
    """Whoever polls is not kept for long, and asked to come again."""
    vlan, far = tagged()
    port = make_port()
    vlan.open(want(frames.OURS), port)
    frame = frames.plain(dst=frames.OURS, src=frames.THEIRS)
    for _ in range(500):
        far.transmit((frame[:12] + b"\x81\x00\x00\x0b" + frame[12:],), None)
    far.transmit((frame[:12] + b"\x81\x00\x00\x0a" + frame[12:],), None)
    port.ready = 0
    assert vlan.receive() is None
    assert (vlan.other_vlan < 100, port.ready) == (True, 1)
    turns = [vlan.receive() for _ in range(20)]
    assert [bytes(item[0]) for item in turns if item] == [frame]


def test_id_0_is_a_priority_without_a_vlan(tagged, frames):
    """IEEE 802.1Q table 9-2."""
    vlan, far = tagged(id=0, priority=6)
    vlan.transmit((frames.plain(b"urgent"),), None)
    (sent,) = drained(far)
    assert (Ether(sent)[Dot1Q].vlan, Ether(sent)[Dot1Q].prio) == (0, 6)
    frame = frames.plain(b"hello", dst=frames.OURS, src=frames.THEIRS)
    far.transmit((frame,), None)
    far.transmit((frame[:12] + b"\x81\x00\x20\x00" + frame[12:],), None)
    far.transmit((frame[:12] + b"\x81\x00\x20\x0a" + frame[12:],), None)
    assert drained(vlan) == [frame, frame]
    assert vlan.other_vlan == 1


def test_a_super_frame_passes_whole_and_its_offload_moves_with_the_tag(tagged, frames):
    vlan, far = tagged()
    buffers, offload = frames.tcp(bytes(40_000), gso=1448)
    vlan.transmit(buffers, offload)
    frame, moved = far.receive()
    assert len(frame) == sum(map(len, buffers)) + 4
    assert (moved.checksum, moved.start, moved.gso_size) == (PARTIAL, 38, 1448)
    far.transmit((frame,), moved)
    assert vlan.receive() == (b"".join(buffers), offload)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_super_frame_with_tags_is_cut_for_who_wants_it_plain(make_port, want, frames, depth):
    """Tags within tags too: each segment has them all, and checksums that scapy finds right."""
    near, far = pair()
    far.open(want(frames.THEIRS, gso_max=1500, tx_checksum=False, rx_checksum=False), make_port())
    driver = near
    for outer in range(depth, 0, -1):
        driver = Vlan(driver, 100 + outer)
    driver.open(want(frames.OURS), make_port())
    data = random.Random(1).randbytes(5000)
    buffers, offload = frames.tcp(data, gso=1448)
    driver.transmit(buffers, offload)
    sent = drained(far)
    assert [one[:12] + one[12 + 4 * depth :] for one in sent] == cut(buffers, offload)
    for one in sent:
        seen = Ether(one)
        assert [seen[Dot1Q : n + 1].vlan for n in range(depth)] == [101 + n for n in reversed(range(depth))]
        said = seen[TCP].chksum
        del seen[TCP].chksum
        assert Ether(bytes(seen))[TCP].chksum == said


@pytest.mark.parametrize(
    ("device", "depth", "mtu"), [(1500, 1, 1500), (1500, 2, 1496), (1504, 2, 1500), (1504, 3, 1496)]
)
def test_a_link_has_room_for_one_tag_beyond_its_mtu(make_port, want, device, depth, mtu):
    driver, _ = pair(mtu=device)
    for vid in range(1, depth + 1):
        driver = Wrapper(Vlan(driver, vid))
    assert driver.open(want(), make_port()).mtu == mtu


@pytest.mark.parametrize("id", [-1, 4095, 4096, True, "10", None, 1.5])
def test_what_is_no_vlan_is_said(id):
    with pytest.raises(ValueError, match="is no VLAN; give a number from 1 to 4094"):
        Vlan(pair()[0], id)


@pytest.mark.parametrize("priority", [-1, 8, True, "1"])
def test_what_is_no_priority_is_said(priority):
    with pytest.raises(ValueError, match=r"priority: .* give a number from 0 to 7"):
        Vlan(pair()[0], 10, priority)


def test_a_wire_of_bare_packets_has_no_vlans():
    class Tunnel(Wrapper):
        medium = Medium.POINT_TO_POINT

    with pytest.raises(ValueError, match=r"a VLAN wants an Ethernet wire, and .* carries point-to-point packets"):
        Vlan(Tunnel(pair()[0]), 10)
