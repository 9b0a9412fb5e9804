"""The sender's scoreboard alone, and against an obvious model: a letter for each byte."""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.tcp.scoreboard import Scoreboard
from stack.tcp.transmission import FLYING, LOST, SACKED, Transmission

TEXT = random.Random(9).randbytes(2000)


def make(*ends, limit=100):
    ranges = deque()
    start = 0
    for at, end in enumerate(ends):
        ranges.append(Transmission(start, end, (TEXT[start:end],), float(at)))
        start = end
    return Scoreboard(ranges, limit)


def states(board):
    return [(one.seq, one.end, "-LS"[one.state]) for one in board.ranges]


def sack(board, start, end):
    news = []
    board.sack(start, end, news)
    return news


def test_a_block_splits_a_range():
    board = make(100)
    assert sack(board, 30, 60) == [(30, 60, 0.0, False)]
    assert states(board) == [(0, 30, "-"), (30, 60, "S"), (60, 100, "-")]
    assert board.sacked_bytes == 30


def test_blocks_that_touch_become_one():
    board = make(10, 20, 30, 40)
    sack(board, 10, 20)
    sack(board, 30, 40)
    sack(board, 20, 30)
    assert states(board) == [(0, 10, "-"), (10, 40, "S")]
    assert board.sacked == 1


def test_what_is_known_is_no_news():
    board = make(10, 20, 30)
    sack(board, 10, 30)
    assert sack(board, 15, 25) == []


def test_too_many_ranges_are_refused():
    board = make(100, limit=2)
    for start in (10, 30, 50):
        sack(board, start, start + 5)
    assert (board.refused, board.sacked) == (True, 2)


def test_what_was_sent_long_before_is_lost():
    board = make(10, 20, 30, 40)  # sent at 0, 1, 2, 3
    sack(board, 30, 40)
    assert board.lose_sent_before(3.0, 40, False, 1.5, 3.0) == 2.0
    assert states(board) == [(0, 10, "L"), (10, 20, "L"), (20, 30, "-"), (30, 40, "S")]
    assert board.lose_sent_before(3.0, 40, False, 1.5, 3.5) is None
    assert board.lost_bytes == 30


@pytest.mark.parametrize(("size", "head"), [(9, 9), (10, 10), (11, 10)])
def test_a_head_is_cut_only_where_it_is_larger_than_what_is_lost(size, head):
    board = make(10, 20)
    board.lose_head(size)
    assert states(board)[0] == (0, head, "L")
    assert len(board.ranges) == (2 if head == 10 else 3)


def test_the_fins_number_makes_no_segment_larger():
    board = make(10, 21)
    board.ranges[-1].fin = True  # 10 bytes, and the FIN
    board.lose_larger(10)
    assert states(board) == [(0, 10, "-"), (10, 21, "-")]
    board.acknowledged(10, [])
    board.lose_head(10)
    assert states(board) == [(10, 21, "L")]


def test_only_what_is_larger_is_lost_when_the_path_takes_less():
    board = make(10, 21, 40)
    board.lose_larger(10)
    assert states(board) == [(0, 10, "-"), (10, 21, "L"), (21, 40, "L")]


def test_duplicates_never_tell_of_more_than_is_under_way():
    board = make(10, 25)
    assert [board.duplicate(10) for _ in range(3)] == [10, 5, 0]
    assert board.guessed == 15  # the first ten are what is missing


def test_a_range_is_cut_in_no_more_pieces_than_its_bytes_are_worth():
    board = Scoreboard(deque([Transmission(100_000, 125_600, (bytes(25_600),), 0.0)]), 10_000)
    for at in range(100_001, 125_600, 2):
        board.sack(at, at + 1, [])
    assert board.refused
    assert board.sacked == (64 + 100) // 2  # 64, and one for every 256 bytes; a byte held costs two cuts


def test_pieces_put_together_again_count_no_more():
    board = make(100)
    sack(board, 10, 20)
    sack(board, 30, 40)
    assert board.pieces == 4
    sack(board, 20, 30)
    assert board.pieces == 2
    board = make(20, 30)
    sack(board, 10, 20)
    assert board.pieces == 1
    sack(board, 20, 30)
    assert board.pieces == 0
    board = make(10, 20, 30)
    sack(board, 10, 20)
    sack(board, 20, 30)
    assert board.pieces == 0  # none was cut


