"""Which control a connection has, what it is told and when, and what becomes of a window that is not used."""

import pytest

from stack.tcp.config import TcpConfig
from stack.tcp.congestion import NewReno
from tests.stack.tcp.recovering import MSS, opened, sack


def test_a_control_of_ones_own_is_used(pair):
    class Timid(NewReno):
        name = "timid"

        def acknowledged(self, acked, flight, rtt, now):
            assert rtt is None or rtt >= 0

    client, server = pair().connected(congestion=Timid)
    assert client.info().congestion == server.info().congestion == "timid"


def test_an_unknown_control_is_refused():
    with pytest.raises(ValueError):
        TcpConfig(congestion="vegas")


def test_another_control_goes_on_with_the_windows_that_are(tcp):
    tcp.established()
    tcp.connection.congestion.cwnd, tcp.connection.congestion.ssthresh = 30_000, 40_000
    tcp.connection.configure(congestion="cubic")
    info = tcp.connection.info()
    assert (info.congestion, info.cwnd, info.ssthresh) == ("cubic", 30_000, 40_000)


def test_a_control_is_told_when_the_application_limits(tcp_):
    told = []

    class Curious(NewReno):
        def limited(self, flight, now):
            told.append(flight)

    tcp_.established(congestion=Curious)
    tcp_.writes(100)
    assert told == [100]
    tcp_.writes(20 * 1460)  # more than the window takes
    assert told == [100]


def test_a_control_is_told_of_idleness_once_it_has_lasted_for_a_time_out(tcp_):
    told = []

    class Curious(NewReno):
        def idle(self, seconds, rto, now):
            told.append((round(seconds, 3), rto))

    tcp_.established(congestion=Curious)
    for wait in (0.1, 1.0):
        tcp_.writes(100)
        tcp_.gets(f". 1:1(0) ack {1 + tcp_.written}")
        tcp_.after(wait)
    tcp_.writes(100)
    assert told == [(1.0, pytest.approx(0.2, abs=0.1))]


def test_a_control_is_told_when_each_thing_happened(tcp_):
    told = []

    class Punctual(NewReno):
        def acknowledged(self, acked, flight, rtt, now):
            told.append(("acknowledged", now == tcp_.now))
            super().acknowledged(acked, flight, rtt, now)

        def reduce(self, flight, now):
            told.append(("reduce", now == tcp_.now))
            super().reduce(flight, now)

        def recovered(self, flight, now):
            told.append(("recovered", now == tcp_.now))
            super().recovered(flight, now)

        def timed_out(self, flight, first, now):
            told.append(("timed_out", now == tcp_.now))
            super().timed_out(flight, first, now)

    opened(tcp_, congestion=Punctual)
    tcp_.writes(8 * MSS)
    tcp_.after(0.1)
    sack(tcp_, ack=2001)
    sack(tcp_, (3001, 4001), ack=2001)
    assert told == [("acknowledged", True)]
    tcp_.after(0.05)  # the third was overtaken, and does not come
    assert told[1:] == [("reduce", True)]
    sack(tcp_, ack=8001)
    assert ("recovered", True) in told
    tcp_.writes(3 * MSS)
    tcp_.after(1.0)
    assert ("timed_out", True) in told
    assert all(punctual for _, punctual in told)


def test_a_control_is_told_when_the_network_asked_for_less(tcp_):
    told = []

    class Punctual(NewReno):
        def reduce(self, flight, now):
            told.append(now)
            super().reduce(flight, now)

    tcp_.begin(congestion=Punctual)
    tcp_.listens()
    tcp_.gets("SEW 0:0(0) win 65535 <mss 1000>")
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.accepts()
    tcp_.writes(8 * MSS)
    tcp_.after(0.1)
    tcp_.gets(".E 1:1(0) ack 2001")
    assert told == [tcp_.now]


@pytest.mark.parametrize(("restart", "left"), [(True, 10), (False, 20)])
def test_idleness_restarts_the_window_unless_switched_off(tcp_, restart, left):  # RFC 5681 4.1; as Linux' sysctl
    tcp_.established(idle_restart=restart, timestamps=False)
    tcp_.writes(10 * 1460)
    tcp_.gets(f". 1:1(0) ack {1 + 10 * 1460}")
    assert tcp_.connection.info().cwnd == 20 * 1460
    tcp_.after(1.5)
    tcp_.all_sent()
    tcp_.writes(30 * 1460)
    assert len(tcp_.all_sent()) == left


def test_the_initial_window_is_as_configured(tcp_):  # RFC 6928
    tcp_.established(initial_window=3)
    tcp_.writes(30 * 1460)
    assert len(tcp_.all_sent()) == 3


@pytest.mark.parametrize(("segments", "window"), [(5, 10), (6, 12), (9, 18)])
def test_slow_start_of_a_half_used_window(tcp_, segments, window):
    """Linux: 6 of 10 are enough to grow, until 12; 5 are not."""
    tcp_.established(congestion="cubic")
    tcp_.writes(segments * 1460)
    for acked in range(segments):
        tcp_.gets(f". 1:1(0) ack {1 + (acked + 1) * 1460}")
    assert tcp_.connection.info().cwnd == window * 1460


def test_a_window_that_was_closed_for_long_restarts(tcp_):  # as idleness does; Linux
    tcp_.established(congestion="cubic", window=65535)
    tcp_.writes(10 * 1460)
    tcp_.after(0.1)
    tcp_.gets(f". 1:1(0) ack {1 + 10 * 1460}")
    tcp_.writes(20 * 1460)
    tcp_.after(0.1)
    tcp_.gets(f". 1:1(0) ack {1 + 30 * 1460} win 0")
    assert tcp_.connection.info().cwnd >= 30 * 1460
    tcp_.writes(40 * 1460)
    tcp_.after(3.0)
    tcp_.all_sent()
    tcp_.gets(f". 1:1(0) ack {1 + 30 * 1460} win 65535")
    assert tcp_.connection.info().cwnd == 10 * 1460
    assert 9 * 1460 < sum(segment.length for segment in tcp_.all_sent()) <= 10 * 1460


def test_a_loss_in_the_initial_window_counts_by_that(tcp_):  # Linux: it needs no validation
    tcp_.established(congestion="cubic")
    tcp_.writes(1460)
    tcp_.gets(". 1:1(0) ack 1461")
    tcp_.writes(1460)
    tcp_.after(2.0)
    assert tcp_.connection.info().timeouts
    assert tcp_.connection.info().ssthresh == 7 * 1460
