"""Limited transmit (RFC 3042): the first signs of loss let new data go, so that there are more of them."""

import pytest

from tests.stack.tcp.recovering import MSS, opened, sack, starts


@pytest.fixture
def flying(tcp_):
    opened(tcp_)
    tcp_.writes(40 * MSS)
    tcp_.all_sent()
    tcp_.after(0.1)
    return tcp_


def test_each_of_the_first_two_lets_one_go(flying):  # 2
    sack(flying, (1001, 2001))
    assert starts(flying) == [(10_001, MSS)]
    sack(flying, (1001, 3001))
    assert starts(flying) == [(11_001, MSS)]


def test_without_sack_too(tcp_):
    opened(tcp_, sack=False)
    tcp_.writes(40 * MSS)
    tcp_.all_sent()
    for count in range(2):
        tcp_.gets(". 1:1(0) ack 1")
        assert starts(tcp_) == [(10_001 + count * MSS, MSS)]


def test_not_beyond_the_peers_window(tcp_):
    opened(tcp_)
    sack(tcp_, window=10 * MSS)
    tcp_.writes(40 * MSS)
    tcp_.all_sent()
    tcp_.after(0.1)
    sack(tcp_, (1001, 2001), window=10 * MSS)
    assert starts(tcp_) == []


def test_what_says_nothing_new_lets_nothing_go(flying):  # 2: with SACK, only if it brings new information
    sack(flying, (1001, 2001))
    flying.all_sent()
    sack(flying, (1001, 2001))
    flying.gets(". 1:1(0) ack 1")
    assert starts(flying) == []


def test_it_does_not_count_for_the_new_threshold(flying):  # RFC 5681 3.2 (2)
    for end in (2001, 3001, 4001):
        sack(flying, (1001, end))
    assert flying.connection.info().ssthresh == 5 * MSS  # of ten, not of twelve


def test_the_window_itself_does_not_grow(flying):  # RFC 3042 2
    before = flying.connection.info().cwnd
    sack(flying, (1001, 3001))
    assert flying.connection.info().cwnd == before
