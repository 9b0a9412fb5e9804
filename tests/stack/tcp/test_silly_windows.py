"""Silly windows, RFC 9293 3.8.6.2: neither side lets the window crumble, clause by clause; delayed ACKs, 3.8.6.3."""

import pytest


def lengths(tcp):
    return [one.length for one in tcp.all_sent()]


# 3.8.6.2.1, the sender's (MUST-38): D is what is unsent, U the usable window


def test_1_a_full_segment_goes_at_once(tcp):
    tcp.established(window=4000)
    tcp.writes(1460)
    tcp.writes(1460)
    assert lengths(tcp) == [1460, 1460]


def test_1_what_is_left_of_the_window_waits_where_it_is_less_than_a_segment(tcp):
    tcp.established(window=2000)
    tcp.writes(4000)
    assert lengths(tcp) == [1460]
    tcp.gets(". 1:1(0) ack 1461 win 1000")  # the right edge has moved by 460: 1000 are half of the largest window
    assert lengths(tcp) == [1000]


def test_2_what_is_pushed_goes_if_it_fits_and_nothing_is_out(tcp):
    tcp.established(window=1000)
    tcp.writes(300)
    assert lengths(tcp) == [300]


def test_2_what_does_not_fit_is_not_cut_for_a_sliver(tcp):
    tcp.established(window=5000)
    tcp.writes(4380)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 4381 win 400")
    tcp.writes(401)
    tcp.sends_nothing()


@pytest.mark.parametrize(("window", "sent"), [(499, []), (500, [500]), (600, [600])])
def test_3_half_of_the_largest_window_is_worth_a_segment(tcp, window, sent):  # Fs = 1/2
    tcp.established(window=1000)
    tcp.writes(5000)
    assert lengths(tcp) == [1000]
    tcp.gets(f". 1:1(0) ack 1001 win {window}")
    assert lengths(tcp) == sent


def test_4_a_sliver_is_used_when_time_is_up(tcp):
    tcp.established(window=1000)
    tcp.writes(5000)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1001 win 100")
    start = tcp.now
    tcp.after(1)
    first = tcp.sends("P. 1001:1101(100) ack 1") if tcp.sent[0].flags & 8 else tcp.sends(". 1001:1101(100) ack 1")
    assert 0.1 <= first.at - start <= 1.0


def test_a_peer_of_tiny_windows_gets_it_all(tcp):
    """Each window is filled, and asked about when it is closed; nothing is lost on the way."""
    tcp.established(window=50, options_text="mss 1460")
    tcp.writes(500)
    got = 0
    for _ in range(200):
        for one in tcp.all_sent():
            if one.seq <= got + 1 <= one.seq + one.length:
                got = max(got, min(one.seq + one.length - 1, got + 50))
        if got == 500:
            break
        tcp.gets(f". 1:1(0) ack {got + 1} win 50")
        tcp.after(0.3)
    assert got == 500


def test_a_window_that_shrinks_over_what_is_in_flight_and_opens_again(tcp):  # MUST-34, SHLD-14 to SHLD-16
    tcp.established(window=8760)
    tcp.writes(8760)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1461 win 1460")
    tcp.gets(". 1:1(0) ack 2921 win 0")
    tcp.writes(100)
    assert all(one.seq + one.length <= 2922 for one in tcp.all_sent())  # no more than a probe goes beyond
    tcp.after(0.3)
    assert all(one.seq + one.length <= 2922 for one in tcp.all_sent())
    tcp.gets(". 1:1(0) ack 2921 win 20000")
    sent = tcp.all_sent()
    assert sent[0].seq == 2921
    assert max(one.seq + one.length for one in sent) <= 8861


# 3.8.6.2.2, the receiver's (MUST-39)


def told(tcp):
    return [(one.ack, one.window) for one in tcp.all_sent()]


def fill(tcp, size, step=1000):
    for at in range(0, size, step):
        tcp.gets(f". {1 + at}:{1 + at + step}({step}) ack 1")
    tcp.all_sent()


def test_the_right_edge_stays_until_it_can_move_by_a_segment(tcp_):
    tcp_.established(receive_buffer=20_000)
    fill(tcp_, 20_000)
    tcp_.reads(1459)
    tcp_.writes(1)
    assert told(tcp_) == [(20_001, 0)]
    tcp_.reads(1)
    tcp_.gets(". 20001:20001(0) ack 2")
    tcp_.writes(1)
    assert told(tcp_) == [(20_001, 1460)]


def test_of_a_small_buffer_half_is_enough(tcp_):  # Fr = 1/2
    tcp_.established(receive_buffer=2000)
    fill(tcp_, 2000)
    tcp_.reads(499)
    tcp_.sends_nothing()  # neither is a quarter read, nor could the edge move
    tcp_.reads(500)
    tcp_.writes(1)
    assert told(tcp_)[-1] == (2001, 0)
    tcp_.reads(1)
    tcp_.writes(1)
    assert told(tcp_)[-1] == (2001, 1000)


