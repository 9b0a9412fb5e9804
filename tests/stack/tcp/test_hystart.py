"""HyStart++ (RFC 9406) in CUBIC's first slow start."""

import pytest

from stack.tcp.congestion import UNLIMITED, Cubic
from tests.stack.tcp.windows import MSS, Path


@pytest.fixture
def window():
    return Cubic(MSS, 20 * MSS)


@pytest.fixture
def path(window):
    return Path(window)


def grown(path):
    """By what factor the window grows in one round trip."""
    before = path.window.cwnd
    path.round()
    return path.window.cwnd / before


def test_slow_start_doubles_while_round_trips_stay_short(path):
    for rtt in (0.1, 0.102, 0.101, 0.103, 0.105):
        path.rtt = rtt
        assert grown(path) == pytest.approx(2.0, abs=0.15)


def test_a_longer_round_trip_slows_it_to_a_quarter(path, window):  # 4.2: CSS_GROWTH_DIVISOR
    path.round()
    path.rtt = 0.113  # 0.1 + max(4 ms, min(0.1 / 8, 16 ms)) = 0.1125
    path.round()  # eight samples into this one it is noticed
    path.ack()
    assert grown(path) == pytest.approx(1.25, abs=0.05)
    assert window.ssthresh == UNLIMITED


@pytest.mark.parametrize(
    ("rtt", "longer", "slower"),
    [
        (0.010, 0.0135, False),  # 10 ms / 8 is less than MIN_RTT_THRESH, 4 ms
        (0.010, 0.0145, True),
        (0.080, 0.0895, False),  # 80 ms / 8 = 10 ms
        (0.080, 0.0905, True),
        (0.400, 0.4155, False),  # 400 ms / 8 is more than MAX_RTT_THRESH, 16 ms
        (0.400, 0.4165, True),
    ],
)
def test_how_much_longer_is_an_eighth_within_bounds(path, rtt, longer, slower):  # 4.2
    path.rtt = rtt
    path.round()
    path.rtt = longer
    path.round()
    assert (grown(path) < 1.5) is slower


def test_less_than_eight_samples_prove_nothing(path):  # 4.2: N_RTT_SAMPLE
    for _ in range(10):
        path.ack()  # the first is a round of its own, the others are one
    path.rtt = 0.2
    growth = []
    for _ in range(9):
        before = path.window.cwnd
        path.ack()
        growth.append(path.window.cwnd - before)
    assert growth == [2 * MSS] * 8 + [MSS // 2]


def test_an_acknowledgment_of_many_segments_counts_for_many(window):
    path = Path(window, acked=16 * MSS)
    window.cwnd = 64 * MSS
    path.round()
    path.rtt = 0.2
    path.round()
    assert grown(path) == pytest.approx(1.25, abs=0.05)


def test_five_rounds_of_it_end_slow_start(path, window):  # 4.2: CSS_ROUNDS
    path.round()
    path.rtt = 0.2
    rounds = 0
    while window.ssthresh == UNLIMITED:
        path.round()
        rounds += 1
    assert 5 <= rounds <= 6  # the one in which it was noticed counts
    assert window.cwnd >= window.ssthresh > 20 * MSS


def test_shorter_round_trips_again_resume_slow_start(path, window):  # 4.2: it was jitter
    path.round()
    path.rtt = 0.2
    path.round()
    path.round()
    path.rtt = 0.1
    path.round()
    assert grown(path) == pytest.approx(2.0, abs=0.15)
    assert window.ssthresh == UNLIMITED


def test_it_may_leave_again_after_it_has_resumed(path, window):
    path.round()
    for rtt in (0.2, 0.2, 0.1, 0.1, 0.2, 0.2):
        path.rtt = rtt
        path.round()
    assert grown(path) == pytest.approx(1.25, abs=0.05)


def test_a_loss_ends_it_where_the_loss_says(path, window):  # 4.2
    path.round()
    path.rtt = 0.2
    path.round()
    cwnd = window.cwnd
    path.lose()
    assert window.ssthresh == round(cwnd * 0.7)


def test_acknowledgments_that_allow_no_sample_grow_the_window_all_the_same(window):
    for _ in range(10):
        window.acknowledged(2 * MSS, window.cwnd, None, 1.0)
    assert window.cwnd == 40 * MSS
