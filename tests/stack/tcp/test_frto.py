"""Time-outs that were in vain: F-RTO (RFC 5682), with SACK and without."""

import pytest

from tests.stack.tcp.recovering import MSS, opened, sack, starts


def timed_out(tcp, segments, **settings):
    """So many in flight, and the first sent again by the timer; more waits."""
    opened(tcp, **settings)
    tcp.writes((segments + 20) * MSS)
    tcp.connection.configure(nodelay=True)
    tcp.all_sent()
    while not tcp.connection.info().timeouts:
        tcp.after(0.05)
    assert (1, MSS) in starts(tcp)
    return tcp.connection.sender.snd_nxt - tcp.iss


@pytest.fixture(params=[True, False], ids=["sack", "no sack"])
def late(request, tcp_):
    """Ten segments in flight (or eleven, with a loss probe), the first sent twice."""
    tcp_.high = timed_out(tcp_, 10, sack=request.param)
    return tcp_


def test_new_data_follow_the_first_answer(late):  # RFC 5682 2.1 step 2b, 3.1 step 2b
    late.after(0.05)
    late.gets(". 1:1(0) ack 1001")
    assert starts(late) == [(late.high, MSS), (late.high + MSS, MSS)]


def test_a_second_answer_of_what_was_sent_once_takes_it_back(tcp_):  # 2.1 step 3b
    high = timed_out(tcp_, 10, sack=False)
    before = tcp_.connection.congestion.prior_cwnd
    tcp_.gets(". 1:1(0) ack 1001")
    tcp_.gets(". 1:1(0) ack 2001")
    info = tcp_.connection.info()
    assert info.cwnd >= before
    assert info.ssthresh > before
    assert tcp_.connection.recovery.undone == 1
    assert all(seq >= high for seq, _ in starts(tcp_))  # nothing else is sent again


def test_with_sack_what_was_sent_once_and_is_held_takes_it_back(tcp_):  # 3.1 step 3b
    high = timed_out(tcp_, 10)
    tcp_.gets(". 1:1(0) ack 1001")
    tcp_.all_sent()
    sack(tcp_, (3001, 4001), ack=1001)
    assert tcp_.connection.recovery.undone == 1
    assert all(seq >= high for seq, _ in starts(tcp_))


def test_with_sack_one_answer_to_all_takes_it_back(tcp_):
    """The acknowledgments were lost, or late: whatever was sent only once cannot have waited for the first's copy."""
    high = timed_out(tcp_, 10)
    tcp_.gets(f". 1:1(0) ack {high}")
    assert tcp_.connection.recovery.undone == 1


def test_without_sack_one_answer_to_all_says_nothing(tcp_):  # 2.1 step 2a
    high = timed_out(tcp_, 10, sack=False)
    tcp_.gets(f". 1:1(0) ack {high}")
    assert tcp_.connection.recovery.undone == 0


def test_duplicates_at_once_mean_that_it_was_right(tcp_):  # 2.1 step 2a
    timed_out(tcp_, 10, sack=False)
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.gets(". 1:1(0) ack 1001")
    tcp_.gets(". 1:1(0) ack 2001")
    assert tcp_.connection.recovery.undone == 0


def test_a_duplicate_of_the_new_data_means_that_it_was_right(tcp_):  # 2.1 step 3a
    timed_out(tcp_, 10, sack=False)
    tcp_.gets(". 1:1(0) ack 1001")
    tcp_.all_sent()
    tcp_.gets(". 1:1(0) ack 1001")
    assert (1001, MSS) in starts(tcp_)
    assert tcp_.connection.recovery.undone == 0


def test_only_the_new_data_held_means_that_it_was_right(tcp_):  # 3.1 step 3a
    high = timed_out(tcp_, 10)
    tcp_.gets(". 1:1(0) ack 1001")
    tcp_.all_sent()
    sack(tcp_, (high, high + MSS), ack=1001)
    assert (1001, MSS) in starts(tcp_)
    assert tcp_.connection.recovery.undone == 0
    assert tcp_.connection.info().cwnd < 5 * MSS


def test_without_new_data_what_is_lost_is_sent_again(tcp_):  # 3.1 step 2b: nothing unsent
    opened(tcp_)
    tcp_.writes(8 * MSS)
    tcp_.all_sent()
    while not tcp_.connection.info().timeouts:
        tcp_.after(0.05)
    tcp_.all_sent()
    tcp_.gets(". 1:1(0) ack 1001")
    assert starts(tcp_)[0] == (1001, MSS)


def test_without_room_in_the_window_too(tcp_):
    opened(tcp_)
    sack(tcp_, window=8 * MSS)
    tcp_.writes(20 * MSS)
    tcp_.all_sent()
    while not tcp_.connection.info().timeouts:
        tcp_.after(0.05)
    tcp_.all_sent()
    sack(tcp_, ack=1001, window=7 * MSS)
    assert starts(tcp_)[0] == (1001, MSS)


def test_a_time_out_within_a_recovery_is_taken_at_its_word(tcp_):  # 3.1 step 1: not while recovering already
    opened(tcp_)
    tcp_.writes(40 * MSS)
    tcp_.after(0.1)
    sack(tcp_, (1001, 4001))
    while not tcp_.connection.info().timeouts:
        tcp_.after(0.05)
    tcp_.all_sent()
    sack(tcp_, (4001, 5001), ack=1001)
    assert tcp_.connection.recovery.undone == 0
    assert not tcp_.connection.recovery.frto
