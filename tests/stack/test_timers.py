from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.timers import Timed, Timers


class Clock(Timed):
    """Notes when it is told, and may set itself anew."""

    def __init__(self, timers: Timers, *, every: float | None = None, maintenance: bool = False) -> None:
        super().__init__()
        self.timers = timers
        self.every = every
        self.maintenance = maintenance
        self.rung: list[float] = []

    def set(self, deadline: float | None) -> None:
        self.deadline = deadline
        self.timers.arm(self)

    def expire(self, now: float) -> None:
        self.rung.append(now)
        if self.every is not None:
            self.deadline = now + self.every


def test_an_item_is_told_once_when_its_deadline_has_come():
    timers = Timers()
    clock = Clock(timers)
    clock.set(5.0)
    timers.expire(4.9)
    assert clock.rung == []
    timers.expire(5.0)
    timers.expire(6.0)
    assert clock.rung == [5.0]
    assert timers.next_deadline() is None


def test_a_deadline_that_moves_later_is_followed():
    timers = Timers()
    clock = Clock(timers)
    clock.set(5.0)
    clock.set(8.0)
    timers.expire(5.0)
    assert clock.rung == []
    assert timers.next_deadline() == 8.0
    timers.expire(8.0)
    assert clock.rung == [8.0]


def test_a_deadline_that_moves_earlier_is_met():
    timers = Timers()
    clock = Clock(timers)
    clock.set(8.0)
    clock.set(5.0)
    assert timers.next_deadline() == 5.0
    timers.expire(5.0)
    timers.expire(8.0)
    assert clock.rung == [5.0]


def test_a_cancelled_deadline_is_forgotten():
    timers = Timers()
    clock = Clock(timers)
    clock.set(5.0)
    clock.set(None)
    assert timers.next_deadline() is None
    assert not timers.pending()
    timers.expire(6.0)
    assert clock.rung == []


def test_items_are_told_in_the_order_of_their_deadlines_and_ties_in_the_order_of_arming():
    timers = Timers()
    told: list[str] = []

    class Named(Timed):
        def __init__(self, name: str, deadline: float, maintenance: bool) -> None:
            super().__init__()
            self.name, self.deadline, self.maintenance = name, deadline, maintenance

        def expire(self, now: float) -> None:
            told.append(self.name)

    for name, deadline, maintenance in (("b", 2.0, True), ("a", 1.0, False), ("c", 2.0, False), ("d", 2.0, True)):
        timers.arm(Named(name, deadline, maintenance))
    timers.expire(3.0)
    assert told == ["a", "b", "c", "d"]


def test_maintenance_keeps_time_but_is_nothing_to_wait_for():
    timers = Timers()
    ageing = Clock(timers, maintenance=True)
    ageing.set(5.0)
    assert timers.next_deadline() == 5.0
    assert not timers.pending()
    clock = Clock(timers)
    clock.set(9.0)
    assert timers.pending()
    timers.expire(5.0)
    assert ageing.rung == [5.0]


def test_an_item_that_becomes_maintenance_is_no_longer_pending():
    timers = Timers()
    clock = Clock(timers)
    clock.set(5.0)
    clock.maintenance = True
    assert not timers.pending()
    timers.expire(5.0)
    assert clock.rung == [5.0]


def test_one_that_sets_itself_to_now_is_left_for_the_next_time():
    timers = Timers()
    clock = Clock(timers, every=0.0)
    clock.set(1.0)
    timers.expire(1.0)
    assert clock.rung == [1.0]
    assert timers.next_deadline() == 1.0


def test_what_an_earlier_one_called_off_is_not_told():
    timers = Timers()
    second = Clock(timers)

    class Cancelling(Clock):
        def expire(self, now: float) -> None:
            second.deadline = None

    first = Cancelling(timers)
    first.set(1.0)
    second.set(2.0)
    timers.expire(3.0)
    assert second.rung == []


def test_an_exception_loses_no_other_timer():
    timers = Timers()

    class Broken(Clock):
        def expire(self, now: float) -> None:
            raise ZeroDivisionError

    broken, sound = Broken(timers), Clock(timers)
    broken.set(1.0)
    sound.set(2.0)
    try:
        timers.expire(3.0)
    except ZeroDivisionError:
        timers.expire(3.0)
    assert sound.rung == [3.0]


def test_deadlines_that_jump_about_for_long_do_not_pile_up():
    timers = Timers()
    clocks = [Clock(timers) for _ in range(5)]
    dice = random.Random(1)
    now = 0.0
    for _ in range(20_000):
        clock = dice.choice(clocks)
        clock.set(now + dice.choice((0.04, 0.2, 7200.0)))
        now += 0.01
        timers.expire(now)
    assert timers.size() < 200


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 30))), max_size=60))
def test_whatever_moves_every_deadline_is_met_in_time(moves: list[tuple[int, int | None]]):
    timers = Timers()
    clocks = [Clock(timers, maintenance=bool(n & 1)) for n in range(5)]
    now = 0.0
    due: dict[int, float] = {}
    for which, deadline in moves:
        clocks[which].set(None if deadline is None else now + deadline)
        due.pop(which, None)
        if deadline is not None:
            due[which] = now + deadline
        now += 1.0
        soonest = timers.next_deadline()
        if due:
            assert soonest is not None
            assert soonest <= min(due.values())
        before = [len(clock.rung) for clock in clocks]
        timers.expire(now)
        for n, clock in enumerate(clocks):
            expected = n in due and due[n] <= now
            assert len(clock.rung) == before[n] + expected
            if expected:
                del due[n]
