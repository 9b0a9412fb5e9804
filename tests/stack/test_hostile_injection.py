"""An outsider who sees nothing sweeps all sequence numbers, in steps of the window; and sets hosts upon each other."""

from __future__ import annotations

import pytest

from components.lan import Host, Lan
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN
from stack.tcp.config import TcpConfig
from stack.tcp.states import ESTABLISHED
from tests.stack.attacker import WRAP, Caller, growth_below, segment
from tests.stack.rig import Rig, icmp_error
from tests.stack.test_hostile_storms import Passing, hears

WINDOW = 8 << 20  # bytes; the more, the easier it is for an attacker
MISSES = 513  # steps of it around the circle


@pytest.fixture
def scaled(met: Rig) -> Caller:
    """A connection whose window is so large that one guess in five hundred is in it."""
    caller = Caller(met)
    config = TcpConfig(timestamps=False, receive_buffer=WINDOW)
    caller.opens(config, b"\2\4\5\xb4\1\3\3\7")
    caller.exchanges()
    return caller


@pytest.mark.parametrize("flags", [RST, RST | ACK, SYN, SYN | ACK, ACK | PSH, ACK | FIN, FIN])
@pytest.mark.parametrize("ahead", [1 << 30, -(1 << 25)])
def test_a_sweep_by_one_who_sees_nothing_changes_nothing(scaled: Caller, flags: int, ahead: int, seed: int):
    """RFC 5961 3.2, 4.2 and 5.2: once around the circle the window is met, and that is not enough."""
    rig, connection = scaled.rig, scaled.connection
    assert connection is not None
    payload = b"" if flags & (RST | SYN) else b"and so say all of us"
    ack = scaled.ack + ahead + seed % (1 << 24)  # it does not know that number either
    answers = 0
    with growth_below(256 << 10):
        for step in range(MISSES):
            seq = seed + step * WINDOW
            if flags & RST and (seq - scaled.nxt) % WRAP == 0:
                seq += 1  # it is not that lucky
            rig.gets(scaled.frame(flags, payload, seq=seq, ack=ack))
            answers += len(rig.frames())
    assert connection.state is ESTABLISHED
    assert connection.receiver.held() == 0
    assert answers <= MISSES if payload else answers <= 15
    scaled.exchanges()


def test_a_reset_that_hits_is_the_only_one_that_ends_it(scaled: Caller):
    connection = scaled.connection
    assert connection is not None
    for offset in (-2, -1, 1, 2, 100, 65535):
        scaled.says(RST, seq=scaled.nxt + offset)
        assert connection.state is ESTABLISHED
    scaled.says(RST, seq=scaled.nxt)
    assert connection.state is not ESTABLISHED


def spoof(at: Host, of: Host, sport: int, dport: int, seq: int, ack: int, flags: int, text: bytes = b"") -> None:
    """`at` hears something in the name of `of`."""
    src, dst = of.stack.interfaces[0].address, at.stack.interfaces[0].address
    where = {"src": src, "dst": dst, "mac": of.netif.mac, "to": at.netif.mac}
    hears(at, segment(sport, dport, seq, ack, flags, text, **where))


@pytest.mark.parametrize("flags", [SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, FIN | PSH, SYN | FIN])
@pytest.mark.parametrize("ports", [(7, 7), (7, 8), (8, 7), (8, 9)], ids=["open", "from open", "to open", "closed"])
def test_two_hosts_set_upon_each_other_stop_by_themselves(flags: int, ports: tuple[int, int], seed: int):
    """Each hears something in the other's name: answers must not beget answers."""
    with Lan(seed=seed) as lan:
        passing = Passing()
        one, other = lan.host("one", delay="1ms"), lan.host("other")
        with one.create_server(("", 7)), other.create_server(("", 7)):
            lan.run_for(3.0)
            lan.sinks.append(passing)
            sport, dport = ports
            for n in range(10):
                spoof(one, other, sport, dport, 1000 * n, 77, flags, b"x" * (n % 2))
                spoof(other, one, sport, dport, 1000 * n, 77, flags, b"x" * (n % 2))
            lan.run_for(300.0)
            assert passing.frames <= 20 * 4 + 8  # an answer, what refuses that, and who has which address
            assert not one.stack.tcp.connections
            assert not other.stack.tcp.connections


def test_reports_about_reports_are_not_made(met: Rig):
    """An ICMP error about an error about an error, and one about a reset."""
    about = segment(80, 40000, 1, 0, RST, src=met.interface.address, dst=bytes((10, 0, 0, 2)))
    for _ in range(5):
        about = icmp_error(3, 1, about)
        met.gets(about)
    assert met.frames() == []
