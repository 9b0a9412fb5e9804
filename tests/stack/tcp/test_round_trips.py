"""What an ACK measures when those before it were lost: the way of what brought it about, not of what it tells of.

RFC 7323 4.1, RFC 6298 3 (Karn), RFC 2883. A round trip that is none makes the next time-out last for minutes.
"""

from __future__ import annotations

import pytest

from tests.stack.tcp.recovering import MSS, opened, sack


@pytest.fixture
def stamped(tcp_):
    """Timestamps and SACK; round trips of 100 ms have been measured."""
    opened(tcp_, stamped=True)
    return tcp_


def stamp_of(segment):
    return segment.options.timestamp[0]


def last_sent(tcp):
    return tcp.all_sent()[-1]


def twice(tcp, count):
    """`count` segments and, all ACKs being lost, some copies of the first, whose ACK will come."""
    tcp.writes(count * MSS)
    first = stamp_of(tcp.all_sent()[0])
    tcp.after(10.0)
    assert last_sent(tcp).seq == 1
    since = tcp.now - tcp.connection.last_sent
    tcp.after(0.1 - since if since < 0.1 else 0)
    return first


def test_a_copy_that_the_peer_had_measures_its_own_way(stamped):  # RFC 2883
    tcp = stamped
    first = twice(tcp, 2)
    since = tcp.now - tcp.connection.last_sent
    sack(tcp, (1, 1 + MSS), ack=1 + 2 * MSS, stamp=first)  # both had come; the copy of the first brings this about
    assert tcp.connection.rtt.latest == pytest.approx(since, abs=0.001)


def test_what_was_sent_once_came_before_the_echo_was_sent(stamped):
    tcp = stamped
    tcp.writes(4 * MSS)  # the last is the loss probe's
    tcp.all_sent()
    tcp.after(10.0)
    copy = last_sent(tcp)
    assert copy.seq == 1
    tcp.after(0.1)
    # the third had come long ago, and all that told of it was lost; the copy of the first brings this ACK about
    sack(tcp, (1 + 2 * MSS, 1 + 3 * MSS), ack=1 + MSS, stamp=stamp_of(copy))
    assert tcp.connection.rtt.latest == pytest.approx(tcp.now - copy.at, abs=0.002)


def test_what_is_told_late_beside_a_copy_is_no_measure(stamped):
    tcp = stamped
    tcp.writes(4 * MSS)
    first = stamp_of(tcp.all_sent()[0])
    tcp.after(10.0)
    copy = last_sent(tcp)
    tcp.after(0.1)
    sack(tcp, (1, 1 + MSS), (1 + 3 * MSS, 1 + 4 * MSS), ack=1 + 2 * MSS, stamp=first)
    assert tcp.connection.rtt.latest == pytest.approx(tcp.now - copy.at, abs=0.002)


def test_the_back_off_ends_with_it(stamped):  # RFC 6298 5.7
    tcp = stamped
    first = twice(tcp, 2)
    assert tcp.connection.info().rto > 3
    sack(tcp, (1, 1 + MSS), ack=1 + 2 * MSS, stamp=first)
    assert tcp.connection.info().rto == pytest.approx(
        tcp.connection.info().srtt + max(0.2, 4 * tcp.connection.info().rttvar)
    )


def test_an_answer_that_comes_too_soon_for_the_copy_is_the_firsts(stamped):  # RFC 7323 4.1
    tcp = stamped
    tcp.writes(MSS)
    sent = tcp.all_sent()[0]
    while not tcp.sent:
        tcp.after(0.01)
    tcp.after(0.02)  # the copy is on its way still: the first took long
    sack(tcp, ack=1 + MSS, stamp=stamp_of(sent))
    assert tcp.connection.rtt.latest == pytest.approx(tcp.now - sent.at, abs=0.002)


@pytest.mark.parametrize("which", ["first", "last"])
def test_of_syns_sent_again_only_the_last_measures(tcp_, which):
    tcp = tcp_  # its peer echoes the first for long, where its first ACK was lost
    tcp.begin(timestamps=True)
    tcp.listens()
    tcp.gets("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 1 ecr 0>")
    tcp.after(3.05)
    sent = tcp.all_sent()
    assert len(sent) == 3
    stamp = stamp_of(sent[0] if which == "first" else sent[-1])
    tcp.gets(f". 1:1(0) ack 1 <nop,nop,TS val 2 ecr {stamp}>")
    info = tcp.accepts().info()
    if which == "first":
        assert info.rtt is None
        assert info.rto == 3.0  # RFC 6298 5.7
    else:
        assert info.rtt == pytest.approx(tcp.now - sent[-1].at, abs=0.001)
