"""RFC 6298, on the estimator alone."""

from itertools import pairwise

import pytest

from stack.tcp.rtt import RttEstimator


@pytest.fixture
def rtt():
    return RttEstimator(initial=1.0, minimum=0.2, maximum=60.0)


def test_begins_at_the_initial_time_out(rtt):  # 2.1
    assert rtt.rto == 1.0


def test_the_first_sample_is_the_mean_and_half_of_it_the_variance(rtt):  # 2.2
    rtt.sample(0.4)
    assert rtt.srtt == 0.4
    assert rtt.rttvar == 0.2
    assert rtt.rto == pytest.approx(0.4 + 4 * 0.2)


def test_later_samples_move_mean_and_variance_by_an_eighth_and_a_quarter(rtt):  # 2.3
    rtt.sample(0.4)
    rtt.sample(0.8)
    assert rtt.rttvar == pytest.approx(0.75 * 0.2 + 0.25 * 0.4)
    assert rtt.srtt == pytest.approx(0.875 * 0.4 + 0.125 * 0.8)
    assert rtt.rto == pytest.approx(rtt.srtt + 4 * rtt.rttvar)


def test_the_minimum_is_kept_above_the_mean(rtt):
    for _ in range(100):
        rtt.sample(0.05)
    assert rtt.rto == pytest.approx(0.25)


def test_the_maximum_is_kept(rtt):  # 2.5
    rtt.sample(100.0)
    assert rtt.rto == 60.0
    rtt.back_off()
    assert rtt.rto == 60.0


def test_back_off_doubles(rtt):  # 5.5
    rtt.back_off()
    rtt.back_off()
    assert rtt.rto == 4.0


def test_a_sample_ends_the_back_off(rtt):  # 5.7
    rtt.sample(0.1)
    before = rtt.rto
    rtt.back_off()
    rtt.sample(0.1)
    assert rtt.rto <= before


def test_a_lost_syn_makes_the_time_out_three_seconds(rtt):  # 5.7
    rtt.back_off()
    rtt.restart_after_lost_syn()
    assert rtt.rto == 3.0


def test_a_lost_syn_matters_no_more_once_something_was_measured(rtt):
    rtt.sample(0.1)
    rtt.restart_after_lost_syn()
    assert rtt.rto == pytest.approx(0.1 + 0.2)


def test_the_default_maximum_is_a_minute_at_least(tcp_):  # 2.5
    tcp_.established()
    tcp_.writes(1)
    tcp_.after(400)
    times = [one.at for one in tcp_.all_sent()]
    assert max(later - earlier for earlier, later in pairwise(times)) >= 60
