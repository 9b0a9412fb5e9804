"""One ACK alone: what it says of a sender's bytes, and of the round trip. RFC 2018, 2883, 5682, 6937, 7323."""

from __future__ import annotations

import pytest

from stack.tcp.heard import Heard
from stack.tcp.sender import Sender

MSS = 1000
MIN_RTT = 0.1
NOW = 2000.0


@pytest.fixture
def sender():
    """Six segments in flight from 1 on, the last sent half a second ago and each 10 ms after the one before."""
    sender = Sender(1, 100 * MSS, True)
    sender.mss, sender.snd_wnd, sender.max_window = MSS, 10 * MSS, 10 * MSS
    sender.write(bytes(6 * MSS))
    for at in range(6):
        sender.next(NOW - 0.55 + at / 100, 10 * MSS, MSS)
    assert sender.snd_nxt == 1 + 6 * MSS
    return sender


def ranges(*segments):
    """A block for each pair of segments, by their numbers from 0."""
    return tuple((1 + start * MSS, 1 + end * MSS) for start, end in segments)


def read(sender, ack, *blocks, board=True, echo=None):
    heard = Heard(ack, blocks, False, echo)
    heard.read(sender, sender.scoreboard() if board else None, NOW)
    return heard


# the round trip


@pytest.mark.parametrize("blocks", [((5, 6), (2, 3)), ((2, 3), (5, 6))])
def test_of_all_that_it_tells_of_the_latest_measures(sender, blocks):
    assert read(sender, 1, *ranges(*blocks)).sample == pytest.approx(0.5)


def test_what_it_acknowledges_measures_rather_than_what_it_holds(sender):  # that may have been held for long
    assert read(sender, 1 + 2 * MSS, *ranges((4, 5))).sample == pytest.approx(0.54)


def again(ack, at, echo, dsack=None, sample=None, prior=1):
    """An ACK of a segment that was sent again at that time, and the first time a second before."""
    heard = Heard(ack, (), False, echo)
    heard.prior_una, heard.dsack, heard.sample = prior, dsack, sample
    heard.news = [(1, 1 + MSS, at, True)] if ack > prior else []
    heard.measure(MIN_RTT, NOW)
    return heard.sample


def test_a_copy_that_the_peer_had_measures_if_it_can_have_been_heard():  # RFC 2883
    assert again(1 + MSS, NOW - 0.15, None, dsack=(1, 1 + MSS)) == pytest.approx(0.15)
    assert again(1 + MSS, NOW - 0.05, None, dsack=(1, 1 + MSS)) is None


def test_an_echo_from_before_the_copy_measures_nothing():  # RFC 7323 4.1
    assert again(1 + MSS, NOW - 0.5, int((NOW - 1) * 1000)) is None
    assert again(1 + MSS, NOW - 0.5, int((NOW - 0.5) * 1000)) == pytest.approx(0.5)


def test_the_echo_of_what_acknowledges_nothing_measures_nothing():  # RFC 7323 4.1
    assert again(1, NOW, int((NOW - 0.2) * 1000)) is None


# duplicates


@pytest.mark.parametrize(
    ("block", "within"), [((3, 4), (2, 5)), ((2, 3), (2, 5)), ((4, 5), (2, 5)), ((2, 5), (2, 5)), ((3, 4), (5, 6))]
)
def test_a_block_within_the_second_is_a_duplicate(sender, block, within):  # RFC 2883 4: case 2
    heard = read(sender, 1, *ranges(block, within))
    inside = within[0] <= block[0] and block[1] <= within[1]
    assert heard.dsack == (ranges(block)[0] if inside else None)
    assert heard.sacked == sum(end - start for start, end in ([within] if inside else [block, within])) * MSS


def test_what_follows_a_duplicate_is_held(sender):  # RFC 2883 4
    heard = read(sender, 1 + MSS, *ranges((0, 1), (2, 3), (4, 5)))
    assert heard.dsack == (1, 1 + MSS)
    assert [news[:2] for news in heard.news] == [*ranges((2, 3), (4, 5)), *ranges((0, 1))]
    assert heard.sacked == 2 * MSS


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ((1 + MSS, 1 + MSS), "it is empty"),
        ((1 + 2 * MSS - 10 * MSS - 1, 1 + 2 * MSS), "no window was that large"),
    ],
)
def test_no_duplicate_is(sender, block, why):
    assert read(sender, 1 + 2 * MSS, block).dsack is None, why


def test_no_duplicate_is_of_what_was_never_sent(sender):
    assert read(sender, 1, *ranges((6, 7), (6, 8))).dsack is None


def test_a_whole_window_may_have_come_twice(sender):
    block = (1 + 2 * MSS - 10 * MSS, 1 + 2 * MSS)
    assert read(sender, 1 + 2 * MSS, block).dsack == block


# what is held


def test_a_block_at_the_acknowledgment_is_taken_at_its_word(sender):  # RFC 2018 8: it will not keep it
    heard = read(sender, 1, *ranges((0, 1)))
    assert heard.sacked == MSS
    assert sender.reneged()


def test_only_what_is_newly_held_counts(sender):
    assert read(sender, 1, *ranges((2, 4))).sacked == 2 * MSS
    assert read(sender, 1, *ranges((2, 5))).sacked == MSS
    assert read(sender, 1, *ranges((2, 5))).sacked == 0


# how much has arrived


def test_with_sack_what_is_held_and_what_is_acknowledged_counts(sender):
    heard = read(sender, 1 + MSS, *ranges((3, 5)))
    heard.count(sender, sender.board, True)
    assert heard.delivered == 3 * MSS


@pytest.mark.parametrize(("acked", "guessed", "delivered", "left"), [
    (1, 0, 1, 0),
    (MSS, 2 * MSS, MSS, 2 * MSS),
    (3 * MSS, 2 * MSS, MSS, 0),
    (2 * MSS, 2 * MSS, MSS, MSS),
    (4 * MSS, MSS, 3 * MSS, 0),
])  # fmt: skip
def test_without_it_less_what_duplicates_have_told_of(sender, acked, guessed, delivered, left):  # RFC 6937 3
    sender.scoreboard().guessed = guessed
    heard = read(sender, 1 + acked)
    heard.count(sender, sender.board, False)
    assert (heard.delivered, sender.board.guessed) == (delivered, left)


@pytest.mark.parametrize("acked", [1, 6 * MSS])
def test_without_a_board_all_that_is_acknowledged(sender, acked):
    heard = read(sender, 1 + acked, board=False)
    heard.count(sender, None, False)
    assert heard.delivered == acked
    assert sender.snd_una == 1 + acked


def test_what_ends_where_the_time_out_found_it_was_sent_before(sender):  # RFC 5682 2.1 step 3.b
    heard = read(sender, 1 + MSS)
    assert heard.original(1 + MSS, True)
    assert not heard.original(MSS, True)
