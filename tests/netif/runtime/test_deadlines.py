"""The lazy heap: deadlines move, entries stay, and nothing grows."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from netif.runtime.deadlines import Deadlines, Timed


class Item(Timed):
    def __init__(self, maintenance=False):
        super().__init__()
        self.maintenance = maintenance

    def alive(self):
        return not self.maintenance


def at(deadlines, item, when):
    item.deadline = when
    deadlines.arm(item)


def due(deadlines, now):
    items = []
    while (item := deadlines.due(now)) is not None:
        items.append(item)
    return items


def test_a_deadline_put_off_comes_when_it_should():
    deadlines, item = Deadlines(), Item()
    at(deadlines, item, 1.0)
    at(deadlines, item, 5.0)
    assert deadlines.earliest() == 5.0
    assert due(deadlines, 4.9) == []
    assert due(deadlines, 5.0) == [item]
    assert deadlines.earliest() is None


def test_a_deadline_moved_earlier_comes_once():
    deadlines, item = Deadlines(), Item()
    at(deadlines, item, 5.0)
    at(deadlines, item, 1.0)
    assert deadlines.earliest() == 1.0
    assert due(deadlines, 1.0) == [item]
    assert due(deadlines, 10.0) == []


def test_ties_go_by_age():
    deadlines, items = Deadlines(), [Item() for _ in range(50)]
    for item in items:
        at(deadlines, item, 1.0)
    assert due(deadlines, 1.0) == items


def test_a_far_and_a_near_deadline_in_turn_do_not_pile_up():
    """A keep-alive hours away, and a delayed ACK again and again."""
    deadlines, item = Deadlines(), Item()
    for n in range(1000):
        at(deadlines, item, n + 7200.0)
        at(deadlines, item, n + 0.04)
        assert due(deadlines, n + 0.04) == [item]
    assert len(deadlines.heap) < 10


def test_items_that_come_and_go_before_their_time_do_not_pile_up():
    deadlines, stays = Deadlines(), Item()
    at(deadlines, stays, 3600.0)
    for _ in range(10_000):
        item = Item()
        at(deadlines, item, 60.0)
        deadlines.drop(item)
    assert len(deadlines.heap) < 1000
    assert due(deadlines, 5000.0) == [stays]


def test_what_is_forgotten_is_held_no_longer():
    deadlines, item = Deadlines(), Item()
    at(deadlines, item, 9.0)
    at(deadlines, item, 5.0)
    deadlines.forget(item)
    assert deadlines.heap == []
    at(deadlines, item, 7.0)
    assert due(deadlines, 7.0) == [item]


def test_maintenance_alone_is_not_alive():
    deadlines, maintenance, other = Deadlines(), Item(maintenance=True), Item()
    at(deadlines, maintenance, 1.0)
    assert not deadlines.alive()
    at(deadlines, other, 2.0)
    assert deadlines.alive()
    other.deadline = None
    assert not deadlines.alive()


@given(st.integers(0, 2**32))
def test_whatever_moves_each_item_is_due_exactly_when_its_deadline_has_come(seed):
    dice, deadlines = random.Random(seed), Deadlines()
    items = [Item() for _ in range(5)]
    now = 0.0
    for _ in range(60):
        item = dice.choice(items)
        move = dice.random()
        if move < 0.6:
            at(deadlines, item, now + dice.choice((0, 1, 2, 5, 50)))
        elif move < 0.7:
            item.deadline = None
        elif move < 0.8:
            deadlines.drop(item)
        else:
            now += dice.choice((0, 1, 3))
            expected = {id(one) for one in items if one.deadline is not None and one.deadline <= now}
            assert {id(one) for one in due(deadlines, now)} == expected
        left = [one.deadline for one in items if one.deadline is not None]
        assert deadlines.earliest() == (min(left) if left else None)
