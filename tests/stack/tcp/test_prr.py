"""Proportional rate reduction: RFC 6937 and RFC 9937, alone and in conversations."""

import pytest

from stack.tcp.prr import Prr
from tests.stack.tcp.recovering import MSS, opened, sack, starts

SS = 10 * MSS


def test_above_the_threshold_it_sends_in_proportion():  # RFC 9937 6.2
    prr = Prr(20 * MSS)
    allowed = []
    pipe = 20 * MSS
    for _ in range(10):
        pipe -= MSS
        allowed.append(prr.window(MSS, pipe, SS, MSS, False) - pipe)
        sent = allowed[-1] // MSS * MSS
        prr.out += sent
        pipe += sent
    assert sum(size // MSS for size in allowed) == 5  # one for two


def test_the_fast_retransmit_itself_is_never_held_back():
    prr = Prr(20 * MSS)
    assert prr.window(1, 18 * MSS, SS, MSS, False) == 19 * MSS


def test_it_ends_at_the_threshold():
    """With every segment delivered, what is in flight is neither more nor less than ssthresh."""
    prr = Prr(20 * MSS)
    pipe = 20 * MSS
    for _ in range(20):
        pipe -= MSS
        cwnd = prr.window(MSS, pipe, SS, MSS, False)
        while pipe + MSS <= cwnd:
            prr.out += MSS
            pipe += MSS
    assert pipe == SS


def test_below_the_threshold_it_sends_what_arrives():  # the conservative reduction bound
    prr = Prr(20 * MSS)
    prr.out = prr.delivered = 3 * MSS
    assert prr.window(2 * MSS, 4 * MSS, SS, MSS, False) == 6 * MSS


def test_with_progress_it_sends_one_more():  # the slow start reduction bound
    prr = Prr(20 * MSS)
    prr.out = prr.delivered = 3 * MSS
    assert prr.window(2 * MSS, 4 * MSS, SS, MSS, True) == 7 * MSS


def test_never_beyond_the_threshold():
    prr = Prr(20 * MSS)
    prr.out = prr.delivered = 3 * MSS
    assert prr.window(8 * MSS, 9 * MSS, SS, MSS, True) == SS


def test_what_was_not_sent_before_may_be_made_up_for():
    prr = Prr(20 * MSS)
    prr.delivered = 8 * MSS
    prr.out = 2 * MSS
    assert prr.window(MSS, 2 * MSS, SS, MSS, False) == 9 * MSS


@pytest.fixture
def flying(tcp_):
    """Twenty segments in flight, sent 100 ms ago; ssthresh will be half of that."""
    opened(tcp_, initial_window=20)
    tcp_.writes(60 * MSS)
    assert len(tcp_.all_sent()) == 20
    tcp_.after(0.1)
    return tcp_


def test_one_segment_for_two_that_arrive(flying):
    held = 4001
    sack(flying, (1001, held))
    sent = [len(starts(flying))]
    while held < 16_001:
        held += MSS
        sack(flying, (1001, held))
        sent.append(len(starts(flying)))
    assert sent[0] == 1 + 0  # the retransmission; what limited transmit sent went before
    assert abs(sum(sent) - 8) <= 1
    assert max(sent) == 1


def test_no_burst_at_the_end(flying):
    held = 4001
    sack(flying, (1001, held))
    while held < 20_001:
        held += MSS
        sack(flying, (1001, held))
    flying.all_sent()
    flying.after(0.1)
    flying.gets(". 1:1(0) ack 20001")
    info = flying.connection.info()
    assert info.ssthresh == 10 * MSS
    assert info.cwnd <= info.ssthresh
    assert len(flying.all_sent()) <= 2


def test_it_goes_on_at_the_threshold(flying):
    sack(flying, (1001, 20_001))
    flying.after(0.1)
    sent = flying.connection.sender.snd_nxt - flying.iss
    flying.gets(f". 1:1(0) ack {sent}")
    flying.after(0.1)
    assert flying.connection.sender.flying() <= 10 * MSS


def test_a_burst_of_losses_is_repaired_at_the_rate_of_arrival(flying):
    """Ten of twenty are lost: what is sent for each that arrives is bounded, though the pipe is empty."""
    sack(flying, (10_001, 20_001))
    first = starts(flying)
    assert [seq for seq, _ in first] == list(range(1, 10_001, MSS))  # ten have arrived
    assert len(first) == 10


def test_a_mark_reduces_in_proportion_too(tcp_):  # RFC 3168 6.1.2; Linux calls it CWR
    tcp_.begin(sack=True, ecn="on", initial_window=20)
    tcp_.listens()
    tcp_.gets(f"SEW 0:0(0) <mss {MSS},sackOK,nop,nop>")
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.accepts()
    tcp_.writes(60 * MSS)
    tcp_.all_sent()
    tcp_.gets("E. 1:1(0) ack 2001")
    info = tcp_.connection.info()
    assert info.ssthresh < info.cwnd < 20 * MSS  # not all at once
    sent = len(tcp_.all_sent())
    for ack in range(4001, 20_001, 2000):
        tcp_.gets(f"E. 1:1(0) ack {ack}")
        sent += len(tcp_.all_sent())
    assert sent < 12  # about one for two
    assert tcp_.connection.info().ssthresh == info.ssthresh  # once for a window of data
    tcp_.gets(". 1:1(0) ack 20001")
    tcp_.gets(". 1:1(0) ack 21001")
    assert tcp_.connection.sender.flying() <= info.ssthresh + 2 * MSS


# bytes


def test_at_the_threshold_nothing_goes_though_less_was_sent_than_in_proportion():  # RFC 9937 6.2
    prr = Prr(20 * MSS)
    prr.delivered, prr.out = 8 * MSS, 3 * MSS
    assert prr.window(MSS, SS, SS, MSS, False) == SS


def test_what_was_sent_too_much_is_not_topped():
    prr = Prr(20 * MSS)
    prr.delivered, prr.out = 2 * MSS, 5 * MSS
    assert prr.window(MSS, 15 * MSS, SS, MSS, False) == 15 * MSS


@pytest.mark.parametrize("recover_fs", [0, 1])
def test_a_share_is_rounded_up_to_whole_bytes(recover_fs):
    prr = Prr(3)
    prr.out = 1
    assert repr(prr.window(4, 20, 10, 1, False)) == "33"  # 40/3, less what is out
    prr = Prr(recover_fs)  # however little there is to recover
    assert prr.window(1, 20 * MSS, SS, MSS, False) == 30 * MSS
