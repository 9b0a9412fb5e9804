"""CUBIC's window alone (RFC 9438). The numbers are worked out from the RFC's formulas, beside each of them."""

import copy

import pytest

from stack.tcp.congestion import UNLIMITED, Cubic
from tests.stack.tcp.windows import MSS, Path


@pytest.fixture
def window():
    made = Cubic(MSS, 10 * MSS)
    made.cwnd = 100 * MSS
    return made


@pytest.fixture
def path(window):
    return Path(window)


def near(segments, within=0.5):
    return pytest.approx(segments * MSS, abs=within * MSS)


# 4.6, 4.7


def test_a_loss_leaves_seven_tenths(window):  # 4.6
    window.reduce(100 * MSS, 0.0)
    assert window.ssthresh == 70 * MSS
    assert window.cwnd == 100 * MSS  # the recovery steers it down
    window.recovered(60 * MSS, 0.1)
    assert window.cwnd == 70 * MSS


def test_the_threshold_is_never_below_two_segments(window):  # 4.6
    window.cwnd = 2 * MSS
    window.reduce(2 * MSS, 0.0)
    assert window.ssthresh == 2 * MSS


def test_growth_follows_the_cubic_function(window, path):
    """4.2: W_max 100, cwnd_epoch 70: K = cbrt(30 / 0.4) = 4.2172; W(t) = 0.4 (t - K)^3 + 100."""
    path.lose()
    path.run(0.5)
    assert window.cwnd == near(79.4, 1.0)  # 0.4 * (0.5 - 4.2172)^3 = -20.55
    path.run(0.5)
    assert window.cwnd == near(86.7, 1.0)  # -13.32
    path.run(1.0)
    assert window.cwnd == near(95.64)  # -4.36
    path.run(1.0)
    assert window.cwnd == near(99.28)  # -0.72
    path.run(1.217)
    assert window.cwnd == near(100.0)  # at K the plateau


def test_growth_is_convex_beyond_the_plateau(window):
    """RTT 0.3 s, so that Reno would have 70 + 0.529 * 10 / 0.3 = 87.6 at 10 s and less at all times before."""
    path = Path(window, rtt=0.3)
    path.lose()
    path.run(6.0)
    assert window.cwnd == near(102.27, 1.0)  # 0.4 * (6 - 4.2172)^3 = 2.27
    path.run(2.0)
    assert window.cwnd == near(121.65, 2.0)  # 0.4 * 3.7828^3 = 21.65
    path.run(2.0)
    assert window.cwnd == near(177.35, 4.0)  # 0.4 * 5.7828^3 = 77.35


def test_a_window_grows_by_half_in_a_round_trip_at_most(window):  # 4.2, target
    path = Path(window, rtt=10.0)
    path.lose()
    path.round()
    assert window.cwnd <= 1.5 * 70 * MSS + 2 * MSS


def test_a_second_loss_below_the_plateau_gives_room_to_others(window, path):
    """4.7: at 90 of 100 the next W_max is 90 * 1.7 / 2 = 76.5; from 63, K = cbrt(13.5 / 0.4) = 3.2317."""
    path.lose()
    window.cwnd = 90 * MSS
    path.lose()
    assert window.ssthresh == 63 * MSS
    path.run(3.2317)
    assert window.cwnd == near(80.1, 1.0)  # Reno's: 63 + 0.529 * 32.3
    window.cwnd = 120 * MSS
    path.lose()  # above the plateau: W_max 120, from 84: K = cbrt(36 / 0.4) = 4.4814
    path.run(3.0)
    assert window.cwnd == near(118.7, 1.0)  # 0.4 * (3 - 4.4814)^3 = -1.30


def test_without_fast_convergence_above_the_last_plateau(window, path):
    """4.7: 110 after 100: W_max 110, from 77; K = cbrt(33 / 0.4) = 4.3533; at 3 s 110 - 0.4 * 1.3533^3 = 109.0."""
    path.lose()
    window.cwnd = 110 * MSS
    path.lose()
    path.run(3.0)
    assert window.cwnd == near(109.0)


# 4.3


def test_where_reno_is_faster_it_is_as_fast_as_reno(window):
    """RTT 10 ms, W_max 20, from 14: alpha = 3 * 0.3 / 1.7 = 0.529 segments a round trip; K = cbrt(15) = 2.466,
    so that at 0.1 s W_cubic is 14.7 only, and W_est 14 + 0.529 * 10 = 19.3."""
    window.cwnd = 20 * MSS
    path = Path(window, rtt=0.01)
    path.lose()
    path.run(0.1)
    assert window.cwnd == near(19.3)


