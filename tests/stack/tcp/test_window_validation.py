"""What a window is worth that was not used: RFC 7661, and RFC 5681 4.1, for both controls."""

import math

import pytest

from stack.tcp.congestion import UNLIMITED, Cubic, NewReno
from tests.stack.tcp.windows import MSS, Path


@pytest.fixture(params=[NewReno, Cubic], ids=lambda made: made.name)
def window(request):
    made = request.param(MSS, 10 * MSS)
    made.cwnd = 100 * MSS
    return made


@pytest.fixture
def path(window):
    return Path(window)


def test_slow_start_does_not_grow_what_is_half_used(window, path):  # RFC 7661 4.3
    path.run(2.0, use=50 * MSS)
    assert window.cwnd == 100 * MSS


def test_slow_start_grows_what_is_used_more_than_half(window, path):  # Linux: cwnd < 2 * what was in flight
    path.run(2.0, use=60 * MSS)
    assert 118 * MSS <= window.cwnd <= 122 * MSS


def test_congestion_avoidance_grows_only_what_is_used_whole(window, path):
    window.ssthresh = window.cwnd
    path.run(2.0, use=98 * MSS)
    assert window.cwnd == 100 * MSS
    path.run(2.0, use=UNLIMITED)
    assert window.cwnd > 101 * MSS


def test_what_is_not_used_is_kept_for_five_minutes(window, path):  # RFC 7661 4.4.2
    path.run(1.0, use=50 * MSS)
    path.run(290.0, use=20 * MSS)
    assert window.cwnd == 100 * MSS


def test_after_five_minutes_half_of_it_is_gone(window, path):  # RFC 7661 4.4.3
    path.run(1.0, use=50 * MSS)
    path.run(305.0, use=20 * MSS)
    assert window.cwnd == 50 * MSS
    assert window.ssthresh == max(UNLIMITED, 75 * MSS)
    path.run(305.0, use=12 * MSS)
    assert window.cwnd == 25 * MSS
    path.run(600.0, use=12.5 * MSS)
    assert window.cwnd == 25 * MSS  # half of it in use: that is validated


def test_it_is_not_reduced_below_the_initial_window(window, path):  # RFC 7661 4.4.3
    window.cwnd = 16 * MSS
    path.run(1000.0, use=2 * MSS)
    assert window.cwnd == 10 * MSS


def test_the_threshold_remembers_three_quarters(window, path):  # RFC 7661 4.4.3
    window.ssthresh = 40 * MSS
    path.run(305.0, use=20 * MSS)
    assert window.ssthresh == 75 * MSS


def test_a_loss_counts_by_what_was_in_use(window, path):  # RFC 7661 4.4.1
    path.run(2.0, use=20 * MSS)
    window.reduce(12 * MSS, path.now)
    beta = 0.7 if window.name == "cubic" else 0.5
    assert window.ssthresh == round(20 * MSS * beta)  # the larger of pipeACK and flight


def test_a_loss_counts_by_the_flight_if_that_is_more(window, path):  # RFC 7661 4.4.1
    path.run(2.0, use=20 * MSS)
    window.reduce(30 * MSS, path.now)
    beta = 0.7 if window.name == "cubic" else 0.5
    assert window.ssthresh == round(30 * MSS * beta)


def test_of_a_window_in_use_a_loss_takes_its_share(window, path):
    path.run(2.0, use=100 * MSS)
    cwnd = window.cwnd
    window.reduce(cwnd, path.now)
    assert window.ssthresh == round(cwnd * (0.7 if window.name == "cubic" else 0.5))


def test_what_was_in_use_is_forgotten_after_a_second(window, path):  # RFC 7661 4.5.1
    path.run(1.0, use=50 * MSS)
    path.run(0.8, use=20 * MSS)
    assert window.validated()
    path.run(1.3, use=20 * MSS)
    assert not window.validated()


@pytest.mark.parametrize(("seconds", "left"), [(1.0, 100), (1.5, 50), (2.5, 25), (3.5, 12.5), (4.5, 10), (1e6, 10)])
def test_idleness_halves_the_window_for_each_time_out(window, seconds, left):  # RFC 5681 4.1, in Linux' manner
    window.idle(seconds, 1.0, 0.0)
    assert window.cwnd == left * MSS


def test_idleness_leaves_a_small_window_alone(window):  # RFC 5681 4.1: min(IW, cwnd)
    window.cwnd = 3 * MSS
    window.idle(100.0, 1.0, 0.0)
    assert window.cwnd == 3 * MSS


def test_slow_start_leads_back_after_idleness(window, path):
    window.ssthresh = 100 * MSS
    window.idle(10.0, 1.0, 0.0)
    assert window.cwnd == 10 * MSS
    path.run(0.41)
    assert window.cwnd >= 75 * MSS


def test_without_restart_idleness_of_minutes_leaves_all(window, path):  # RFC 7661 4.4.2, in place of RFC 5681 4.1
    path.run(1.0, use=50 * MSS)
    window.cwnd = 100 * MSS
    window.idle(250.0, math.inf, path.now + 250)
    assert window.cwnd == 100 * MSS
    window.idle(301.0, math.inf, path.now + 301)
    assert window.cwnd == 50 * MSS
