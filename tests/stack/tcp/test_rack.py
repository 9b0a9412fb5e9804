"""Loss told by time: RACK (RFC 8985 5 and 6). The round trip is 100 ms in these conversations."""

import pytest

from tests.stack.tcp.recovering import MSS, opened, sack, starts


@pytest.fixture
def flying(tcp_):
    """Ten segments are in flight, sent 100 ms ago, and more waits."""
    opened(tcp_)
    tcp_.writes(40 * MSS)
    assert len(tcp_.all_sent()) == 10
    tcp_.after(0.1)
    return tcp_


def rack(tcp):
    return tcp.connection.recovery.rack


# without reordering: the duplicate threshold


def test_three_segments_held_mean_loss_at_once(flying):  # RFC 8985 6.2 step 4: no reordering window
    sack(flying, (1001, 3001))
    assert (1, MSS) not in starts(flying)
    sack(flying, (1001, 4001))
    assert (1, MSS) in starts(flying)
    assert flying.connection.info().fast_retransmits == 1


def test_three_small_segments_count_as_three(tcp_):
    opened(tcp_, nodelay=True)
    for _ in range(4):
        tcp_.writes(10)
    tcp_.all_sent()
    tcp_.after(0.1)
    sack(tcp_, (11, 41))
    assert starts(tcp_) == [(1, 10)]


def test_what_was_sent_after_the_latest_delivered_is_not_lost(flying):  # 6.2 step 5
    sack(flying, (1001, 4001))
    flying.all_sent()
    board = flying.connection.sender.board
    assert board.next_lost() is None
    assert board.marked == MSS


def test_fewer_than_three_are_waited_for(flying):  # a quarter of the round trip
    sack(flying, (1001, 2001))
    flying.all_sent()
    flying.after(0.024)
    assert starts(flying) == []
    flying.after(0.002)
    assert starts(flying) == [(1, MSS)]
    assert flying.connection.info().timeouts == 0


def test_the_reordering_timer_enters_recovery(flying):  # 6.2: RACK_detect_loss_and_arm_timer
    sack(flying, (1001, 2001))
    before = flying.connection.info().cwnd
    told = []
    flying.connection.on_event = lambda event: told.append((event.kind, event.detail, event.at))
    flying.after(0.03)
    info = flying.connection.info()
    assert info.fast_retransmits == 1
    assert info.ssthresh < before
    assert [one[:2] for one in told if one[0] == "recovery"] == [("recovery", 1)]
    assert all(at == pytest.approx(flying.now - 0.005) for _, _, at in told)


def test_what_comes_within_the_window_is_not_sent_again(flying):
    sack(flying, (1001, 2001))
    flying.all_sent()
    flying.after(0.01)
    flying.gets(". 1:1(0) ack 2001")
    flying.after(0.05)
    assert (1, MSS) not in starts(flying)
    assert flying.connection.info().fast_retransmits == 0


# reordering


def test_a_hole_that_fills_of_itself_is_reordering(flying):  # 6.2 step 3
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 2001")
    assert rack(flying).reordering_seen


def test_a_hole_that_was_filled_by_us_is_none(flying):
    sack(flying, (1001, 4001))
    flying.after(0.1)
    flying.gets(". 1:1(0) ack 4001")
    assert not rack(flying).reordering_seen


def test_one_acknowledgment_of_all_is_no_reordering(flying):
    flying.gets(". 1:1(0) ack 1001")
    sack(flying, (5001, 6001), ack=5001)
    assert not rack(flying).reordering_seen


def test_where_there_is_reordering_three_are_waited_for_too(flying):  # 6.2 step 4
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 2001")
    flying.all_sent()
    sack(flying, (3001, 8001), ack=2001)
    assert (2001, MSS) not in starts(flying)
    flying.after(0.03)
    assert (2001, MSS) in starts(flying)


def reordered(tcp, at):
    """A segment is overtaken, waited for in vain, sent again, and comes twice."""
    sack(tcp, (at + MSS, at + 3 * MSS), ack=at)
    tcp.after(0.1)
    sack(tcp, (at, at + MSS), ack=at + 3 * MSS)


