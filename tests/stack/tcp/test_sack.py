"""Selective acknowledgment both ways: RFC 2018, and of duplicates RFC 2883."""

import pytest

from stack.tcp.recovery import Recovery
from tests.stack.tcp.recovering import opened
from tests.stack.tcp.recovering import sack as block

MSS = 1000
SACK_OK = f"mss {MSS},sackOK,nop,nop"


def blocks(segment, tcp):
    """The SACK option's edges, relative to the peer's numbers."""
    return [(start - tcp.peer_iss & 0xFFFFFFFF, end - tcp.peer_iss & 0xFFFFFFFF) for start, end in segment.options.sack]


def told(tcp):
    """What the SACK of each ACK says."""
    return [blocks(one, tcp) for one in tcp.all_sent()]


def has(tcp, start, end, count=1):
    tcp.gets(f". {start}:{end}({end - start}) ack 1")


@pytest.fixture
def sack(tcp_):
    tcp_.established(options_text=SACK_OK, sack=True)
    return tcp_


# agreeing on it


def test_it_is_offered_in_our_syn(tcp_):  # RFC 2018 2
    tcp_.begin(sack=True)
    tcp_.connects()
    assert tcp_.all_sent()[0].options.sack_permitted


def test_it_is_answered_only_when_offered(tcp_):
    tcp_.begin(sack=True)
    tcp_.listens()
    tcp_.gets("S 0:0(0) <mss 1000>")
    assert not tcp_.all_sent()[0].options.sack_permitted
    tcp_.peer_port += 1
    tcp_.gets("S 0:0(0) <mss 1000,sackOK,nop,nop>")
    assert tcp_.all_sent()[0].options.sack_permitted


def test_it_can_be_switched_off(tcp_):
    tcp_.begin(sack=False)
    tcp_.listens()
    tcp_.gets(f"S 0:0(0) <{SACK_OK}>")
    assert not tcp_.all_sent()[0].options.sack_permitted


@pytest.mark.parametrize("settings", [{"sack": False}, {"sack": True}], ids=["ours", "theirs"])
def test_without_agreement_none_is_sent(tcp_, settings):  # RFC 2018 2
    tcp_.established(options_text="mss 1000" if settings["sack"] else SACK_OK, **settings)
    has(tcp_, 1001, 2001)
    assert told(tcp_) == [[]]


# what our receiver says


def test_what_is_held_behind_a_hole_is_told(sack):  # RFC 2018 4
    has(sack, 1001, 2001)
    assert told(sack) == [[(1001, 2001)]]
    has(sack, 2001, 3001)
    assert told(sack) == [[(1001, 3001)]]


def test_the_block_of_the_latest_segment_comes_first(sack):  # RFC 2018 4
    for start in (1001, 3001, 5001):
        has(sack, start, start + 1000)
    assert told(sack)[-1] == [(5001, 6001), (3001, 4001), (1001, 2001)]
    has(sack, 2001, 3001)
    assert told(sack) == [[(1001, 4001), (5001, 6001)]]


def test_four_blocks_fit(sack):  # RFC 2018 3
    for start in range(1001, 12_001, 2000):
        has(sack, start, start + 1000)
    last = told(sack)[-1]
    assert last == [(start, start + 1000) for start in (11_001, 9001, 7001, 5001)]


def test_three_fit_beside_a_timestamp(tcp_):  # RFC 2018 3
    tcp_.established(options_text=f"mss {MSS},sackOK,TS val 1 ecr 0", sack=True, timestamps=True)
    for start in range(1001, 12_001, 2000):
        tcp_.gets(f". {start}:{start + 1000}(1000) ack 1 <nop,nop,TS val 3 ecr 0>")
    last = tcp_.all_sent()[-1]
    assert blocks(last, tcp_) == [(start, start + 1000) for start in (11_001, 9001, 7001)]
    assert last.options.timestamp is not None


def test_nothing_is_told_of_what_has_come_into_order(sack):  # RFC 2018 4
    has(sack, 1001, 2001)
    has(sack, 3001, 4001)
    sack.all_sent()
    has(sack, 1, 1001)
    assert [(one.ack, blocks(one, sack)) for one in sack.all_sent()] == [(2001, [(3001, 4001)])]
    has(sack, 2001, 3001)
    assert [(one.ack, blocks(one, sack)) for one in sack.all_sent()] == [(4001, [])]


def test_each_segment_of_a_batch_is_told_of(sack):
    """As if each had been acknowledged when it came: none of them is in too few ACKs to survive a loss."""
    for start in range(1001, 12_001, 2000):
        sack.gets(f". {start}:{start + 1000}(1000) ack 1", flush=False)
    sack.flush()
    assert [one[0] for one in told(sack)] == [(start, start + 1000) for start in range(1001, 12_001, 2000)]


