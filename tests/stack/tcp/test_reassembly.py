"""What arrives out of order, kept and given back."""

from hypothesis import given
from hypothesis import strategies as st

from stack.tcp.reassembly import Reassembly, compact

TEXT = bytes(range(256)) * 4


def drain(reassembly, rcv_nxt):
    out = b""
    while (piece := reassembly.next(rcv_nxt)) is not None:
        out += bytes(piece)
        rcv_nxt += len(piece)
    return out


def test_gives_back_what_follows():
    reassembly = Reassembly(16, 100)
    reassembly.add(10, b"bc")
    reassembly.add(12, b"d")
    assert reassembly.next(9) is None
    assert drain(reassembly, 10) == b"bcd"
    assert not reassembly.pieces


def test_keeps_what_came_first():
    reassembly = Reassembly(16, 100)
    reassembly.add(12, b"XY")
    reassembly.add(10, b"abcdef")
    assert drain(reassembly, 10) == b"abXYef"


def test_refuses_one_hole_too_many():
    reassembly = Reassembly(2, 100)
    assert reassembly.add(10, b"a")
    assert reassembly.add(20, b"b")
    assert not reassembly.add(30, b"c")
    assert reassembly.add(11, b"d")  # no new hole
    assert list(reassembly.ranges) == [(10, 12), (20, 21)]


def test_refuses_too_many_pieces_though_they_touch():
    reassembly = Reassembly(16, 3)
    assert all(reassembly.add(at, b"a") for at in (10, 11, 12))
    assert not reassembly.add(13, b"a")


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=40), st.integers(0, 220))
def test_whatever_the_order_the_bytes_are_right(segments, start):
    reassembly = Reassembly(256, 1000)
    have = set()
    for seq, length in segments:
        seq += start  # nothing that lies before what is next is given to it
        assert reassembly.add(seq, TEXT[seq : seq + length])
        have.update(range(seq, seq + length))
    end = start
    while end in have:
        end += 1
    assert drain(reassembly, start) == TEXT[start:end]
    assert all(at > end for at in reassembly.pieces)


def test_a_small_part_is_copied_so_that_the_whole_can_be_freed_a_large_one_is_not():
    whole = memoryview(bytes(100))
    assert [type(compact(whole[:count])) for count in (1, 49, 50, 100)] == [bytes, bytes, memoryview, memoryview]
    assert type(compact(bytes(1))) is bytes
    assert type(compact(whole[:40])) is bytes


def test_it_counts_what_it_holds():
    reassembly = Reassembly(16, 100)
    assert reassembly.held == 0
    reassembly.add(10, b"abcd")
    reassembly.add(12, b"cdef")
    assert reassembly.held == 6
    reassembly.next(10)
    assert reassembly.held == 2
    reassembly.next(14)
    assert reassembly.held == 0


def test_a_large_frame_is_not_kept_for_a_little_of_it():
    frame = bytes(2000)
    reassembly = Reassembly(16, 100)
    reassembly.add(10, memoryview(frame)[:1500])
    assert type(reassembly.next(10)) is memoryview
    reassembly.add(2000, memoryview(frame)[:10])
    assert type(reassembly.next(2000)) is bytes
    reassembly.add(3500, b"x")
    reassembly.add(3000, memoryview(frame)[:510])
    assert type(reassembly.next(3000)) is bytes
