"""NewReno's window alone, in bytes (RFC 5681, RFC 6582)."""

import pytest

from stack.tcp.congestion import UNLIMITED, NewReno

MSS = 1000


@pytest.fixture
def window():
    return NewReno(MSS, 10 * MSS)


def test_begins_with_the_initial_window_in_slow_start(window):
    assert window.cwnd == 10 * MSS
    assert window.ssthresh == UNLIMITED


def test_slow_start_adds_what_was_acknowledged(window):
    window.acknowledged(4 * MSS, 10 * MSS, None, 0.0)
    assert window.cwnd == 14 * MSS


def test_slow_start_ends_at_ssthresh(window):
    window.ssthresh = 12 * MSS
    window.acknowledged(10 * MSS, 10 * MSS, None, 0.0)
    assert window.cwnd == 12 * MSS


def test_congestion_avoidance_adds_a_segment_a_window(window):  # RFC 5681 3.1
    window.ssthresh = window.cwnd
    for _ in range(9):
        window.acknowledged(MSS, 10 * MSS, None, 0.0)
    assert window.cwnd == 10 * MSS
    window.acknowledged(MSS, 10 * MSS, None, 0.0)
    assert window.cwnd == 11 * MSS


def test_a_window_that_is_not_used_does_not_grow(window):
    window.acknowledged(MSS, 4 * MSS, None, 0.0)
    assert window.cwnd == 10 * MSS


def test_fast_retransmit_halves_what_was_in_flight(window):
    window.reduce(8 * MSS, 0.0)
    assert window.ssthresh == 4 * MSS
    assert window.cwnd == 10 * MSS  # the recovery steers it down


def test_the_threshold_is_never_below_two_segments(window):
    window.reduce(MSS, 0.0)
    assert window.ssthresh == 2 * MSS


def test_recovery_ends_without_a_burst(window):  # RFC 6582 3.2 (3), option 1
    window.reduce(20 * MSS, 0.0)
    window.recovered(MSS, 0.0)
    assert window.cwnd == 2 * MSS


def test_recovery_ends_at_the_threshold_when_the_pipe_is_full(window):
    window.cwnd = 20 * MSS
    window.reduce(20 * MSS, 0.0)
    window.recovered(30 * MSS, 0.0)
    assert window.cwnd == 10 * MSS


def test_a_time_out_leaves_one_segment(window):
    window.timed_out(10 * MSS, True, 0.0)
    assert window.cwnd == MSS
    assert window.ssthresh == 5 * MSS


def test_a_second_time_out_holds_the_threshold(window):  # RFC 5681 3.1
    window.timed_out(10 * MSS, True, 0.0)
    window.timed_out(MSS, False, 0.0)
    assert window.ssthresh == 5 * MSS


def test_idleness_ends_a_grown_window(window):  # RFC 5681 4.1
    window.acknowledged(10 * MSS, 10 * MSS, None, 0.0)
    window.idle(2.0, 1.0, 0.0)
    assert window.cwnd == 10 * MSS
    window.cwnd = 3 * MSS
    window.idle(2.0, 1.0, 0.0)
    assert window.cwnd == 3 * MSS


def test_a_reduction_for_nothing_is_undone(window):
    window.reduce(10 * MSS, 0.0)
    window.cwnd = window.ssthresh
    window.undo()
    assert window.cwnd == 10 * MSS
    assert window.ssthresh == UNLIMITED
