"""RFC 5681 3.2, RFC 6582 and RFC 3042 on the counting of duplicates alone."""

import pytest

from stack.tcp.recovery import Recovery

MSS = 1000
ISS = 0


@pytest.fixture
def recovery():
    return Recovery(ISS)


def in_recovery(recovery, una=1, nxt=20_001):
    for _ in range(3):
        lost = recovery.duplicate(una, nxt, MSS)
    assert lost
    return recovery


def test_the_third_duplicate_means_loss(recovery):
    assert not recovery.duplicate(1, 9001, MSS)
    assert not recovery.duplicate(1, 9001, MSS)
    assert recovery.duplicate(1, 9001, MSS)


def test_the_first_two_let_one_segment_go_each(recovery):  # RFC 3042
    recovery.duplicate(1, 9001, MSS)
    assert recovery.inflation == MSS
    recovery.duplicate(1, 9001, MSS)
    assert recovery.inflation == 2 * MSS


def test_each_further_duplicate_inflates(recovery):
    in_recovery(recovery)
    assert recovery.inflation == 3 * MSS
    assert not recovery.duplicate(1, 20_001, MSS)
    assert recovery.inflation == 4 * MSS


def test_new_data_ends_the_count(recovery):
    recovery.duplicate(1, 9001, MSS)
    recovery.duplicate(1, 9001, MSS)
    recovery.acknowledged(1001, MSS, MSS)
    assert recovery.inflation == 0
    assert not recovery.duplicate(1001, 9001, MSS)


def test_a_partial_acknowledgment_names_the_next_hole(recovery):
    in_recovery(recovery)
    assert recovery.acknowledged(5001, 5000, MSS)
    assert recovery.fast


def test_a_partial_acknowledgment_deflates_and_lets_one_go(recovery):
    in_recovery(recovery)
    for _ in range(4):
        recovery.duplicate(1, 20_001, MSS)
    recovery.acknowledged(5001, 5000, MSS)
    assert recovery.inflation == 7 * MSS - 5 * MSS + MSS


def test_only_the_first_partial_acknowledgment_restarts_the_timer(recovery):
    in_recovery(recovery)
    recovery.acknowledged(1001, MSS, MSS)
    assert recovery.restart_timer()
    recovery.acknowledged(2001, MSS, MSS)
    assert not recovery.restart_timer()


def test_a_hole_that_goes_on_is_filled_in_doubling_strides(recovery):
    in_recovery(recovery)
    assert recovery.stride == MSS
    recovery.acknowledged(1001, MSS, MSS)
    assert recovery.stride == 2 * MSS
    recovery.acknowledged(3001, 2 * MSS, MSS)
    assert recovery.stride == 4 * MSS
    recovery.acknowledged(9001, 6 * MSS, MSS)  # another hole
    assert recovery.stride == MSS


def test_everything_acknowledged_ends_it(recovery):
    in_recovery(recovery)
    assert not recovery.acknowledged(20_001, 20_000, MSS)
    assert not recovery.fast
    assert recovery.inflation == 0


def test_duplicates_of_what_a_time_out_sent_again_are_no_loss(recovery):  # RFC 6582 3.2 (2), (4)
    recovery.timed_out(20_001)
    recovery.acknowledged(5001, 5000, MSS)
    assert not any(recovery.duplicate(5001, 20_001, MSS) for _ in range(5))


def test_beyond_the_time_out_duplicates_count_again(recovery):
    recovery.timed_out(20_001)
    recovery.acknowledged(21_001, 21_000, MSS)
    assert [recovery.duplicate(21_001, 30_001, MSS) for _ in range(3)] == [False, False, True]
