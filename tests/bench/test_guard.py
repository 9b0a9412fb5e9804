"""No path gets slower unnoticed: guard.py says what is held against what, and how the bounds are made again."""

from __future__ import annotations

import pytest

from tests.bench.guard import CLOCK_SLACK, CPU_SLACK, GUARDED, SLACK, VERSION, beyond, load, multiples
from tests.bench.opcodes import PATHS, count
from tests.bench.systems import BARE, OURS, systems

SECONDS, ROUNDS = 0.1, 3


@pytest.mark.parametrize("path", PATHS)
def test_a_path_takes_no_more_bytecodes_than_it_did(path):
    bounds = load()["bytecodes"].get(VERSION)
    if bounds is None:
        pytest.skip(f"no bounds for CPython {VERSION}: python -m tests.bench.guard --write --only bytecodes")
    bound = SLACK * bounds[path]
    counted = count(path, rounds=1, warm=1)
    if counted.opcodes > bound:  # not warm yet, or another thread came between
        counted = count(path)
    dearest = "\n".join(f"{opcodes:8.1f} {place}" for place, opcodes, _ in counted.places[:20])
    assert counted.opcodes <= bound, f"{counted.opcodes:.0f} for a {counted.unit}, {bound:.0f} at most:\n{dearest}"


@pytest.mark.host
def test_our_time_stays_what_it_was_beside_the_bare_responders():
    bounds = load()["bare"]
    with systems((OURS, BARE)) as (running, failures):
        assert failures == {}
        found = beyond(multiples(running, GUARDED, ROUNDS, SECONDS), bounds)
        if found:
            print(f"a loud phase, or a slower tree; once more: {found}")
            found = beyond(multiples(running, tuple(found), 2 * ROUNDS, SECONDS), bounds)
    assert not found, "; ".join(found.values())


def test_a_row_beyond_its_bound_is_told_and_one_within_it_is_not():
    bounds = {"ping-pong": {"cpu": 2.0, "clock": 1.5}}
    at = {"cpu": 2.0 * CPU_SLACK, "clock": 1.5 * CLOCK_SLACK}
    assert beyond({"ping-pong": at}, bounds) == {}
    told = beyond({"ping-pong": {**at, "cpu": at["cpu"] + 0.1}}, bounds)
    assert told == {"ping-pong": "ping-pong: cpu 4.10 of the bare responder's, usually 2.00, at most 4.00"}