def test_small_data_carries_it_too(sack):
    has(sack, 1001, 2001)
    sack.all_sent()
    sack.writes(100)
    sent = sack.all_sent()[-1]
    assert sent.length == 100
    assert blocks(sent, sack) == [(1001, 2001)]


def test_full_segments_have_no_room_for_it(sack):
    has(sack, 1001, 2001)
    sack.all_sent()
    sack.writes(MSS)
    sent = sack.all_sent()[-1]
    assert (sent.length, sent.options.sack) == (MSS, ())


# duplicates


def test_a_segment_that_came_before_is_told_first(sack):  # RFC 2883 4.1.1
    has(sack, 1, 1001)
    sack.all_sent()
    has(sack, 1, 1001)
    assert told(sack) == [[(1, 1001)]]


def test_a_duplicate_beside_a_hole(sack):  # RFC 2883 4.1.2
    has(sack, 1, 1001)
    has(sack, 2001, 3001)
    sack.all_sent()
    has(sack, 1, 1001)
    assert told(sack) == [[(1, 1001), (2001, 3001)]]


def test_a_duplicate_of_what_is_held_is_followed_by_its_block(sack):  # RFC 2883 4.1.3
    for start in (1001, 2001, 5001):
        has(sack, start, start + 1000)
    sack.all_sent()
    has(sack, 1001, 2001)
    assert told(sack) == [[(1001, 2001), (1001, 3001), (5001, 6001)]]


def test_of_a_segment_that_is_new_in_part_the_old_part_is_told(sack):  # RFC 2883 4.2
    has(sack, 1, 1001)
    sack.all_sent()
    has(sack, 501, 1501)
    sent = sack.all_sent()[-1]
    assert (sent.ack, blocks(sent, sack)) == (1501, [(501, 1001)])


def test_a_segment_that_reaches_into_what_is_held(sack):  # RFC 2883 4.2.2
    has(sack, 1001, 2001)
    sack.all_sent()
    has(sack, 1, 1501)
    sent = sack.all_sent()[-1]
    assert (sent.ack, blocks(sent, sack)) == (2001, [(1001, 1501)])


def test_a_duplicate_is_told_once(sack):  # RFC 2883 4: each only once
    has(sack, 1, 1001)
    has(sack, 1, 1001)
    sack.all_sent()
    has(sack, 2001, 3001)
    assert told(sack) == [[(2001, 3001)]]


# what our sender makes of it


@pytest.fixture
def flying(sack):
    """Ten segments are in flight, and more waits."""
    sack.writes(40 * MSS)
    assert len(sack.all_sent()) == 10
    return sack


def sacks(tcp, *edges, ack=1, flush=True):
    text = " ".join(f"{start}:{end}" for start, end in edges)
    iss = tcp.iss
    text = " ".join(f"{start + iss}:{end + iss}" for start, end in edges)
    tcp.gets(f". 1:1(0) ack {ack} <nop,nop,sack {text}>", flush=flush)


def starts(tcp):
    return [(one.seq, one.length) for one in tcp.all_sent()]


def test_only_what_is_missing_is_sent_again(flying):
    """Two holes among ten segments: no more than those two."""
    sacks(flying, (1001, 3001))
    sacks(flying, (4001, 8001), (1001, 3001))
    sacks(flying, (4001, 11_001), (1001, 3001))
    again = [one for one in starts(flying) if one[0] < 10_001]
    assert again == [(1, MSS), (3001, MSS)]


def test_a_block_may_cover_part_of_a_super_segment(tcp_):
    tcp_.established(options_text=SACK_OK, sack=True, gso_max=65536)
    tcp_.writes(10 * MSS)
    assert starts(tcp_) == [(1, 10 * MSS)]
    sacks(tcp_, (1001, 4001))
    sacks(tcp_, (5001, 10_001), (1001, 4001))
    assert starts(tcp_) == [(1, MSS), (4001, MSS)]


def test_a_part_of_a_segment_is_not_held(flying):
    """As Linux: what was sent as one is sent again as one (RFC 2018 5 marks segments)."""
    for _ in range(5):
        sacks(flying, (9500, 10_001))
        sacks(flying, (4001, 4500))
    assert flying.connection.sender.board is None
    sacks(flying, (4500, 7500))
    assert flying.connection.sender.board.sacked_bytes == 2 * MSS