def test_what_was_sent_again_counts_from_then():
    board = make(10, 20)
    sack(board, 10, 20)
    board.lose_head(10)
    board.resend(board.next_lost(), 10, 5.0)
    assert board.lose_sent_before(1.0, 20, False, 0.1, 9.0) is None
    assert board.lost_bytes == 0
    board.lose_sent_before(6.0, 20, False, 0.1, 9.0)
    assert board.lost_bytes == 10
    assert board.relost == 10


def test_the_last_that_may_be_lost_is_what_is_waited_for():
    """Whether it was sent once or again (RFC 8985 6.2 step 5: the maximum of what remains)."""
    board = make(10, 20, 30, 40)  # sent at 0, 1, 2, 3
    board.lose_head(10)
    board.resend(board.next_lost(), 10, 2.5)
    sack(board, 30, 40)
    assert board.lose_sent_before(3.0, 40, False, 10.0, 3.0) == 2.5
    board = make(10, 20, 30, 40)
    board.lose_head(10)
    board.resend(board.next_lost(), 10, 1.5)
    sack(board, 30, 40)
    assert board.lose_sent_before(3.0, 40, False, 10.0, 3.0) == 2.0


def test_what_the_peer_holds_is_not_waited_for():  # RFC 8985 6.2 step 5
    board = make(10, 20, 30, 40, 50)  # sent at 0, 1, 2, 3, 4
    sack(board, 20, 30)
    sack(board, 40, 50)
    board.lose(board.ranges[3])
    assert board.lose_sent_before(4.0, 50, False, 10.0, 4.0) == 1.0


def test_a_part_of_what_was_sent_again_is_still_judged_by_when_that_was():  # RFC 2018, RFC 8985 6.2 step 5
    board = make(20, 30)
    board.lose_head(20)
    board.resend(board.next_lost(), 20, 5.0)
    sack(board, 10, 20)
    assert states(board)[:2] == [(0, 10, "-"), (10, 20, "S")]
    board.lose_sent_before(6.0, 30, True, 0.5, 6.0)
    assert states(board)[0] == (0, 10, "L")


def test_lost_ranges_side_by_side_are_sent_together():
    board = make(10, 20, 30, 40)
    sack(board, 30, 40)
    board.lose_all()
    again = board.resend(board.next_lost(), 25, 5.0)
    assert (again.seq, again.end, b"".join(again.views)) == (0, 20, TEXT[:20])


def test_segments_are_filled_from_a_range_that_has_to_be_cut():
    """After the path's MTU has shrunk from 10 to 6."""
    board = make(10, 20, 30)
    board.lose_all()
    sent = []
    while (one := board.next_lost()) is not None:
        again = board.resend(one, 6, 5.0)
        sent.append((again.seq, again.end))
        assert b"".join(again.views) == TEXT[again.seq : again.end]
    assert sent == [(0, 6), (6, 12), (12, 18), (18, 24), (24, 30)]
    assert board.lost_bytes == 0


def test_what_fits_a_segment_by_itself_is_not_cut_to_fill_another():
    board = make(10, 25, 40)
    board.lose_all()
    assert board.resend(board.next_lost(), 16, 5.0).end == 10
    assert board.resend(board.next_lost(), 16, 5.0).end == 25


def test_ten_thousand_ranges_are_no_burden():
    """Alternate ones held, then all of the others lost, resent, and acknowledged one by one."""
    count = 10_000
    ranges = deque(Transmission(at, at + 1, (b"x",), float(at)) for at in range(count))
    board = Scoreboard(ranges, count)
    for at in range(1, count, 2):
        sack(board, at, at + 1)
    board.lose_sent_before(float(count), count, False, 0.0, 2.0 * count)
    assert board.lost_bytes == count // 2
    while (one := board.next_lost()) is not None:
        board.resend(one, 1, 3.0 * count)
    for ack in range(1, count + 1):
        board.acknowledged(ack, [])
    assert not board.ranges
    assert board.sacked_bytes == board.lost_bytes == board.sacked == 0


