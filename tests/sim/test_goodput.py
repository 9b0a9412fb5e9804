"""The goodput table (goodput.py) is what the code does, to the digit; a change of TCP shows as its diff."""

from __future__ import annotations

import random

import pytest

from tests.sim import goodput
from tests.sim.goodput import TABLE, TOO_LATE, Point, compared, points, read, row, text
from tests.sim.theory import duration, steady

POINTS = {point.name: point for point in points()}
CHANGED = """{name}:
  in the table {there}
  now          {now}
If TCP was changed on purpose: python -m tests.sim.goodput --write, and its diff is part of the change's review."""


def agrees(point: Point) -> None:
    there = read()[point.name]
    now = row(point, there[5])
    assert now[3] != TOO_LATE, f"{point.name} takes more than 20 times what theory says, and a minute"
    assert now == there, CHANGED.format(name=point.name, there=there, now=now)


@pytest.mark.parametrize("draw", range(4))
def test_a_point_drawn_by_the_seed_is_as_in_the_table(seed: int, draw: int):
    agrees(random.Random(seed).choice(points()))


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_each_point_is_as_in_the_table(name: str):
    agrees(POINTS[name])


def test_the_table_has_every_point_and_nothing_else():
    assert list(read()) == list(POINTS)
    assert TABLE.read_text() == text(read().values())


def test_nothing_in_the_table_came_too_late():
    assert [name for name, cells in read().items() if cells[3] == TOO_LATE] == []


def test_a_figure_is_the_same_at_every_run():
    assert goodput.goodput(POINTS["1% 20ms 10Mbit"]) == goodput.goodput(POINTS["1% 20ms 10Mbit"])


def test_what_is_compared_is_the_last_column():
    cells = compared(("a wire", "1024", "9.500", "9.000", "0.95"), "10.000")
    assert cells == ("a wire", "1024", "9.500", "9.000", "0.95", "10.000", "0.90")


class TestTheory:
    def test_without_loss_it_is_the_link_less_headers(self):
        assert 0.95e6 < steady(8e6, 0.1, 0) < 0.96e6

    def test_loss_makes_it_slower_and_more_so_where_the_path_is_long(self):
        assert steady(1e9, 0.1, 0) > steady(1e9, 0.1, 0.001) > steady(1e9, 0.1, 0.01) > steady(1e9, 0.3, 0.01)

    def test_a_short_transfer_is_mostly_slow_start(self):
        ten_segments = duration(14_480, 1e9, 0.1, 0)
        assert 0.15 < ten_segments < 0.16
        assert 0.1 * 3 < duration(100_000, 1e9, 0.1, 0) - ten_segments + 0.1 < 0.1 * 5
