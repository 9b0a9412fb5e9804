"""Ten thousand random runs (runs.py): bytes exact or a clean error, nothing left, and every kind of trouble met often.

The corpus is fixed, so that its counts are too; a failure prints the command that repeats its run. The fast half takes
some of this run's seed; a shard that CI draws takes a part of its seeds.
"""

from __future__ import annotations

import collections
import random

import pytest

from tests.sim.runs import EVENTS, replay, run

CORPUS, SHARDS = 10_000, 100
DRAWN = 10  # of a shard's seeds, where the slow half is only sampled
AT_LEAST = 1000  # runs of the corpus that met each of EVENTS


@pytest.fixture(scope="module")
def met() -> collections.Counter[str]:
    """What the runs of the corpus met so far."""
    return collections.Counter()


def together(seeds) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        try:
            counts += run(seed)
        except BaseException as error:
            error.add_note(f"repeat it: {replay(seed)}")
            raise
    return counts


@pytest.mark.parametrize("part", range(4))
def test_some_runs_that_nobody_has_seen(seed: int, part: int):
    assert together(CORPUS + (seed + number) % 10**9 for number in range(8))["runs"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_hundredth_of_the_corpus(request, seed: int, met, shard: int):
    seeds = range(shard, CORPUS, SHARDS)
    if not request.config.getoption("--slow"):
        seeds = random.Random(seed).sample(seeds, DRAWN)
    met += together(seeds)


@pytest.mark.slow
def test_the_corpus_met_every_kind_of_trouble(met):
    print(dict(met))
    if met["runs"] < CORPUS:
        pytest.skip(f"only {met['runs']} of its {CORPUS} runs were made: --slow makes them all")
    assert {event: met[event] for event in EVENTS if met[event] < AT_LEAST} == {}


def test_a_run_is_repeated_by_its_number():
    assert run(4) == run(4)
