"""Loss: the timer (RFC 6298), duplicate ACKs (RFC 5681, 6582, 3042), and when to give up (RFC 9293 3.8.3)."""

import pytest

from stack.arp import STALE
from stack.tcp.states import CLOSED, ESTABLISHED

MSS = 1460


def lengths(sent):
    return [(one.seq, one.length) for one in sent]


def test_what_is_not_acknowledged_is_sent_again(tcp):
    tcp.established()
    tcp.writes(100)
    tcp.sends("P. 1:101(100) ack 1")
    tcp.after(0.2)
    tcp.sends("P. 1:101(100) ack 1")


def test_the_timer_backs_off(tcp):  # RFC 6298 5.5
    tcp.established()
    tcp.writes(100)
    start = tcp.now
    tcp.after(13)
    assert [round(one.at - start, 1) for one in tcp.all_sent()] == [0, 0.2, 0.6, 1.4, 3.0, 6.2, 12.6]


def test_an_acknowledgment_stops_it(tcp):  # RFC 6298 5.2
    tcp.established()
    tcp.writes(100)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 101")
    tcp.after(60)
    tcp.sends_nothing()


def test_an_acknowledgment_of_a_part_starts_it_anew(tcp):  # RFC 6298 5.3
    tcp.established()
    tcp.writes(2 * MSS)
    tcp.all_sent()
    tcp.after(0.15)
    tcp.gets(f". 1:1(0) ack {MSS + 1}")
    tcp.after(0.19)
    tcp.sends_nothing()
    tcp.after(0.5)
    assert tcp.all_sent()[0].seq == MSS + 1


def test_a_time_out_resends_one_segment(tcp):  # RFC 5681 3.1: the loss window
    tcp.established()
    tcp.writes(8 * MSS)
    tcp.all_sent()
    tcp.after(0.2)
    assert lengths(tcp.all_sent()) == [(1, MSS)]
    assert tcp.connection.info().cwnd == MSS
    assert tcp.connection.info().ssthresh == 4 * MSS


def test_after_a_time_out_the_rest_follows_in_slow_start(tcp):
    tcp.established()
    tcp.writes(8 * MSS)
    tcp.after(0.2)
    tcp.all_sent()
    tcp.gets(f". 1:1(0) ack {1 + MSS}")
    assert lengths(tcp.all_sent()) == [(1 + MSS, MSS), (1 + 2 * MSS, MSS)]


def test_after_a_time_out_what_arrived_is_not_sent_again(tcp):
    tcp.established()
    tcp.writes(8 * MSS)
    tcp.after(0.2)
    tcp.all_sent()
    tcp.gets(f". 1:1(0) ack {1 + 8 * MSS}")  # only the first had been lost
    tcp.after(5)
    tcp.sends_nothing()


def test_what_was_sent_twice_is_no_measurement(tcp):  # Karn, RFC 6298 3
    tcp.established()
    tcp.writes(100)
    tcp.after(0.2)
    before = tcp.connection.info()
    tcp.after(0.1)
    tcp.gets(". 1:1(0) ack 101")
    after = tcp.connection.info()
    assert (after.srtt, after.rttvar) == (before.srtt, before.rttvar)


def test_the_back_off_lasts_until_something_is_measured(tcp):  # RFC 6298 5.7
    tcp.established()
    tcp.writes(100)
    tcp.after(0.7)
    tcp.gets(". 1:1(0) ack 101")
    assert tcp.connection.info().rto == pytest.approx(0.8)
    tcp.writes(100)
    tcp.gets(". 1:1(0) ack 201")
    assert tcp.connection.info().rto == pytest.approx(0.2)


def test_timestamps_measure_what_was_sent_twice(tcp_):  # RFC 7323 4.1
    tcp_.established(options_text="mss 1460,nop,nop,TS val 1 ecr 0", timestamps=True)
    tcp_.writes(100)
    tcp_.after(0.2)
    stamp = tcp_.all_sent()[-1].options.timestamp[0]
    tcp_.after(0.1)
    tcp_.gets(f". 1:1(0) ack 101 <nop,nop,TS val 3 ecr {stamp}>")
    assert tcp_.connection.rtt.latest == pytest.approx(0.1)


def test_the_round_trip_is_measured(tcp):
    tcp.established()
    tcp.writes(100)
    tcp.after(0.1)
    tcp.gets(". 1:1(0) ack 101")
    assert tcp.connection.rtt.latest == pytest.approx(0.1)


def test_after_so_many_time_outs_it_is_over(tcp_):  # RFC 9293 3.8.3, R2
    tcp_.begin(retries=3)
    tcp_.established()
    tcp_.writes(100)
    tcp_.after(2.9)
    assert tcp_.state is ESTABLISHED
    tcp_.after(0.2)
    assert tcp_.state is CLOSED
    assert len(tcp_.all_sent()) == 4
    with pytest.raises(TimeoutError):
        tcp_.connection.read(1)


def test_by_default_it_takes_a_quarter_of_an_hour(tcp):  # RFC 9293 MUST-23: R2 of data at least 100 s
    tcp.established()
    tcp.writes(100)
    tcp.after(900)
    assert tcp.state is ESTABLISHED
    tcp.after(300)
    assert tcp.state is CLOSED


def test_a_user_timeout_counts_from_the_last_progress(tcp_):  # RFC 5482
    tcp_.begin(user_timeout=10.0)
    tcp_.established()
    tcp_.after(100)
    tcp_.writes(100)
    tcp_.after(9)
    assert tcp_.state is ESTABLISHED
    tcp_.after(10)
    assert tcp_.state is CLOSED


