"""What a frame costs at a switch does not depend on how many ports it has: counted in calls, which no load changes."""

from __future__ import annotations

import pytest

from netif.link import Hears
from netif.wire import arp, ethernet, ip
from tapio import Switch
from tests.profiled import calls


def mac(number):
    return b"\x02\x00" + number.to_bytes(4, "big")


def address(number):
    return b"\x0a\x00" + number.to_bytes(2, "big")


@pytest.fixture
def crowd(make_port, want):
    """crowd(n): n ports of a switch, whose hosts have been heard and say what they could use."""

    def crowd(count):
        switch = Switch()
        ports = [switch.port() for _ in range(count)]
        for number, port in enumerate(ports):
            port.open(want(mac(number)), make_port())
            port.hear_all(False)
            port.hear(Hears.STATION, mac(number), True)
            port.hear(Hears.ADDRESS, address(number), True)
            port.hear(Hears.PORT, 68, True)
        for number, port in enumerate(ports):
            port.transmit((ethernet.emit(ethernet.BROADCAST, mac(number), 0x88B5) + bytes(46),), None)
        return ports

    return crowd


def who_has(number, by=0):
    message = arp.emit(arp.REQUEST, mac(by), address(by), bytes(6), address(number))
    return ethernet.emit(ethernet.BROADCAST, mac(by), ethernet.ARP) + message


FRAMES = {
    "unicast": ethernet.emit(mac(1), mac(0), 0x88B5) + bytes(46),
    "ARP for one of them": who_has(1),
    "ARP for nobody": who_has(60_000),
    "unknown unicast": ethernet.emit(mac(60_000), mac(0), 0x88B5) + bytes(46),
    "a group that nobody is in": ethernet.emit(b"\x01\0\x5e\1\2\3", mac(0), ethernet.IP) + bytes(46),
    "a broadcast to a port that nobody has bound": ethernet.emit(ethernet.BROADCAST, mac(0), ethernet.IP)
    + ip.emit(address(0), ip.BROADCAST, ip.UDP, 8, ident=1)
    + bytes(26),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_costs_the_same_among_ten_and_among_a_thousand(crowd, frame):
    costs = []
    for count in (10, 1000):
        ports = crowd(count)
        costs.append(calls(lambda ports=ports: ports[0].transmit((frame,), None)))
    assert costs[0] == costs[1]
    assert 0 < costs[0] < 60
