"""Loss found by time, and by a probe of the tail: RFC 8985, clause by clause. A round trip takes 100 ms here."""

from __future__ import annotations

from collections import deque

import pytest

from stack.tcp.rack import Rack
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard
from stack.tcp.transmission import Transmission

MSS = 1000
RTT = 0.1
REO_WND = RTT / 4


@pytest.fixture
def sack(tcp_):
    return opened(tcp_)


def opened(tcp, options="mss 1000,sackOK,nop,nop"):
    tcp.begin(sack=True)
    tcp.listens()
    tcp.gets(f"S 0:0(0) win 65535 <{options}>")
    tcp.after(RTT)
    tcp.gets(". 1:1(0) ack 1 win 65535")
    tcp.accepts()
    tcp.sent.clear()
    return tcp


def flies(tcp, segments):
    """They are sent, and the test says what becomes of them."""
    tcp.writes(segments * MSS)
    assert len(tcp.all_sent()) == segments


def has(tcp, *segments, ack=0):
    """The peer acknowledges so many segments, and says which others in a row it has."""
    option = ""
    if segments:
        first = tcp.iss + 1
        option = f" <nop,nop,sack {first + segments[0] * MSS}:{first + (segments[-1] + 1) * MSS}>"
    tcp.gets(f". 1:1(0) ack {1 + ack * MSS}{option}")