def test_the_soft_error_is_told_in_the_end(tcp_):
    tcp_.begin(retries=2)
    tcp_.established()
    tcp_.writes(100)
    tcp_.quotes(3, 1)
    assert tcp_.state is ESTABLISHED
    tcp_.after(10)
    with pytest.raises(OSError, match="No route to host"):
        tcp_.connection.read(1)


# duplicate ACKs


@pytest.fixture
def flying(tcp):
    """Ten segments are in flight, and more waits."""
    tcp.established(options_text=f"mss {MSS}")
    tcp.writes(30 * MSS)
    assert len(tcp.all_sent()) == 10
    return tcp


def test_the_third_duplicate_resends_the_first_segment(flying):  # RFC 5681 3.2
    for _ in range(2):
        flying.gets(". 1:1(0) ack 1")
    flying.all_sent()
    flying.gets(". 1:1(0) ack 1")
    assert (1, MSS) in lengths(flying.all_sent())
    assert flying.connection.info().fast_retransmits == 1
    assert flying.connection.info().ssthresh == 10 * MSS // 2  # limited transmit does not count (RFC 5681 3.2)


def test_the_first_two_duplicates_send_new_data(flying):  # RFC 3042
    flying.gets(". 1:1(0) ack 1")
    flying.gets(". 1:1(0) ack 1")
    assert lengths(flying.all_sent()) == [(1 + 10 * MSS, MSS), (1 + 11 * MSS, MSS)]


@pytest.mark.parametrize(
    "text", [". 1:1(0) ack 1 win 60000", "P. 1:2(1) ack 1", "F. 1:1(0) ack 1"], ids=["window", "data", "fin"]
)
def test_what_says_something_new_is_no_duplicate(flying, text):  # RFC 5681 2
    for _ in range(3):
        flying.gets(text)
    assert flying.connection.info().fast_retransmits == 0


def test_without_anything_in_flight_there_are_no_duplicates(tcp):
    tcp.established()
    for _ in range(5):
        tcp.gets(". 1:1(0) ack 1")
    assert tcp.connection.recovery is None
    tcp.sends_nothing()


def test_every_second_of_more_duplicates_lets_new_data_go(flying):  # RFC 6937
    for _ in range(3):
        flying.gets(". 1:1(0) ack 1")
    flying.all_sent()
    sent = []
    for _ in range(7):
        flying.gets(". 1:1(0) ack 1")
        sent += flying.all_sent()
    assert lengths(sent) == [(1 + 12 * MSS, MSS), (1 + 13 * MSS, MSS), (1 + 14 * MSS, MSS)]


def test_a_partial_acknowledgment_resends_the_next_hole(flying):  # RFC 6582 3.2
    for _ in range(3):
        flying.gets(". 1:1(0) ack 1")
    flying.all_sent()
    flying.gets(f". 1:1(0) ack {1 + 4 * MSS}")
    assert flying.all_sent()[0].seq == 1 + 4 * MSS


def test_everything_acknowledged_ends_the_recovery(flying):
    for _ in range(3):
        flying.gets(". 1:1(0) ack 1")
    flying.all_sent()
    flying.gets(f". 1:1(0) ack {1 + 12 * MSS}")
    assert flying.connection.info().cwnd == 2 * MSS  # no burst into a pipe that has run empty
    assert lengths(flying.all_sent()) == [(1 + 12 * MSS, MSS), (1 + 13 * MSS, MSS)]


def test_duplicates_after_a_time_out_are_no_new_loss(flying):  # RFC 6582 3.2 (2)
    flying.after(0.2)
    flying.all_sent()
    for _ in range(5):
        flying.gets(". 1:1(0) ack 1")
    assert flying.connection.info().fast_retransmits == 0


def test_a_lost_retransmission_is_left_to_the_timer(flying):
    for _ in range(3):
        flying.gets(". 1:1(0) ack 1")
    flying.all_sent()
    flying.after(0.5)
    assert flying.all_sent()[0].seq == 1
    assert flying.connection.info().timeouts >= 1


# the congestion window in use


def test_ten_segments_at_first(tcp):  # RFC 6928
    tcp.established()
    tcp.writes(100_000)
    assert len(tcp.all_sent()) == 10


def test_slow_start_doubles_in_a_round_trip(tcp):
    tcp.established()
    tcp.writes(200_000)
    tcp.all_sent()
    tcp.gets(f". 1:1(0) ack {1 + 10 * MSS}")
    assert len(tcp.all_sent()) == 20


def test_after_idleness_the_window_begins_anew(tcp):  # RFC 5681 4.1
    tcp.established()
    tcp.writes(10 * MSS)
    tcp.gets(f". 1:1(0) ack {1 + 10 * MSS}")
    assert tcp.connection.info().cwnd == 20 * MSS
    tcp.after(1)
    tcp.all_sent()
    tcp.writes(30 * MSS)
    assert len(tcp.all_sent()) == 10


# RFC 9293 3.8.3, RFC 1122 3.3.1.4: IP is told of a way by which nothing is heard


def segments_before_doubt(tcp):
    """How often something has gone by the time that the neighbour is doubted, for each time that it is."""
    said = []

    def trace(what, interface, entry):
        if what == "neighbour" and entry.state is STALE:
            said.append(len(tcp.sent))

    tcp.stack.trace = trace
    tcp.after(10)
    return said


def test_three_time_outs_in_a_row_put_the_neighbour_in_doubt(tcp):
    tcp.established()
    tcp.writes(10)
    assert segments_before_doubt(tcp) == [3]  # the third time-out, and what is sent then asks


def test_who_never_answered_a_syn_does_not(tcp):  # it may be a stranger's address that stands in it
    tcp.listens()
    tcp.gets("S 0:0(0)")
    assert segments_before_doubt(tcp) == []
    assert len(tcp.all_sent()) == 4
