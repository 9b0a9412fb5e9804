"""The views that hold what is in flight: joined, cut, and never a byte lost. No clause; what it costs to keep them."""

from __future__ import annotations

import pytest

from stack.tcp.transmission import join, skip, take


def test_where_they_meet_small_views_become_one():
    assert join((b"a", b"b"), (b"c", b"d", b"e")) == (b"a", b"bc", b"d", b"e")


@pytest.mark.parametrize(("first", "second", "views"), [(96, 4000, 1), (97, 4000, 2), (4000, 4000, 2), (9000, 9000, 2)])
def test_large_ones_are_not_copied(first, second, views):
    joined = join((bytes(first),), (bytes(second),))
    assert [sum(map(len, joined)), len(joined)] == [first + second, views]


@pytest.mark.parametrize("count", range(7))
def test_what_is_taken_and_what_is_skipped_is_all(count):
    views = (b"ab", b"c", b"def")
    assert b"".join(take(views, count)) == b"abcdef"[:count]
    assert b"".join(skip(views, count)) == b"abcdef"[count:]
