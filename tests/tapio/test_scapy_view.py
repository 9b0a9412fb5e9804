"""Frames as scapy's packets in a hook."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tapio import DROP, Hook, pair
from tapio.scapy_view import scapy_view


@pytest.fixture
def through(make_port, want, frames):
    """through(fn, **how): what arrives of a TCP segment from 10.0.0.1 to 10.0.0.2 that passes a hook of scapy's."""

    def through(fn, **how):
        near, far = pair()
        driver = Hook(near, scapy_view(fn, **how))
        driver.open(want(), make_port())
        far.open(want(), make_port())
        buffers, _ = frames.tcp(b"payload")
        driver.transmit(buffers, None)
        assert driver.errors == 0
        taken = []
        while (item := far.receive()) is not None:
            taken.append(bytes(item[0]))
        return b"".join(buffers), taken

    return through


def test_a_packet_is_seen_and_passes(through):
    seen = []
    frame, arrived = through(lambda direction, packet: seen.append((direction, packet)))
    ((direction, packet),) = seen
    assert (direction, packet[IP].src, packet[TCP].dport, bytes(packet[TCP].payload)) == (
        "out",
        "10.0.0.1",
        7,
        b"payload",
    )
    assert arrived == [frame]


def test_one_that_was_changed_has_its_lengths_and_checksums_anew(through):
    def change(direction, packet):
        packet[IP].ttl = 9
        packet[TCP].payload = type(packet[TCP].payload)(b"a longer payload")
        return packet

    _, (arrived,) = through(change)
    packet = Ether(arrived)
    assert (packet[IP].ttl, packet[IP].len, bytes(packet[TCP].payload)) == (9, 56, b"a longer payload")
    again = Ether(bytes(Ether(arrived)))
    del again[IP].chksum, again[TCP].chksum
    assert bytes(again) == arrived


def test_unless_the_wrong_ones_are_wanted(through):
    def change(direction, packet):
        packet[TCP].chksum ^= 1
        return packet

    frame, (arrived,) = through(change, recompute=False)
    assert arrived != frame
    assert Ether(arrived)[TCP].chksum == Ether(frame)[TCP].chksum ^ 1


def test_it_drops_and_adds(through):
    frame, arrived = through(lambda direction, packet: DROP)
    assert arrived == []
    frame, arrived = through(lambda direction, packet: [packet, bytes(packet)])
    assert arrived == [frame, frame]


def test_a_wire_without_ethernet_begins_with_ip():
    seen = []
    scapy_view(lambda direction, packet: seen.append(packet), IP)("in", bytes(IP(dst="10.0.0.1") / TCP()))
    assert isinstance(seen[0], IP)