def test_nothing_piles_up_that_is_of_no_use():
    """A peer that holds, throws away and holds again, for ever."""
    board = make(*range(10, 2001, 10), limit=1000)
    for turn in range(200):
        for at in range(10, 2000, 20):
            sack(board, at, at + 10)
        board.lose_all()
        while (one := board.next_lost()) is not None:
            board.resend(one, 10, float(turn))
        board.forget_sacked()
        while (one := board.next_lost()) is not None:
            board.resend(one, 10, float(turn))
    assert len(board.lost) < 1000
    assert len(board.resent) < 1000


def test_what_is_acknowledged_is_let_go():
    board = make(*range(10, 101, 10))
    board.lose_all()
    kept = list(board.ranges)
    board.acknowledged(100, [])
    assert not any(one.views for one in kept)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("sack"), st.integers(0, 119), st.integers(1, 40)),
        st.tuples(st.just("ack"), st.integers(0, 20), st.none()),
        st.tuples(st.just("lose"), st.sampled_from(["all", "head", "time", "sacked"]), st.integers(0, 12)),
        st.tuples(st.just("resend"), st.integers(1, 30), st.none()),
        st.tuples(st.just("unlose"), st.none(), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 119), max_size=12), steps)
def test_the_board_says_what_a_letter_for_each_byte_says(cuts, script):
    ends = sorted({*cuts, 120})
    board = make(*ends)
    model = dict.fromkeys(range(120), "-")
    sent_at = {at: float(sum(end <= at for end in ends)) for at in range(120)}
    again = set()
    forgotten = False
    now = 100.0
    for action, value, other in script:
        if not board.ranges:
            break
        now += 1
        una = board.ranges[0].seq
        if action == "sack":
            start, end = max(value, una), min(value + other, 120)
            news = sack(board, start, end) if start < end else []
            expected = {at for at in range(start, end) if model[at] != "S"}
            assert {at for first, last, _, _ in news for at in range(first, last)} == expected
            model.update(dict.fromkeys(expected, "S"))
            for one in board.ranges:  # what is held together is one, and has one time
                if one.state == SACKED:
                    sent_at.update(dict.fromkeys(range(one.seq, one.end), one.sent_at))
        elif action == "ack":
            news = []
            ack = min(una + value, 120)
            board.acknowledged(ack, news)
            expected = {at for at in range(una, ack) if model[at] != "S"}
            assert {at for first, last, _, _ in news for at in range(first, last)} == expected
            for at in range(una, ack):
                del model[at]
        elif action == "lose" and value == "all":
            board.lose_all()
            model.update({at: "L" for at, letter in model.items() if letter == "-"})
        elif action == "lose" and value == "sacked":
            board.forget_sacked()
            forgotten = True
            model.update({at: "L" for at, letter in model.items() if letter == "S"})
        elif action == "lose" and value == "head":
            flying = board.ranges[0].state == FLYING
            end = min(board.ranges[0].end, una + 5)
            board.lose_head(5)
            if flying:
                model.update(dict.fromkeys(range(una, end), "L"))
        elif action == "lose":
            board.lose_sent_before(float(other), 0, False, 0.0, now)
            model.update({at: "L" for at, letter in model.items() if letter == "-" and sent_at[at] < other})
        elif action == "unlose":
            board.unlose()
            model.update({at: "-" for at, letter in model.items() if letter == "L"})
        elif (one := board.next_lost()) is not None:
            assert one.seq == min(at for at, letter in model.items() if letter == "L")
            one = board.resend(one, value, now)
            assert one.end - one.seq <= value
            for at in range(one.seq, one.end):
                assert model[at] == "L"
                model[at] = "-"
                sent_at[at] = now
                again.add(at)
        assert {at: "-LS"[one.state] for one in board.ranges for at in range(one.seq, one.end)} == model
        assert board.sacked_bytes == sum(letter == "S" for letter in model.values())
        assert board.lost_bytes == sum(letter == "L" for letter in model.values())
        assert board.sacked == sum(one.state == SACKED for one in board.ranges)
        assert (board.next_lost() is None) == (board.lost_bytes == 0)
        flying = any(letter == "-" and at in again for at, letter in model.items())
        assert board.flying_again() == flying or forgotten  # what was held together is one now, sent again or not
        for one in board.ranges:
            assert b"".join(one.views) == TEXT[one.seq : one.end]
            assert one.state in (FLYING, LOST, SACKED)
