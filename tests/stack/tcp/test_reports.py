"""What SACKs say of segments that arrived before anything was answered (RFC 2018 4, RFC 2883 4)."""

from stack.ranges import Ranges
from stack.tcp.reports import MOST_PENDING, Reports


def arrived(reports, ranges, start, end):
    assert ranges.add(start, end)
    reports.arrived(ranges.around(start), False)


def test_segments_that_made_one_block_are_told_of_at_once():
    reports, ranges = Reports(), Ranges()
    for start in (100, 200, 300):
        arrived(reports, ranges, start, start + 100)
    assert reports.next(ranges, 4) == ((100, 400),)
    assert not reports.pending


def test_those_apart_are_told_of_one_by_one_the_first_before_the_others():  # RFC 2018 4: the block that it made
    reports, ranges = Reports(), Ranges()
    arrived(reports, ranges, 100, 200)
    arrived(reports, ranges, 300, 400)
    assert reports.next(ranges, 4) == ((100, 200),)
    assert reports.next(ranges, 4) == ((300, 400), (100, 200))
    assert reports.next(ranges, 1) == ((300, 400),)


def test_a_duplicate_is_told_of_though_its_block_grows_before_that():  # RFC 2883 4
    reports, ranges = Reports(), Ranges()
    arrived(reports, ranges, 100, 200)
    assert reports.next(ranges, 4) == ((100, 200),)
    reports.duplicate(100, 200)
    arrived(reports, ranges, 200, 300)
    assert reports.next(ranges, 4) == ((100, 200), (100, 300))
    assert reports.next(ranges, 4) == ((100, 300),)


def test_of_too_many_the_oldest_are_forgotten():
    reports, ranges = Reports(), Ranges()
    for start in range(0, 200 * (MOST_PENDING + 1), 200):
        arrived(reports, ranges, start, start + 100)
    assert len(reports.pending) == MOST_PENDING
    assert reports.next(ranges, 4)[0] == (200, 300)
