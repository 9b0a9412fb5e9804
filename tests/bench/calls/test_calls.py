"""That the comparison of calls runs, and what its table says of samples."""

from __future__ import annotations

import pytest

from tests.bench.calls import __main__ as calls
from tests.bench.calls import inside
from tests.bench.calls.client import ROWS as CLIENT_ROWS
from tests.bench.calls.server import LOOPS, THREADS
from tests.bench.systems import KERNEL, OURS, Sample

BY_NAME = {row.name: row for row in calls.ROWS}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("on", [KERNEL, OURS])
@pytest.mark.parametrize("row", [*inside.BLOCKING, *inside.AWAITING])
def test_each_row_of_one_process_runs_on_both(row, on):
    size, times, seconds = inside.run(row, on, 0.01)
    assert size >= times > 0
    assert seconds > 0


def test_every_row_has_its_program_and_its_client():
    assert {row.name for row in calls.ROWS if not row.program} == {*inside.BLOCKING, *inside.AWAITING}
    assert {row.program for row in calls.ROWS if row.program} == {*THREADS, *LOOPS}
    assert {row.client for row in calls.ROWS if row.program} == CLIENT_ROWS.keys()


def test_small_messages_are_counted_and_bulk_is_weighed():
    small, bulk = BY_NAME["calls-1"], BY_NAME["calls-64k"]
    half = Sample(bytes=32_768_000, times=500, seconds=1.0, server_cpu=0.05)
    whole = Sample(bytes=65_536_000, times=1000, seconds=1.0, server_cpu=0.02)
    found = {row.name: {KERNEL: [whole], OURS: [half]} for row in (small, bulk)}
    assert [cells(line)[1:] for line in calls.lines([small, bulk], found)[2:]] == [
        ["1,000", "500", "0.50", "0.33", "yes", "round", "20.0", "100"],
        ["65.5", "32.8", "0.50", "0.50", "yes", "64 KiB", "20.0", "100"],
    ]


def test_what_was_not_measured_is_a_dash():
    row = BY_NAME["aiohttp"]
    assert cells(calls.lines([row], {row.name: {KERNEL: [], OURS: []}})[2])[1:6] == ["-", "-", "-", "0.33", "-"]


@pytest.mark.host
@pytest.mark.slow
@pytest.mark.parametrize("program", [*THREADS, *LOOPS])
def test_a_web_server_answers_every_row_on_both(program):
    if program in LOOPS:
        pytest.importorskip(program)
    rows = [row for row in calls.ROWS if row.program == program]
    for samples in calls.measure(rows, 1, 0.05).values():
        assert all(sample.times > 0 for sample in (*samples[KERNEL], *samples[OURS]))
        assert len(samples[KERNEL]) == len(samples[OURS]) == 1