def test_having_reached_the_prior_window_it_is_reno(window):  # 4.3: alpha is 1 from there
    window.cwnd = 20 * MSS
    path = Path(window, rtt=0.01)
    path.lose()
    path.run(0.115)  # 6 / 0.529 = 11.3 round trips
    assert window.cwnd == near(20.1)
    path.run(0.1)
    assert window.cwnd == near(30.1, 1.0)


# 4.8


def test_a_time_out_leaves_one_segment_and_seven_tenths_to_slow_start_to(window, path):
    window.timed_out(100 * MSS, True, 0.0)
    assert window.cwnd == MSS
    assert window.ssthresh == 70 * MSS
    for _ in range(7):
        path.round()
    assert window.cwnd >= 70 * MSS


def test_a_second_time_out_holds_the_threshold(window):  # RFC 5681 3.1
    window.timed_out(100 * MSS, True, 0.0)
    window.timed_out(MSS, False, 1.0)
    assert window.ssthresh == 70 * MSS


def test_after_a_time_out_the_plateau_is_where_slow_start_ended(window):
    """4.8: K = 0, W_max = 70: after 4 s 70 + 0.4 * 64 = 95.6; RTT 0.3 s keeps Reno at 77."""
    path = Path(window, rtt=0.3)
    window.timed_out(100 * MSS, True, 0.0)
    while window.cwnd < 70 * MSS:
        path.ack()
    path.run(4.0)
    assert window.cwnd == near(95.6, 2.5)


# 4.9


def test_a_spurious_loss_is_undone_entirely(window, path):
    path.lose()
    path.run(2.0)
    before = window.cwnd
    untouched = Cubic(MSS, 10 * MSS)
    untouched.cwnd = 100 * MSS
    other = Path(untouched)
    other.lose()
    other.run(2.0)
    path.window.reduce(before, path.now)
    window.cwnd = window.ssthresh
    window.undo()
    assert window.cwnd == before
    path.run(1.0)
    other.run(1.0)
    assert window.cwnd == near(untouched.cwnd / MSS)  # the same K, W_max, epoch, W_est


def test_a_spurious_time_out_is_undone(window):
    window.timed_out(100 * MSS, True, 0.0)
    window.undo()
    assert window.cwnd == 100 * MSS
    assert window.ssthresh == UNLIMITED


def test_what_was_reduced_long_ago_is_not_undone_once_the_window_is_larger(window, path):  # RFC 9438 4.9.2
    path.lose()
    while window.cwnd <= 101 * MSS:
        path.ack()
    before = window.cwnd
    untouched = copy.copy(window)
    other = Path(untouched)
    other.now = path.now
    window.undo()
    assert window.cwnd == before
    for _ in range(500):
        path.ack()
        other.ack()
    assert window.cwnd == untouched.cwnd


# 4.2, 5.8


def test_time_does_not_count_in_which_the_window_is_not_used(window, path):
    path.lose()
    path.run(2.0)
    before = window.cwnd
    path.run(10.0, use=20 * MSS)
    assert window.cwnd <= before + MSS
    path.run(0.3)
    assert window.cwnd <= before + 3 * MSS  # as if the ten seconds had not been: not 0.4 * 8^3 segments


def test_time_does_not_count_in_which_nothing_was_sent(window, path):
    path.lose()
    path.run(2.0)
    before = window.cwnd
    window.acknowledged(window.cwnd, window.cwnd, 0.1, path.now)  # all there was
    path.now += 10.0
    path.run(0.3)
    assert window.cwnd <= before + 3 * MSS


# 4.10


def test_hystart_ends_where_the_plateau_begins():
    """W_max = cwnd, K = 0 (4.10): 4 s later 25.6 segments more; RTT 1 s: Reno less."""
    window = Cubic(MSS, 10 * MSS)
    path = Path(window, rtt=1.0)
    window.ssthresh = window.cwnd = 100 * MSS
    path.run(4.0)
    assert window.cwnd == pytest.approx(134 * MSS, abs=12 * MSS)  # between W(4) = 125.6 and W(4 + RTT) = 150


def test_a_loss_ends_hystart_for_good(window, path):  # RFC 9406 4.2: the first slow start only
    window.cwnd = 10 * MSS
    window.timed_out(10 * MSS, True, 0.0)
    window.ssthresh = 1000 * MSS
    for rtt in (0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2):
        path.rtt = rtt
        path.round()
    assert window.ssthresh == 1000 * MSS
    assert window.cwnd >= 100 * MSS


def test_few_acks_of_much_grow_the_window_like_many_of_little():
    """Super-frames: one ACK for 64 KB."""
    small, large = Cubic(MSS, 10 * MSS), Cubic(MSS, 10 * MSS)
    for made, acked in ((small, 2 * MSS), (large, 64 * MSS)):
        made.cwnd = 1000 * MSS
        path = Path(made, acked=acked)
        path.lose()
        path.run(4.0)
    assert large.cwnd == near(small.cwnd / MSS, 10.0)