def test_a_duplicate_widens_the_window(flying):  # 6.2 step 4
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 2001")
    reordered(flying, 2001)
    assert rack(flying).reo_wnd_mult == 2


def test_it_widens_once_in_a_round_trip(flying):
    sack(flying, (1001, 2001), (3001, 10_001))
    assert {(1, MSS), (2001, MSS)} <= set(starts(flying))
    flying.after(0.1)
    sack(flying, (1, 1001), ack=10_001)
    sack(flying, (2001, 3001), ack=10_001)
    assert flying.connection.recovery.dsacks == 2
    assert rack(flying).reo_wnd_mult == 2


def test_it_is_narrow_again_after_sixteen_recoveries_without_one(flying):
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 2001")
    reordered(flying, 2001)
    flying.writes(400 * MSS)
    for _ in range(16):
        assert rack(flying).reo_wnd_mult == 2
        una = flying.connection.sender.snd_una - flying.iss
        nxt = flying.connection.sender.snd_nxt - flying.iss
        flying.writes(40 * MSS)
        flying.after(0.1)
        sack(flying, (una + MSS, nxt), ack=una)
        flying.after(0.15)
        flying.gets(f". 1:1(0) ack {flying.connection.sender.snd_nxt - flying.iss}")
        flying.after(0.01)
    assert rack(flying).reo_wnd_mult == 1


def test_it_is_never_wider_than_a_round_trip(flying):
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 2001")
    rack(flying).reo_wnd_mult = 100
    flying.all_sent()
    sack(flying, (3001, 4001), ack=2001)
    flying.after(0.099)
    assert (2001, MSS) not in starts(flying)
    flying.after(0.002)
    assert (2001, MSS) in starts(flying)


def test_a_duplicate_that_nobody_sent_is_not_believed(flying):
    for _ in range(20):
        sack(flying, (1, 1001), ack=1001)
    assert flying.connection.recovery.dsacks == 0
    assert rack(flying).reo_wnd_mult == 1


# lost again


def test_a_lost_retransmission_is_sent_again_without_a_time_out(flying):  # RFC 8985 3.2
    sack(flying, (1001, 10_001))
    assert (1, MSS) in starts(flying)
    flying.after(0.1)
    sack(flying, (1001, 11_001))  # sent together with the first's copy, or after it
    flying.after(0.01)
    sack(flying, (1001, 15_001))
    assert (1, MSS) in starts(flying)
    assert flying.connection.info().timeouts == 0


def test_a_round_trip_too_short_to_be_of_the_copy_says_nothing(flying):  # 6.2 step 2
    sack(flying, (1001, 10_001))
    flying.all_sent()
    before = rack(flying).rtt
    flying.after(0.01)
    flying.gets(". 1:1(0) ack 10001")
    assert rack(flying).rtt == before


def test_the_minimum_of_the_round_trip_is_forgotten_in_time(tcp_):  # 6.2 step 1: windowed
    opened(tcp_, keepalive=False)
    for round_trip in (0.05, 0.2, 0.2):
        tcp_.writes(100)
        sent = tcp_.all_sent()[-1]
        tcp_.after(round_trip)
        tcp_.gets(f". 1:1(0) ack {sent.seq + sent.length}")
        tcp_.after(200)
    assert tcp_.connection.rtt.min_rtt == pytest.approx(0.2)


# after a time-out


def test_a_time_out_loses_the_first_segment_and_what_is_old(tcp_):  # 6.3
    opened(tcp_)
    tcp_.writes(4 * MSS)
    tcp_.after(0.45)
    tcp_.all_sent()
    tcp_.writes(2 * MSS)
    assert starts(tcp_) == [(4001, MSS), (5001, MSS)]
    tcp_.after(0.06)
    assert starts(tcp_) == [(1, MSS)]
    sender = tcp_.connection.sender
    assert sender.board.lost_bytes == 3 * MSS
    assert sender.flying() == 3 * MSS  # the last two, and the first that is on its way again