def test_the_window_shrinks_with_what_is_not_read_and_never_by_less(tcp_):
    tcp_.established(receive_buffer=8000)
    tcp_.gets(". 1:1001(1000) ack 1")
    tcp_.reads(10)
    tcp_.gets(". 1001:2001(1000) ack 1")
    assert told(tcp_) == [(2001, 6000)]


# 3.8.6.3, delayed ACKs


def test_the_second_segment_is_acknowledged_at_once(tcp):  # SHLD-19
    tcp.established()
    tcp.gets(". 1:1461(1460) ack 1")
    tcp.sends_nothing()
    tcp.gets(". 1461:2921(1460) ack 1")
    tcp.sends(". 1:1(0) ack 2921")


@pytest.mark.parametrize("delay", [0.0, 0.04, 0.25, 0.49])
def test_the_first_within_half_a_second(tcp_, delay):  # MUST-58
    tcp_.established(delayed_ack=delay)
    start = tcp_.now
    tcp_.gets("P. 1:11(10) ack 1")
    tcp_.after(1)
    assert tcp_.sends(". 1:1(0) ack 11").at - start == pytest.approx(delay)


def test_an_answer_carries_it(tcp):  # SHLD-18
    tcp.established()
    tcp.gets("P. 1:11(10) ack 1")
    tcp.writes(5)
    tcp.sends("P. 1:6(5) ack 11")
    tcp.after(0.1)
    tcp.sends_nothing()


def test_quick_ones_are_not_delayed_until_an_answer_is_sent(tcp_):
    tcp_.established(quickack=3)
    tcp_.gets("P. 1:11(10) ack 1")
    tcp_.sends(". 1:1(0) ack 11")
    tcp_.gets("P. 11:21(10) ack 1")
    tcp_.sends(". 1:1(0) ack 21")
    tcp_.writes(5)
    tcp_.all_sent()
    tcp_.gets("P. 21:31(10) ack 6")
    tcp_.sends_nothing()


def test_quick_ones_come_to_an_end(tcp_):
    tcp_.established(quickack=2)
    for at in (1, 11):
        tcp_.gets(f"P. {at}:{at + 10}(10) ack 1")
        assert tcp_.all_sent()
    tcp_.gets("P. 21:31(10) ack 1")
    tcp_.sends_nothing()


def test_asking_for_quick_ones_pays_what_is_owed(tcp):
    tcp.established()
    tcp.gets("P. 1:11(10) ack 1")
    tcp.connection.configure(quickack=16)
    tcp.flush()
    tcp.sends(". 1:1(0) ack 11")


# Nagle (3.7.4) as Minshall changed it, and corks


def test_a_small_segment_waits_for_the_one_before_it(tcp):  # SHLD-7
    tcp.established()
    tcp.writes(100)
    tcp.writes(100)
    assert lengths(tcp) == [100]
    tcp.gets(". 1:1(0) ack 101")
    assert lengths(tcp) == [100]


def test_a_small_one_behind_full_ones_does_not_wait(tcp):
    tcp.established()
    tcp.writes(1460)
    tcp.writes(10)
    assert lengths(tcp) == [1460, 10]


def test_without_nagle_nothing_waits(tcp_):  # MUST-17: it can be switched off
    tcp_.established(nodelay=True)
    for _ in range(3):
        tcp_.writes(10)
    assert lengths(tcp_) == [10, 10, 10]


def test_switching_it_off_lets_go_what_waits(tcp):
    tcp.established()
    tcp.writes(10)
    tcp.writes(10)
    assert lengths(tcp) == [10]
    tcp.connection.configure(nodelay=True)
    tcp.flush()
    assert lengths(tcp) == [10]


def test_a_cork_holds_even_the_first_small_one(tcp_):
    tcp_.established(cork=True)
    tcp_.writes(1500)
    assert lengths(tcp_) == [1460]
    tcp_.gets(". 1:1(0) ack 1461")
    tcp_.sends_nothing()
    tcp_.writes(1420)
    assert lengths(tcp_) == [1460]


def test_a_cork_holds_no_longer_than_a_time_out(tcp_):  # Linux: 200 ms
    tcp_.established(cork=True)
    start = tcp_.now
    tcp_.writes(10)
    tcp_.after(1)
    assert 0.15 <= tcp_.sends("P. 1:11(10) ack 1").at - start <= 0.3


def test_a_fin_takes_what_a_cork_has_held(tcp_):
    tcp_.established(cork=True)
    tcp_.writes(10)
    tcp_.close()
    tcp_.sends("FP. 1:11(10) ack 1")


# the clamp


def test_a_clamp_bounds_what_is_offered_and_takes_nothing_back(tcp_):
    tcp_.established(receive_buffer=40_000)
    tcp_.connection.configure(window_clamp=10_000)
    tcp_.gets(". 1:1001(1000) ack 1")
    tcp_.reads()
    tcp_.gets(". 1001:2001(1000) ack 1")
    assert told(tcp_)[-1] == (2001, 38_000)  # what was offered stays
    fill_from = 2000
    for at in range(fill_from, 40_000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
        tcp_.reads()
    assert told(tcp_)[-1] == (39_001, 10_000)
