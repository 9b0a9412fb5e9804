from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.ranges import Ranges


def test_ranges_that_touch_or_overlap_become_one():
    ranges = Ranges()
    for start, end in ((10, 20), (30, 40), (20, 30)):
        assert ranges.add(start, end)
    assert list(ranges) == [(10, 40)]


def test_a_range_in_between_stays_apart():
    ranges = Ranges()
    for start, end in ((10, 20), (40, 50), (25, 30)):
        ranges.add(start, end)
    assert list(ranges) == [(10, 20), (25, 30), (40, 50)]
    assert repr(ranges) == "<Ranges 10:20 25:30 40:50>"


def test_one_range_too_many_is_refused_and_changes_nothing():
    ranges = Ranges(limit=2)
    ranges.add(10, 20)
    ranges.add(30, 40)
    assert not ranges.add(50, 60)
    assert ranges.add(20, 30)
    assert list(ranges) == [(10, 40)]


def test_gaps_are_what_is_not_covered():
    ranges = Ranges()
    ranges.add(10, 20)
    ranges.add(30, 40)
    assert list(ranges.gaps(5, 35)) == [(5, 10), (20, 30)]
    assert list(ranges.gaps(12, 18)) == []
    assert list(ranges.gaps(35, 50)) == [(40, 50)]


def test_an_empty_range_is_covered_by_nothing():
    ranges = Ranges()
    assert ranges.add(5, 5)
    assert len(ranges) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30), st.integers(0, 60))
def test_ranges_are_the_same_as_a_set_of_numbers(additions: list[tuple[int, int]], below: int):
    ranges, numbers = Ranges(), set()
    for start, length in additions:
        assert ranges.add(start, start + length)
        numbers.update(range(start, start + length))
    for start in range(70):
        end = first = start
        while end in numbers:
            end += 1
        while first - 1 in numbers:
            first -= 1
        assert ranges.around(start) == ((first, end) if end > start else None)
        held = [n for n in range(start, start + 10) if n in numbers]
        overlap = ranges.overlap(start, start + 10)
        assert overlap == ((held[0], min(ranges.around(held[0])[1], start + 10)) if held else None)
    missing = {n for start, end in ranges.gaps(0, 80) for n in range(start, end)}
    assert missing == set(range(80)) - numbers
    pieces = list(ranges)
    assert all(a[1] < b[0] for a, b in pairwise(pieces))
    ranges.remove_below(below)
    assert {n for start, end in ranges for n in range(start, end)} == {n for n in numbers if n >= below}
