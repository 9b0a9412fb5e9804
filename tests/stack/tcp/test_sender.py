"""The sending half alone: which bytes make the next segment, and what is left after an acknowledgment or a loss."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stack.tcp.sender import Sender
from stack.tcp.transmission import LOST

MSS = 100
TEXT = random.Random(5).randbytes(40_000)


def make(window=10_000, *, capacity=100_000, nodelay=False, mss=MSS):
    sender = Sender(0, capacity, nodelay)
    sender.snd_una = sender.snd_nxt = 1
    sender.snd_sml = 1
    sender.mss = mss
    sender.window_update(0, 1, window)
    return sender


def take(sender, cwnd=1 << 30, limit=MSS, now=0.0):
    """(seq, end, bytes) of the next segment, or None."""
    transmission = sender.next(now, cwnd, limit)
    if transmission is None:
        return None
    return transmission.seq, transmission.end, b"".join(transmission.views)


def lose_head(sender):
    if (board := sender.scoreboard()) is not None:
        board.lose_head(MSS)


def test_cuts_segments_of_the_mss():
    sender = make()
    sender.write(TEXT[:250])
    assert take(sender) == (1, 101, TEXT[:100])
    assert take(sender) == (101, 201, TEXT[100:200])
    assert take(sender) == (201, 251, TEXT[200:250])
    assert take(sender) is None


def test_super_segments_are_whole_multiples_of_the_mss_until_the_last():
    sender = make()
    sender.write(TEXT[:1250])
    assert take(sender, limit=1000) == (1, 1001, TEXT[:1000])
    assert take(sender, limit=1000) == (1001, 1251, TEXT[1000:1250])


def test_one_small_segment_waits_for_the_other():  # Nagle, RFC 9293 appendix A.3
    sender = make()
    sender.write(b"a")
    assert take(sender) == (1, 2, b"a")
    sender.write(b"b")
    assert take(sender) is None
    sender.acknowledged(2)
    assert take(sender) == (2, 3, b"b")


def test_a_small_segment_does_not_wait_for_full_ones():
    sender = make()
    sender.write(TEXT[:250])
    assert take(sender, limit=1000) == (1, 251, TEXT[:250])


def test_full_segments_pass_while_a_small_one_waits():
    sender = make()
    sender.write(b"a")
    take(sender)
    sender.write(TEXT[:250])
    assert take(sender, limit=1000) == (2, 202, TEXT[:200])
    assert take(sender, limit=1000) is None


def test_nodelay_sends_at_once():
    sender = make(nodelay=True)
    sender.write(b"a")
    take(sender)
    sender.write(b"b")
    assert take(sender) == (2, 3, b"b")


def test_a_sliver_of_the_window_is_left_alone():  # RFC 9293 3.8.6.2.1
    sender = make(window=1000)
    sender.write(TEXT[:2000])
    while take(sender):
        pass
    sender.window_update(0, 1, 1030)
    assert take(sender) is None
    sender.window_update(0, 1, 1100)
    assert take(sender) == (1001, 1101, TEXT[1000:1100])


def test_half_of_a_small_window_is_worth_a_segment():
    sender = make(window=60)
    sender.write(TEXT[:2000])
    assert take(sender) == (1, 61, TEXT[:60])


def test_the_congestion_window_is_never_cut_into_slivers():
    sender = make()
    sender.write(TEXT[:2000])
    assert take(sender, cwnd=150) == (1, 101, TEXT[:100])
    assert take(sender, cwnd=150) is None


def test_nothing_is_sent_beyond_the_right_edge():
    sender = make(window=1000)
    sender.write(TEXT[:5000])
    ends = []
    while segment := take(sender, limit=300):
        ends.append(segment[1])
    assert ends == [301, 601, 901, 1001]


def test_a_window_whose_edge_moved_left_sends_nothing():  # RFC 9293 3.8.6, MUST-34
    sender = make(window=1000)
    sender.write(TEXT[:5000])
    take(sender, limit=500)
    sender.window_update(0, 1, 200)
    assert take(sender) is None


def test_an_older_segment_brings_no_window():  # RFC 9293 3.10.7.4, SND.WL1 and SND.WL2
    sender = make(window=1000)
    sender.window_update(50, 1, 2000)
    sender.window_update(40, 1, 100)
    assert sender.snd_wnd == 2000
    sender.window_update(50, 0, 100)
    assert sender.snd_wnd == 2000


def test_the_fin_rides_on_the_last_bytes():
    sender = make()
    sender.write(TEXT[:150])
    sender.finish()
    take(sender)
    last = sender.next(0.0, 10_000, MSS)
    assert (last.seq, last.end, last.fin) == (101, 152, True)


def test_a_fin_does_not_wait_for_a_small_segment():
    sender = make()
    sender.write(b"a")
    take(sender)
    sender.finish()
    assert take(sender) == (2, 3, b"")


def test_a_fin_waits_for_room_in_the_window():
    sender = make(window=100)
    sender.write(TEXT[:100])
    sender.finish()
    assert take(sender) == (1, 101, TEXT[:100])
    assert take(sender) is None
    sender.acknowledged(101)
    sender.window_update(1, 101, 50)
    assert take(sender) == (101, 102, b"")
    assert not sender.fin_acknowledged()
    sender.acknowledged(102)
    assert sender.fin_acknowledged()


def test_writes_stop_at_the_capacity():
    sender = make(capacity=1000)
    assert sender.write(TEXT[:700]) == 700
    assert sender.write(TEXT[:700]) == 300
    assert sender.write(b"x") == 0
    take(sender)
    assert sender.write(b"x") == 0
    sender.acknowledged(101)
    assert sender.write(TEXT[:700]) == 100


def test_large_bytes_are_held_and_not_copied():
    sender = make()
    text = bytes(TEXT[:8192])
    sender.write(text)
    view = sender.next(0.0, 1 << 20, 5000).views[0]
    assert view.obj is text


@pytest.mark.parametrize("kind", [bytearray, lambda text: memoryview(bytearray(text))])
def test_what_the_caller_may_change_is_copied(kind):
    sender = make()
    data = kind(TEXT[:8192])
    sender.write(data)
    data[0:4] = b"oops"
    assert take(sender, limit=8200)[2] == TEXT[:8192]


def test_small_writes_become_one_segment():
    sender = make()
    sender.write(b"a")
    take(sender)
    for at in range(50):
        sender.write(TEXT[at : at + 1])
    sender.acknowledged(2)
    assert take(sender) == (2, 52, TEXT[:50])


def test_an_acknowledgment_may_end_within_a_super_segment():
    sender = make()
    sender.write(TEXT[:1000])
    take(sender, limit=1000)
    sender.acknowledged(351)
    sender.lose_all()
    assert take(sender) == (351, 451, TEXT[350:450])


def test_what_was_lost_goes_first_and_in_order():
    sender = make()
    sender.write(TEXT[:350])
    for _ in range(3):
        take(sender)
    sender.lose_all()
    assert take(sender, cwnd=MSS) == (1, 101, TEXT[:100])
    assert take(sender, cwnd=MSS) is None
    sender.acknowledged(101)
    assert take(sender) == (101, 201, TEXT[100:200])
    assert take(sender) == (201, 301, TEXT[200:300])
    assert take(sender) == (301, 351, TEXT[300:350])


def test_what_was_sent_apart_is_resent_together():
    sender = make(nodelay=True)
    for at in range(5):
        sender.write(TEXT[at * 10 : at * 10 + 10])
        take(sender)
    sender.lose_all()
    assert take(sender) == (1, 51, TEXT[:50])


def test_the_first_hole_is_filled_though_the_window_is_full():
    sender = make()
    sender.write(TEXT[:1000])
    for _ in range(10):
        take(sender)
    lose_head(sender)
    assert take(sender, cwnd=500) == (1, 101, TEXT[:100])
    assert take(sender, cwnd=500) is None


def test_a_hole_that_is_filled_in_pieces_keeps_the_order():
    sender = make()
    sender.write(TEXT[:300])
    for _ in range(3):
        take(sender)
    lose_head(sender)
    sender.window_update(0, 1, 40)
    assert take(sender)[:2] == (1, 41)
    sender.window_update(0, 1, 1000)
    assert take(sender)[:2] == (41, 101)
    sender.acknowledged(51)
    sender.lose_all()
    assert [take(sender)[:2] for _ in range(3)] == [(51, 101), (101, 201), (201, 301)]


def test_a_time_out_before_all_was_resent_keeps_the_order():
    sender = make()
    sender.write(TEXT[:500])
    for _ in range(5):
        take(sender)
    sender.lose_all()
    take(sender, cwnd=2 * MSS)
    take(sender, cwnd=2 * MSS)
    sender.lose_all()
    assert [take(sender)[0] for _ in range(5)] == [1, 101, 201, 301, 401]


def test_the_time_of_the_newest_range_is_the_sample():
    sender = make()
    sender.write(TEXT[:300])
    for now in (1.0, 2.0, 3.0):
        take(sender, now=now)
    assert sender.acknowledged(201) == 2.0


def test_what_was_sent_twice_gives_no_sample():  # Karn
    sender = make()
    sender.write(TEXT[:300])
    for now in (1.0, 2.0, 3.0):
        take(sender, now=now)
    lose_head(sender)
    take(sender, now=4.0)
    assert sender.acknowledged(301) is None


def test_a_closed_window_is_probed_with_one_byte():
    sender = make(window=0)
    sender.write(TEXT[:300])
    assert take(sender) is None
    probe = sender.probe(1.0)
    assert (probe.seq, probe.end) == (1, 2)
    again = sender.probe(2.0)
    assert (again.seq, again.end) == (1, 2)


def test_a_silly_window_is_filled_in_the_end():
    sender = make(window=1000)
    sender.write(TEXT[:2000])
    while take(sender):
        pass
    sender.acknowledged(1001)
    sender.window_update(0, 1001, 30)
    assert take(sender) is None
    probe = sender.probe(1.0)
    assert (probe.seq, probe.end) == (1001, 1031)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 900)),
        st.tuples(st.just("send"), st.integers(1, 12)),
        st.tuples(st.just("ack"), st.floats(0, 1)),
        st.tuples(st.just("lose"), st.sampled_from(["all", "head"])),
        st.tuples(st.just("window"), st.integers(0, 5000)),
        st.tuples(st.just("probe"), st.none()),
    ),
    max_size=60,
)


@example(
    [("write", 101), ("send", 1), ("lose", "head"), ("window", 26), ("send", 1), ("lose", "all"), ("send", 1)], False
)
@given(actions, st.booleans())
def test_the_bytes_are_right_whatever_happens(script, nodelay):
    sender = make(nodelay=nodelay)
    written = 0
    for action, value in script:
        sent = []
        if action == "write":
            written += sender.write(TEXT[written : written + value])
        elif action == "send":
            while segment := sender.next(0.0, 2000, value * MSS):
                sent.append(segment)
        elif action == "ack":
            sender.acknowledged(sender.snd_una + int((sender.snd_nxt - sender.snd_una) * value))
        elif action == "window":
            sender.window_update(0, sender.snd_una, value)
        elif action == "probe":
            sent.append(sender.probe(0.0))
        elif value == "all":
            sender.lose_all()
        else:
            lose_head(sender)
        for segment in filter(None, sent):
            assert b"".join(segment.views) == TEXT[segment.seq - 1 : segment.end - 1]
            assert segment.end <= sender.snd_nxt
        ranges = list(sender.in_flight or ())
        assert [one.seq for one in ranges] == [sender.snd_una, *(one.end for one in ranges)][: len(ranges)]
        lost = sum(one.end - one.seq for one in ranges if one.state == LOST)
        assert lost == (sender.board.lost_bytes if sender.board else 0)
        assert sum(one.end - one.seq for one in ranges) == sender.snd_nxt - sender.snd_una
        assert sender.buffered == written - (sender.snd_una - 1)
        assert sender.unsent_bytes == written - (sender.snd_nxt - 1)


def test_a_probe_is_of_one_segment_at_most_and_knows_when_it_was_sent():
    sender = make()
    sender.write(TEXT[:250])
    probe = sender.probe(5.0)
    assert (probe.seq, probe.end, probe.sent_at) == (1, 101, 5.0)
    assert sender.acknowledged(101) == 5.0


def test_a_fin_that_probes_knows_when_it_was_sent():
    sender = make(window=0)
    sender.finish()
    assert sender.probe(5.0).sent_at == 5.0


def test_nothing_is_left_of_what_is_discarded():
    sender = make()
    sender.write(TEXT[:250])
    take(sender)
    sender.discard()
    assert (sender.buffered, take(sender)) == (0, None)
