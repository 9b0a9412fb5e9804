"""The receiving half alone: windows, order, acknowledgments owed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.tcp.receiver import Receiver

TEXT = random.Random(6).randbytes(20_000)
CAPACITY = 10_000


def make(capacity=CAPACITY, shift=0, mss=100):
    receiver = Receiver(capacity, 256)
    receiver.start(1, min(capacity, 0xFFFF))
    receiver.scale(shift)
    receiver.mss = mss
    return receiver


def give(receiver, seq, length, *, fin=False, gso_size=0):
    return receiver.text(seq, TEXT[seq - 1 : seq - 1 + length], fin, gso_size)


def test_bytes_in_order_are_read_in_order():
    receiver = make()
    give(receiver, 1, 100)
    give(receiver, 101, 50)
    assert receiver.read(1000) == TEXT[:150]
    assert receiver.queued == 0


def test_reading_may_split_and_join():
    receiver = make()
    for at in range(0, 3000, 1000):
        give(receiver, at + 1, 1000)
    assert receiver.read(1500) == TEXT[:1500]
    assert receiver.read(1000) == TEXT[1500:2500]
    assert receiver.read(1000) == TEXT[2500:3000]


def test_reading_into_a_buffer():
    receiver = make()
    give(receiver, 1, 1000)
    give(receiver, 1001, 1000)
    buffer = bytearray(1500)
    assert receiver.read_into(memoryview(buffer)) == 1500
    assert bytes(buffer) == TEXT[:1500]
    assert receiver.read_into(memoryview(buffer)) == 500
    assert bytes(buffer[:500]) == TEXT[1500:2000]


def test_a_buffer_filled_exactly_keeps_nothing_and_what_follows_is_read_too():
    receiver = make()
    buffer = bytearray(1000)
    for at in range(0, 3000, 1000):
        give(receiver, at + 1, 1000)
        assert receiver.read_into(memoryview(buffer)) == 1000
        assert bytes(buffer) == TEXT[at : at + 1000]
        assert receiver.queue is None  # an idle connection keeps no empty queues


def test_peeking_leaves_the_bytes():
    receiver = make()
    give(receiver, 1, 1000)
    assert receiver.peek(10) == TEXT[:10]
    assert receiver.read(10) == TEXT[:10]


@pytest.mark.parametrize("count", [0, 999, 1000, 1001, 1999, 2000, 2500, 3000, 4000])
def test_peeking_goes_on_from_piece_to_piece_as_far_as_there_is_any(count):
    receiver = make()
    for at in range(0, 3000, 1000):
        give(receiver, at + 1, 1000)
    assert receiver.peek(count) == TEXT[: min(count, 3000)]
    assert receiver.peek(count) == TEXT[: min(count, 3000)]
    assert receiver.read(3000) == TEXT[:3000]


def test_holes_are_waited_for():
    receiver = make()
    give(receiver, 101, 100)
    assert receiver.queued == 0
    assert receiver.rcv_nxt == 1
    give(receiver, 1, 100)
    assert receiver.rcv_nxt == 201
    assert receiver.read(1000) == TEXT[:200]


def test_what_comes_twice_counts_once():
    receiver = make()
    give(receiver, 1, 100)
    give(receiver, 51, 100)
    assert receiver.read(1000) == TEXT[:150]


def test_what_lies_beyond_the_window_is_cut_off():
    receiver = make(capacity=1000)
    give(receiver, 901, 200)
    give(receiver, 1, 950)
    assert receiver.rcv_nxt == 1001
    assert receiver.read(2000) == TEXT[:1000]


def test_two_segments_owe_an_acknowledgment_one_may_wait():
    receiver = make()
    give(receiver, 1, 100)
    assert receiver.owed == 1
    give(receiver, 101, 100)
    assert receiver.owed == 2
    assert not receiver.ack_now


def test_a_super_segment_counts_as_what_it_was_cut_from():
    receiver = make()
    give(receiver, 1, 250, gso_size=100)
    assert receiver.owed == 3


def test_where_the_wire_does_not_say_the_mss_counts():
    receiver = make(mss=100)
    give(receiver, 1, 150)
    assert receiver.owed == 2


@pytest.mark.parametrize("seq", [101, 51])
def test_a_hole_or_a_repetition_is_acknowledged_at_once(seq):  # RFC 5681 4.2
    receiver = make()
    if seq == 51:
        give(receiver, 1, 100)
        receiver.advertise()
    give(receiver, seq, 50)
    assert receiver.ack_now


def test_filling_a_hole_is_acknowledged_at_once():  # RFC 5681 4.2
    receiver = make()
    give(receiver, 101, 100)
    give(receiver, 301, 100)
    receiver.advertise()
    give(receiver, 1, 100)
    assert receiver.ack_now
    assert receiver.rcv_nxt == 201


def test_the_window_shrinks_by_what_is_not_read():
    receiver = make()
    give(receiver, 1, 4000)
    assert receiver.advertise() == 6000


def test_the_right_edge_never_moves_left():  # RFC 9293 3.8.6, SHLD-14
    receiver = make()
    edges = []
    at = 1
    for length, read in ((4000, 0), (3000, 1000), (2000, 0), (500, 9000), (4000, 0)):
        give(receiver, at, length)
        at += length
        if read:
            receiver.read(read)
        edges.append(receiver.rcv_nxt + receiver.advertise())
    assert edges == sorted(edges)


def test_the_edge_moves_by_a_segment_at_least():  # RFC 9293 3.8.6.2.2
    receiver = make(capacity=1000, mss=100)
    give(receiver, 1, 1000)
    assert receiver.advertise() == 0
    receiver.read(99)
    assert receiver.advertise() == 0
    receiver.read(1)
    assert receiver.advertise() == 100


def test_half_a_small_buffer_is_enough_for_the_edge_to_move():
    receiver = make(capacity=100, mss=1460)
    give(receiver, 1, 100)
    receiver.read(49)
    assert receiver.advertise() == 0
    receiver.read(1)
    assert receiver.advertise() == 50


def test_a_quarter_read_is_worth_an_update():
    receiver = make()
    give(receiver, 1, 5000)
    receiver.advertise()
    receiver.read(2499)
    assert not receiver.update_due()
    receiver.read(1)
    assert receiver.update_due()
    receiver.advertise()
    assert not receiver.update_due()


def test_a_scaled_window_never_offers_more_than_it_can_say():
    receiver = make(capacity=1 << 20, shift=2)
    assert receiver.advertise() == 0xFFFF
    assert receiver.capacity == 0xFFFF << 2


def test_what_rounding_hides_is_still_accepted():  # RFC 7323 2.4
    receiver = make(capacity=1024, shift=4)
    receiver.advertise()
    give(receiver, 1, 5)
    assert receiver.advertise() << 4 == 1008  # 1019 bytes are free
    assert receiver.acceptable(1024, 1)
    assert not receiver.acceptable(1025, 1)


def test_acceptable_by_the_four_cases():  # RFC 9293 table 6
    receiver = make(capacity=1000)
    assert receiver.acceptable(1, 0)
    assert receiver.acceptable(1000, 0)
    assert receiver.acceptable(1001, 0)  # beyond the table: the ACK of a peer that has filled the window, as in Linux
    assert not receiver.acceptable(1002, 0)
    assert not receiver.acceptable(0, 0)
    assert receiver.acceptable(0, 2)
    assert not receiver.acceptable(0, 1)
    assert receiver.acceptable(1000, 50)
    assert not receiver.acceptable(1001, 1)
    give(receiver, 1, 1000)
    receiver.advertise()
    assert receiver.acceptable(1001, 0)
    assert not receiver.acceptable(1000, 0)
    assert not receiver.acceptable(1001, 1)


def test_the_fin_counts_when_all_before_it_is_there():
    receiver = make()
    assert not give(receiver, 101, 100, fin=True)
    assert not receiver.finished()
    assert give(receiver, 1, 100)
    assert receiver.finished()
    assert receiver.rcv_nxt == 202
    assert receiver.read(1000) == TEXT[:200]


def test_a_fin_alone_counts():
    receiver = make()
    assert give(receiver, 1, 0, fin=True)
    assert receiver.rcv_nxt == 2
    assert receiver.owed == 1


def test_nothing_after_the_fin_is_believed():
    receiver = make()
    give(receiver, 101, 0, fin=True)
    give(receiver, 101, 50)
    assert give(receiver, 1, 200)
    assert receiver.read(1000) == TEXT[:100]


def test_a_fin_before_bytes_that_are_there_is_not_believed():
    receiver = make()
    give(receiver, 201, 100)
    give(receiver, 101, 0, fin=True)
    give(receiver, 1, 200)
    assert receiver.read(1000) == TEXT[:300]
    assert not receiver.finished()


def test_many_small_payloads_are_gathered():
    receiver = make()
    for at in range(2000):
        give(receiver, at + 1, 1)
    assert len(receiver.queue) < 10
    assert receiver.read(5000) == TEXT[:2000]


segments = st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 800), st.integers(0, 1500)), max_size=60)


@given(segments)
def test_whatever_the_order_the_application_reads_the_stream(script):
    receiver = make(capacity=2000)
    got = b""
    edge = 0
    for seq, length, read in script:
        if receiver.acceptable(seq, length):
            give(receiver, seq, length)
        if read and receiver.queued:
            got += receiver.read(read)
        edge_now = receiver.rcv_nxt + receiver.advertise()
        assert edge_now >= edge
        edge = edge_now
        assert receiver.queued <= 2000
    got += receiver.read(1 << 20) if receiver.queued else b""
    assert got == TEXT[: receiver.rcv_nxt - 1]


def test_a_fin_beyond_the_window_is_cut_off_with_what_precedes_it():  # RFC 9293 3.10.7.4
    receiver = make(capacity=1000)
    assert not give(receiver, 1, 1100, fin=True)
    assert receiver.rcv_nxt == 1001
    assert receiver.queued == 1000
    receiver.read(1000)
    receiver.advertise()
    assert give(receiver, 1001, 100, fin=True)
    assert receiver.finished()


def test_the_first_fin_says_where_the_stream_ends():
    receiver = make()
    give(receiver, 101, 100, fin=True)
    give(receiver, 201, 100, fin=True)
    assert give(receiver, 1, 100)
    assert receiver.read(1000) == TEXT[:200]


def test_a_fin_may_stand_just_behind_the_window():  # it takes no room
    receiver = make(capacity=1000)
    assert give(receiver, 1, 1000, fin=True)
    assert receiver.finished()


def test_a_fin_may_stand_just_behind_what_waits_for_a_hole_to_be_filled():
    receiver = make()
    give(receiver, 101, 100)
    give(receiver, 201, 0, fin=True)
    assert give(receiver, 1, 100)
    assert receiver.finished()


@pytest.mark.parametrize(
    ("agreed", "seq", "length", "told"),
    [(True, 51, 50, True), (True, 51, 0, False), (True, 101, 50, False), (False, 51, 50, False)],
)
def test_what_is_old_is_reported_where_sack_is_spoken_and_it_had_bytes(agreed, seq, length, told):  # RFC 2883 4
    receiver = make()
    receiver.sack = agreed
    give(receiver, 1, 100)
    receiver.old(seq, seq + length)
    assert receiver.ack_now
    assert (receiver.reports is not None) is told
    if told:
        assert receiver.blocks(4) == ((51, 101),)


def test_each_segment_ahead_of_a_hole_is_counted():
    receiver = make()
    give(receiver, 1, 100)
    for seq in (201, 401, 601):
        give(receiver, seq, 100)
    assert receiver.strays == 3


def test_the_little_that_is_new_of_a_large_segment_does_not_keep_the_whole():
    receiver = make()
    give(receiver, 101, 5000)
    receiver.text(1, memoryview(TEXT[:5000]), False, 0)
    assert type(receiver.queue[0]) is bytes
    assert receiver.read(10_000) == TEXT[:5100]