@pytest.mark.parametrize(
    "edges",
    [(11_001, 12_001), (9001, 11_002), (2001, 1001), (2001, 2001), (0, 2001)],
    ids=["unsent", "half unsent", "backwards", "empty", "before snd_una"],
)
def test_what_cannot_be_is_not_believed(flying, edges):
    for _ in range(5):
        sacks(flying, edges)
    assert flying.connection.sender.board is None
    assert [one for one in starts(flying) if one[0] < 10_001] == []


def test_data_that_is_held_is_not_forgotten_until_it_is_acknowledged(flying):  # RFC 2018 8
    sacks(flying, (1001, 10_001))
    assert flying.connection.sender.buffered == 40 * MSS


def test_after_a_time_out_what_is_held_is_not_sent_again(flying):
    sacks(flying, (5001, 10_001), flush=False)
    flying.link.full = False
    flying.flush()
    flying.all_sent()
    flying.after(0.5)
    assert all(not 5001 <= one[0] < 10_001 for one in starts(flying))


def test_a_peer_that_throws_away_what_it_held_gets_it_again(flying):  # RFC 2018 8
    sacks(flying, (2001, 10_001))
    flying.all_sent()
    sacks(flying, (5001, 10_001), ack=2001)  # 2001 was held, it said
    flying.all_sent()
    flying.after(1.0)
    assert (2001, MSS) in starts(flying)
    assert flying.connection.recovery.reneged == 1
    sender = flying.connection.sender
    assert sender.board.sacked_bytes == 0
    assert sender.board.lost_bytes == sender.snd_nxt - sender.snd_una - MSS  # nothing is taken for held, or flying


def test_it_is_given_half_a_round_trip_to_say_that_it_has_it_after_all(tcp_):  # RFC 2018 8; as Linux
    opened(tcp_, rtt=0.1)
    tcp_.writes(10 * MSS)
    tcp_.after(0.1)
    block(tcp_, (2001, 10_001))
    block(tcp_, (5001, 10_001), ack=2001)
    tcp_.all_sent()
    half = tcp_.connection.rtt.srtt / 2
    tcp_.after(half - 0.001)
    tcp_.sends_nothing()
    tcp_.after(0.002)
    assert tcp_.all_sent()[0].seq == 2001


@pytest.mark.parametrize(("srtt", "seconds"), [(None, 0.01), (0.001, 0.01), (0.02, 0.01), (0.2, 0.1), (3.0, 1.5)])
def test_but_no_less_than_ten_milliseconds(srtt, seconds):
    assert Recovery.doubt(srtt) == seconds


@pytest.mark.parametrize(("window", "length"), [(65535, MSS), (0, 1)])
def test_it_gets_it_again_though_nothing_else_is_under_way(tcp_, window, length):  # RFC 2018 8
    opened(tcp_)
    tcp_.writes(4 * MSS)
    tcp_.after(0.1)
    block(tcp_, (1001, 4001))
    block(tcp_, ack=1001)  # the second to fourth were held, it said
    block(tcp_, ack=1001, window=window)
    tcp_.all_sent()
    tcp_.after(1.0)
    sent = tcp_.all_sent()[0]
    assert (sent.seq, sent.length) == (1001, length)
    block(tcp_, ack=1001 + length)
    tcp_.after(0.0)
    assert tcp_.all_sent()[0].seq == 1001 + length
    block(tcp_, ack=4001)
    assert tcp_.connection.sender.in_flight is None


def test_what_is_held_measures_the_round_trip(flying):
    flying.after(0.07)
    sacks(flying, (4001, 8001))
    assert flying.connection.rtt.latest == pytest.approx(0.07)


def test_what_was_sent_twice_and_is_held_does_not(flying):  # Karn
    flying.after(0.07)
    sacks(flying, (2001, 10_001))
    flying.all_sent()
    before = flying.connection.rtt.latest
    flying.after(0.02)
    sacks(flying, (1001, 10_001))
    assert flying.connection.rtt.latest == before


def test_an_old_acknowledgment_may_bring_news(flying):
    flying.gets(". 1:1(0) ack 2001")
    flying.all_sent()
    sacks(flying, (4001, 8001), ack=1001)  # overtaken by the one before
    assert flying.connection.sender.board.sacked_bytes == 4000


def test_the_fin_can_be_held_too(sack):
    sack.writes(2 * MSS)
    sack.shuts()
    sack.all_sent()
    sacks(sack, (1001, 2002))
    sack.after(0.5)
    sent = starts(sack)
    assert sent
    assert set(sent) == {(1, MSS)}
    sack.gets(". 1:1(0) ack 2002")
    assert sack.connection.sender.fin_acknowledged()
