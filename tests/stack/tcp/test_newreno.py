"""Recovery from duplicate ACKs alone, where one side does not speak SACK: RFC 5681 3.2, RFC 6582."""

import pytest

from tests.stack.tcp.recovering import MSS, opened, starts


@pytest.fixture
def flying(tcp_):
    """Ten segments are in flight, and more waits."""
    opened(tcp_, sack=False)
    tcp_.writes(60 * MSS)
    tcp_.all_sent()
    tcp_.after(0.1)
    return tcp_


def duplicates(tcp, count, ack=1):
    for _ in range(count):
        tcp.gets(f". 1:1(0) ack {ack}")


def test_two_duplicates_are_no_loss(flying):
    duplicates(flying, 2)
    flying.gets(". 1:1(0) ack 1001")
    duplicates(flying, 2, 1001)
    assert flying.connection.info().fast_retransmits == 0


def test_the_third_is(flying):  # RFC 5681 3.2 (2)
    duplicates(flying, 2)
    flying.all_sent()
    duplicates(flying, 1)
    assert starts(flying) == [(1, MSS)]


def test_a_partial_acknowledgment_shows_the_next_hole(flying):  # RFC 6582 3.2 (3)
    duplicates(flying, 3)
    flying.all_sent()
    flying.after(0.1)
    flying.gets(". 1:1(0) ack 4001")
    assert starts(flying)[0] == (4001, MSS)
    flying.gets(". 1:1(0) ack 7001")
    assert starts(flying)[0] == (7001, MSS)
    assert flying.connection.info().fast_retransmits == 1


def test_all_acknowledged_is_the_end(flying):  # RFC 6582 3.2 (3): a full acknowledgment
    duplicates(flying, 3)
    recover = flying.connection.sender.snd_nxt - flying.iss
    flying.gets(f". 1:1(0) ack {recover}")
    flying.all_sent()
    duplicates(flying, 3, recover)
    assert flying.connection.info().fast_retransmits == 1  # 6582 3.2 (2): not beyond `recover` yet
    flying.gets(f". 1:1(0) ack {recover + MSS}")
    duplicates(flying, 3, recover + MSS)
    assert flying.connection.info().fast_retransmits == 2


def test_after_a_time_out_duplicates_of_its_copies_are_no_loss(flying):  # RFC 6582 3.2 (4)
    flying.after(0.4)
    assert flying.connection.info().timeouts == 1
    flying.gets(". 1:1(0) ack 2001")
    duplicates(flying, 5, 2001)
    assert flying.connection.info().fast_retransmits == 0


def test_a_lying_peer_cannot_make_the_pipe_negative(flying):
    """Each duplicate says that a segment has arrived; a thousand of them do not say that a thousand have."""
    duplicates(flying, 1000)
    sender = flying.connection.sender
    assert 0 <= sender.flying() <= sender.snd_nxt - sender.snd_una
    assert sender.snd_nxt - sender.snd_una <= sender.snd_wnd
    assert flying.connection.info().cwnd <= 10 * MSS
    assert flying.connection.info().retransmissions == 1


def test_a_super_segment_lost_is_resent_in_growing_strides(tcp_):
    """Not in a round trip for each of its forty segments."""
    opened(tcp_, sack=False, gso_max=65536, initial_window=80)
    tcp_.writes(65 * MSS)
    tcp_.all_sent()
    duplicates(tcp_, 3)
    trips, una = 1, 1
    while una < 33_001:
        sent = [one for one in tcp_.all_sent() if one.seq >= una]
        assert sent
        una = sent[0].seq + sent[0].length
        trips += 1
        tcp_.gets(f". 1:1(0) ack {una}")
    assert trips < 10


def test_strides_begin_anew_at_another_hole_and_double_where_it_goes_on(tcp_):
    opened(tcp_, sack=False, gso_max=65536, initial_window=80)
    tcp_.writes(65 * MSS)
    tcp_.all_sent()
    duplicates(tcp_, 3)
    assert starts(tcp_)[0] == (1, MSS)
    for ack, length in ((5001, MSS), (6001, 2 * MSS), (8001, 4 * MSS), (20_001, MSS)):
        tcp_.gets(f". 1:1(0) ack {ack}")
        again = [(seq, size) for seq, size in starts(tcp_) if seq < 65_001]
        assert again == [(ack, length)]


def test_duplicates_while_it_is_repaired_fill_no_hole_again(flying):  # RFC 6582 3.2 (2): only outside of recovery
    duplicates(flying, 3)
    flying.gets(". 1:1(0) ack 4001")
    assert (4001, MSS) in starts(flying)
    duplicates(flying, 3, 4001)
    assert 4001 not in [seq for seq, _ in starts(flying)]


def test_no_hole_is_filled_twice(flying):
    """What was sent again and is still under way is not sent a third time for a partial acknowledgment."""
    duplicates(flying, 3)
    flying.after(0.1)
    for ack in range(2001, 8001, 2000):
        flying.gets(f". 1:1(0) ack {ack}")
    again = [seq for seq, _ in starts(flying) if seq < 10_001]
    assert len(again) == len(set(again))


def test_duplicates_of_the_copies_let_nothing_go(tcp_):
    """After a time-out: they tell of segments that came twice, not of any that left the network."""
    opened(tcp_, sack=False)
    tcp_.writes(10 * MSS)
    tcp_.after(0.31)
    tcp_.gets(". 1:1(0) ack 1001")
    sent = tcp_.all_sent()[-1]
    assert sent.seq == 2001
    duplicates(tcp_, 4, 1001)
    tcp_.sends_nothing()
