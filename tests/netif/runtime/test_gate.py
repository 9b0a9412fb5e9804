"""The gate alone: who is let in, in which order, and that nobody is forgotten between two steps of another."""

from __future__ import annotations

import threading
import time

import pytest

from netif.runtime.gate import Gate
from tests.netif.runtime.scripted import Machine


@pytest.fixture
def machine():
    machine = Machine(fine=True)
    yield machine
    machine.end()


def visitor(gate, order, name):
    def visit():
        gate.enter()
        order.append(name)
        gate.leave()

    return visit


def run_until(machine, name, where):
    for _ in range(20):
        if machine.where(name) == where:
            return
        machine.run(name)
    raise AssertionError(f"{name} never came to {where!r}")


def test_a_gate_that_is_freed_before_the_impatient_one_has_queued_up_is_taken_by_him(machine):
    gate, order = Gate(machine.new_lock), []
    machine.start("holder", visitor(gate, order, "holder"))
    machine.start("late", visitor(gate, order, "late"))
    run_until(machine, "holder", "before a release")
    run_until(machine, "late", "lock")
    machine.expire("late")  # out of patience; about to make itself a ticket
    assert machine.where("late") == "before a lock"
    machine.run_while_it_can("holder")  # gone, and saw nobody in line
    machine.run_while_it_can("late")
    assert order == ["holder", "late"]


def test_whoever_queues_up_between_the_holders_last_look_and_its_release_is_served(machine):
    gate, order = Gate(machine.new_lock), []
    machine.start("holder", visitor(gate, order, "holder"))
    machine.start("late", visitor(gate, order, "late"))
    run_until(machine, "holder", "before a release")  # it has looked: the line is empty
    run_until(machine, "late", "lock")
    machine.expire("late")
    run_until(machine, "late", "lock")
    assert machine.timeout("late") is None  # in line, asleep on its ticket
    machine.run_while_it_can("holder")
    machine.run_while_it_can("late")
    assert order == ["holder", "late"]


def test_a_thread_that_comes_back_at_once_does_not_starve_the_others():
    gate, over, waits = Gate(), threading.Event(), []

    def greedy():
        while not over.is_set():
            gate.enter()
            until = time.monotonic() + 0.0002
            while time.monotonic() < until:
                pass
            gate.leave()

    thread = threading.Thread(target=greedy)
    thread.start()
    for _ in range(30):
        began = time.monotonic()
        gate.enter()
        waits.append(time.monotonic() - began)
        gate.leave()
    over.set()
    thread.join()
    assert sorted(waits)[-3] < 0.1


def test_the_holder_may_not_enter_again():
    gate = Gate()
    gate.enter()
    with pytest.raises(RuntimeError, match="hook"):
        gate.enter()
    gate.leave()
    gate.enter()
    gate.leave()


def test_a_buried_gate_lets_nobody_in_and_says_why():
    gate = Gate()
    gate.enter()
    gate.bury("it is the parent's")
    gate.leave()
    with pytest.raises(OSError, match="the parent's"):
        gate.enter()