def sent(tcp):
    """Which segments, by their number from 0."""
    return [(one.seq - 1) // MSS for one in tcp.all_sent() if one.length]


# 6.2: loss by time


def test_what_was_overtaken_is_lost_after_the_reordering_window(sack):  # 6.2 step 5
    flies(sack, 2)
    sack.after(RTT)
    has(sack, 1)
    sack.after(REO_WND - 0.001)
    assert sent(sack) == []
    sack.after(0.002)
    assert sent(sack) == [0]


def test_what_was_sent_earlier_by_more_than_the_window_is_lost_at_once(sack):  # 6.2 step 5, 4 (2)
    flies(sack, 1)
    sack.after(0.03)
    flies(sack, 1)
    sack.after(RTT)
    has(sack, 1)
    assert sent(sack) == [0]


def test_three_that_overtook_it_leave_no_doubt(sack):  # 6.2 step 4
    flies(sack, 5)
    sack.after(RTT)
    has(sack, 1, 2, 3)
    assert sent(sack) == [0]


def test_on_a_path_that_reorders_even_three_are_waited_for(sack):  # 6.2 steps 3 and 4
    flies(sack, 3)
    sack.after(RTT)
    has(sack, 1)
    sack.after(0.01)
    has(sack, ack=3)  # the first was only late
    flies(sack, 5)
    sack.after(RTT)
    has(sack, 4, 5, 6, ack=3)
    assert sent(sack) == []
    sack.after(2 * REO_WND)
    assert sent(sack) == [3]


def test_what_is_found_lost_while_others_are_repaired_begins_no_further_recovery(sack):
    flies(sack, 3)
    sack.after(RTT)
    has(sack, 1)
    sack.after(0.01)
    has(sack, ack=3)  # the first was only late: the path reorders
    sack.writes(40 * MSS)
    sack.all_sent()
    sack.after(RTT)
    has(sack, 5, 6, 7, 8, 9, ack=3)
    sack.after(2 * REO_WND)
    assert sent(sack) == [13, 14, 15, 16, 17, 3]  # limited transmit, then what was found lost
    before = sack.connection.info()
    told = []
    sack.connection.on_event = lambda event: told.append(event.kind)
    has(sack, 14, ack=3)
    sack.after(2 * REO_WND)  # now 13 is lost too, and nothing has arrived that would let it go
    sack.sends_nothing()
    after = sack.connection.info()
    assert (after.fast_retransmits, after.ssthresh) == (before.fast_retransmits, before.ssthresh) == (1, 5 * MSS)
    assert after.lost > before.lost
    assert "recovery" not in told


def test_an_answer_too_soon_is_the_first_copys(sack):  # 6.2 step 2
    flies(sack, 5)
    sack.after(RTT)
    has(sack, 1, 2, 3)
    assert sent(sack) == [0]
    sack.after(RTT / 10)
    has(sack, ack=4)
    sack.after(RTT / 10)
    assert sent(sack) == []  # the fifth was sent with the first four, and is not overtaken by a copy of one


def test_a_lost_retransmission_is_found_by_what_was_sent_after_it(sack):  # 6.2 step 5
    flies(sack, 10)
    sack.after(RTT)
    has(sack, 2, 3, 4, 5, 6, 7, 8, 9)
    sack.after(RTT)
    assert sent(sack)[:2] == [0, 1]
    has(sack, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    sack.after(REO_WND)
    assert sent(sack)[0] == 0


def test_duplicates_that_the_peer_tells_of_widen_the_window(sack):  # 6.2 step 4: DSACK
    test_an_answer_too_soon_is_the_first_copys(sack)
    sack.gets(f". 1:1(0) ack {1 + 5 * MSS} <nop,nop,sack {sack.iss + 1}:{sack.iss + 1 + MSS}>")
    flies(sack, 2)
    sack.after(RTT)
    has(sack, 6, ack=5)
    sack.after(2 * REO_WND - 0.002)
    assert sent(sack) == []
    sack.after(0.004)
    assert sent(sack) == [5]


def test_a_wide_window_is_kept_for_sixteen_recoveries():  # 6.2 step 4
    rack = Rack(0, RTT)
    rack.duplicate_heard(100)
    for _ in range(15):
        rack.recovered()
    assert rack.reo_wnd_mult == 2
    rack.recovered()
    assert rack.reo_wnd_mult == 1


def test_the_window_is_a_round_trip_at_most():  # 6.2 step 4
    rack = Rack(0, RTT)
    rack.reo_wnd_mult = 100
    rack.update_window(RTT, RTT, 1, False)
    assert rack.reo_wnd == RTT


def test_the_least_round_trip_is_of_late():  # 6.2 step 1
    rtt = RttEstimator(1.0, 0.2, 120.0)
    rtt.sample(0.1, 0.0)
    for now in range(100, 1000, 100):
        rtt.sample(0.5, float(now))
    assert rtt.min_rtt == 0.5


# 6.3


def test_a_time_out_loses_the_first_and_not_what_was_just_sent(sack):
    flies(sack, 1)
    sack.after(0.31)
    assert sent(sack) == [0]  # a probe
    sack.after(0.25)
    flies(sack, 2)
    sack.after(0.06)
    assert sent(sack) == [0]  # the time-out
    sack.after(0.02)
    has(sack, ack=1)
    assert sent(sack) == []


# 7: probes


def test_the_tail_is_probed_after_two_round_trips(sack):  # 7.2, 7.3
    flies(sack, 2)
    sack.after(2 * RTT - 0.001)
    assert sent(sack) == []
    sack.after(0.002)
    assert sent(sack) == [1]


def test_a_lone_segment_is_given_time_for_a_delayed_acknowledgment_but_no_more_than_a_time_out(sack):  # 7.2
    flies(sack, 1)
    sack.after(0.299)
    assert sent(sack) == []
    sack.after(0.002)
    assert sent(sack) == [0]
    assert sack.connection.info().rto == pytest.approx(0.3, abs=0.001)  # it was a probe: nothing backs off


def test_without_a_round_trip_the_probe_comes_after_a_second(tcp_):  # 7.2
    tcp_.begin(sack=True)
    tcp_.connects()
    tcp_.after(1)
    assert len(tcp_.all_sent()) == 2
    tcp_.gets("S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,nop,nop>")
    tcp_.writes(MSS)
    tcp_.all_sent()
    tcp_.after(0.99)
    assert sent(tcp_) == []
    tcp_.after(0.02)
    assert sent(tcp_) == [0]


def test_there_is_one_probe_and_then_a_whole_time_out(sack):  # 7.3
    flies(sack, 2)
    start = sack.now
    sack.after(0.51)
    segments = sack.all_sent()
    assert [(one.seq - 1) // MSS for one in segments] == [1, 0]
    assert [one.at - start for one in segments] == pytest.approx([0.2, 0.5], abs=0.01)


def test_a_probe_is_new_data_where_there_is_some(sack):  # 7.3
    sack.writes(20 * MSS)
    assert sent(sack) == list(range(10))
    sack.after(2 * RTT + 0.001)
    assert sent(sack) == [10]


def test_what_a_probe_finds_was_sent_when_it_was(sack):  # 7.3, 6.1
    flies(sack, 3)
    sack.after(2 * RTT + 0.001)
    assert sent(sack) == [2]
    sack.after(RTT)
    has(sack, 2)
    assert sent(sack) == [0]  # at once, since what overtook it was sent much later


@pytest.mark.parametrize("told", [False, True], ids=["no word of a copy", "a DSACK"])
def test_a_loss_that_a_probe_repaired_is_a_loss(sack, told):  # 7.4.2
    flies(sack, 2)
    before = sack.connection.info().ssthresh
    sack.after(2 * RTT + 0.001)
    assert sent(sack) == [1]
    sack.after(RTT)
    copy = f" <nop,nop,sack {sack.iss + 1 + MSS}:{sack.iss + 1 + 2 * MSS}>" if told else ""
    sack.gets(f". 1:1(0) ack {1 + 2 * MSS}{copy}")
    flies(sack, 1)
    sack.after(RTT)
    has(sack, ack=3)
    assert (sack.connection.info().ssthresh != before) is not told


# 4, 9


def test_without_selective_acknowledgment_there_is_no_probe(tcp_):  # 4
    tcp = opened(tcp_, "mss 1000")
    flies(tcp, 2)
    tcp.after(0.29)
    assert sent(tcp) == []
    tcp.after(0.02)
    assert sent(tcp) == [0]


def test_what_is_lost_waits_for_the_congestion_window(sack):  # 9.3, and RFC 6937
    flies(sack, 10)
    sack.after(RTT)
    has(sack, 9)
    sack.after(2 * REO_WND)
    first = sent(sack)
    assert first == [0]  # nine are lost: no burst of nine
    sack.after(RTT / 2)
    has(sack, 9, ack=1)
    assert len(sent(sack)) <= 2


# RACK alone


@pytest.fixture
def rack():
    """It has heard of a segment of 1000 to 2000, sent at 5.0; the round trip is half a second."""
    rack = Rack(0, 0.5)
    assert not rack.delivered([(1000, 2000, 5.0, False)], 0, 0.25, None, 5.5)
    return rack


def latest(rack):
    return rack.xmit_ts, rack.end_seq, rack.again


@pytest.mark.parametrize("sent_at", [0.0, 0.5])
def test_the_first_that_is_delivered_is_the_latest_whatever_the_clock_says(sent_at):  # 6.2 step 2
    rack = Rack(0, 0.5)
    rack.delivered([(1000, 2000, sent_at, False)], 0, 0.25, None, 1.0)
    assert latest(rack) == (sent_at, 2000, False)


def test_of_those_sent_at_one_time_the_highest_is_the_latest(rack):  # 6.1: RACK_sent_after
    rack.delivered([(3000, 4000, 5.0, False), (2000, 3000, 5.0, False)], 0, 0.25, None, 5.5)
    assert latest(rack) == (5.0, 4000, False)


def test_one_sent_earlier_is_not_the_latest_however_high(rack):
    rack.delivered([(3000, 4000, 4.0, False)], 0, 0.25, None, 5.5)
    assert latest(rack) == (5.0, 2000, False)


COPY = (0, 1000, 1005.0, True)


@pytest.mark.parametrize(
    ("ack", "echo", "counts"),
    [
        (1000, 1_004_999, False),  # from before the copy, though by a millisecond
        (1000, 1_005_000, True),
        (1000, 1_005_400, True),
        (0, 1_004_999, True),  # held out of order: the echo is of what came in order
        (1000, None, True),
    ],
)
def test_a_copy_counts_unless_the_echo_is_of_the_first(rack, ack, echo, counts):  # 6.2 step 2
    rack.delivered([COPY], ack, 0.25, echo, 1005.5)
    assert latest(rack) == ((1005.0, 1000, True) if counts else (5.0, 2000, False))


@pytest.mark.parametrize(("echo", "now"), [(1_004_000, 1005.5), (None, 1005.125)])
def test_what_came_beside_a_copy_that_does_not_count_does(rack, echo, now):  # 6.2 step 2
    rack.delivered([COPY, (2000, 3000, 1004.0, False)], 1000, 0.25, echo, now)
    assert latest(rack) == (1004.0, 3000, False)


def test_there_is_no_window_before_a_round_trip_was_measured():  # 6.2 step 4: by SRTT
    rack = Rack(0, 0.5)
    rack.update_window(None, float("inf"), 0, False)
    assert rack.reo_wnd == 0.0


@pytest.mark.parametrize(("now", "lost"), [(6.0, 1000), (6.625, 1000), (6.75, 2000), (7.0, 2000)])
def test_a_time_out_leaves_what_had_no_round_trip_and_window_yet(now, lost):  # 6.3
    rack = Rack(0, 0.5)
    rack.reo_wnd = 0.25
    board = Scoreboard(deque([Transmission(0, 1000, (), 5.0), Transmission(1000, 2000, (), 6.0)]), 10)
    rack.timed_out(board, now)
    assert board.lost_bytes == lost
