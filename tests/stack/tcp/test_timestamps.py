"""RFC 7323: timestamps, what they protect against, and what they echo."""

import pytest

from stack.tcp.states import CLOSED, ESTABLISHED

STAMP = "nop,nop,TS val {} ecr {}"


@pytest.fixture
def stamped(tcp_):
    tcp_.established(options_text="mss 1460,nop,nop,TS val 1 ecr 0", timestamps=True)
    return tcp_


def gets(tcp, text, val, ecr=0, **more):
    tcp.gets(f"{text} <{STAMP.format(val, ecr)}>", **more)


def echo(segment):
    return segment.options.timestamp[1]


def test_every_segment_bears_one(stamped):  # 3.2
    stamped.writes(5)
    gets(stamped, "P. 1:11(10) ack 6", 5)
    stamped.after(0.04)
    stamped.close(linger=0)
    assert all(one.options.timestamp for one in stamped.all_sent())


def test_the_latest_in_order_is_echoed(stamped):  # 4.3
    gets(stamped, "P. 1:11(10) ack 1", 7)
    stamped.after(0.04)
    assert echo(stamped.all_sent()[0]) == 7


def test_the_first_of_two_acknowledged_together_is_echoed(stamped):  # 4.3 (A): a delayed ACK measures the delay
    gets(stamped, "P. 1:11(10) ack 1", 7)
    gets(stamped, "P. 11:21(10) ack 1", 9)
    assert echo(stamped.all_sent()[0]) == 7


def test_a_segment_ahead_of_a_hole_is_not_echoed(stamped):  # 4.3 (B)
    gets(stamped, ". 101:201(100) ack 1", 9)
    assert echo(stamped.all_sent()[0]) == 2
    gets(stamped, ". 1:101(100) ack 1", 8)  # 4.3 (C)
    assert echo(stamped.all_sent()[0]) == 8


def test_an_old_duplicate_is_dropped_and_acknowledged(stamped):  # 5.3 R1
    gets(stamped, "P. 1:11(10) ack 1", 100)
    stamped.after(0.04)
    stamped.all_sent()
    gets(stamped, "P. 11:21(10) ack 1", 99)
    stamped.sends(". 1:1(0) ack 11")
    assert stamped.drops["tcp_paws"] == 1
    assert len(stamped.reads()) == 10


def test_timestamps_wrap(stamped):
    for at, val in enumerate((0x7FFFFFF0, 0xFFFFFFE0, 5)):
        gets(stamped, f"P. {1 + at * 10}:{11 + at * 10}(10) ack 1", val)
        stamped.after(0.04)
    assert len(stamped.reads()) == 30
    gets(stamped, "P. 31:41(10) ack 1", 0xFFFFFFF0)
    assert stamped.reads() is None


def test_after_24_days_an_old_timestamp_is_believed(stamped):  # 5.5
    gets(stamped, "P. 1:11(10) ack 1", 100)
    stamped.reads()
    stamped.after(25 * 86400)
    gets(stamped, "P. 11:21(10) ack 1", 50)
    assert len(stamped.reads()) == 10


def test_a_segment_without_one_is_dropped(stamped):  # 3.2
    stamped.gets("P. 1:11(10) ack 1")
    assert stamped.reads() is None
    assert stamped.drops["tcp_paws"] == 1


def test_a_reset_needs_none(stamped):  # 3.2, 5.2
    stamped.gets("R 1:1(0)")
    assert stamped.state is CLOSED


def test_a_reset_with_an_old_one_counts(stamped):
    gets(stamped, "P. 1:11(10) ack 1", 100)
    gets(stamped, "R 11:11(0)", 1)
    assert stamped.state is CLOSED


def test_what_lies_outside_the_window_changes_no_echo(stamped):  # 5.3: R2 before R3
    gets(stamped, ". 1:1(0) ack 1", 10)
    gets(stamped, "P. 900000:900010(10) ack 1", 0x70000000)
    stamped.all_sent()
    gets(stamped, "P. 1:11(10) ack 1", 11)
    assert len(stamped.reads()) == 10
    assert stamped.state is ESTABLISHED


def test_the_clock_starts_anywhere_and_ticks_milliseconds(stamped):  # 5.4, 7.1
    stamped.writes(5)
    first = stamped.all_sent()[0].options.timestamp[0]
    gets(stamped, ". 1:1(0) ack 6", 3, first)
    stamped.after(1.5)
    stamped.writes(5)
    second = stamped.all_sent()[0].options.timestamp[0]
    assert second - first & 0xFFFFFFFF == 1500
    assert first != 1_000_000  # not the clock itself


def test_a_copy_whose_acknowledgment_was_lost_is_echoed(stamped):
    """As in Linux. By the first copy's the peer would measure its own time-out, and wait longer the next time."""
    gets(stamped, "P. 1:11(10) ack 1", 5)
    stamped.after(0.04)
    assert echo(stamped.all_sent()[0]) == 5
    gets(stamped, "P. 1:11(10) ack 1", 900)
    assert echo(stamped.all_sent()[0]) == 900
    gets(stamped, "F. 11:11(0) ack 1", 950)
    gets(stamped, "F. 11:11(0) ack 1", 2000)
    assert echo(stamped.all_sent()[-1]) == 2000


def test_an_older_copy_is_not(stamped):  # whoever guesses some number of the past must not move PAWS' horizon
    gets(stamped, "P. 1:11(10) ack 1", 5)
    gets(stamped, "P. 11:21(10) ack 1", 6)
    stamped.all_sent()
    gets(stamped, "P. 1:11(10) ack 1", 900)
    assert echo(stamped.all_sent()[0]) == 5
