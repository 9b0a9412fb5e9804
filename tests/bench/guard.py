"""What may not get slower, and by how much: `tests/bench/bounds.json`, which test_guard.py holds the tree against.

`bytecodes` of each path (opcodes.py), by version of CPython: they are the same in every run, so a tenth above is too
many. `bare`: our CPU time for a unit, and our time for it by the clock, as multiples of the bare responder's in one
run, medians of short rounds that alternate. A machine that does other things too moves these, so the bounds lie a
factor above what was measured: CPU_SLACK and CLOCK_SLACK. Whoever makes a path dearer on purpose, or cheaper, says

    python -m tests.bench.guard --write              # as root; one of the two parts: --only bytecodes, --only bare

on a machine that does nothing else, and commits what has changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.bench.opcodes import PATHS, count
from tests.bench.rows import ROWS, Row
from tests.bench.systems import BARE, OURS, MeasurementError, Sample, System, systems

BOUNDS = Path(__file__).with_name("bounds.json")
SLACK = 1.1
CPU_SLACK, CLOCK_SLACK = 2.0, 4.0
GUARDED = ("from-kernel", "to-kernel", "ping-pong", "udp-ping-pong", "connections")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

Multiples = dict[str, dict[str, float]]  # row: {"cpu": ours of the bare responder's, "clock": the same}


def multiples(running: dict[str, System], rows: tuple[str, ...], rounds: int, seconds: float) -> Multiples:
    found: dict[str, dict[str, list[Sample]]] = {row: {OURS: [], BARE: []} for row in rows}
    for _ in range(rounds):
        for name in (OURS, BARE):
            try:
                for row, sample in running[name].measure_all(rows, seconds).items():
                    found[row][name].append(sample)
            except MeasurementError as failure:  # the other rounds count
                print(f"{name}: {failure}")
    by_name = {row.name: row for row in ROWS}
    return {row: multiple(by_name[row], samples) for row, samples in found.items()}


def multiple(row: Row, samples: dict[str, list[Sample]]) -> dict[str, float]:
    cpu, clock = (
        {name: statistics.median(of(sample) / row.units(sample) for sample in some) for name, some in samples.items()}
        for of in (lambda sample: sample.server_cpu, lambda sample: sample.seconds)
    )
    return {"cpu": cpu[OURS] / cpu[BARE], "clock": clock[OURS] / clock[BARE]}


def beyond(found: Multiples, bounds: Multiples) -> dict[str, str]:
    """Which rows are beyond their bounds, in words."""
    words = {}
    for row, at in found.items():
        for what, slack in (("cpu", CPU_SLACK), ("clock", CLOCK_SLACK)):
            if at[what] > bounds[row][what] * slack:
                usual = f"usually {bounds[row][what]:.2f}, at most {bounds[row][what] * slack:.2f}"
                words[row] = f"{row}: {what} {at[what]:.2f} of the bare responder's, {usual}"
    return words


def load() -> dict[str, Any]:
    bounds: dict[str, Any] = json.loads(BOUNDS.read_text())
    return bounds


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"make these the bounds: {BOUNDS.name}")
    parser.add_argument("--only", choices=("bytecodes", "bare"))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    bounds = load() if BOUNDS.exists() else {"bytecodes": {}, "bare": {}}
    if options.only != "bare":
        bounds["bytecodes"][VERSION] = {path: round(count(path).opcodes) for path in PATHS}
    if options.only != "bytecodes":
        with systems((OURS, BARE)) as (running, failures):
            if failures:
                raise SystemExit(str(failures))
            found = multiples(running, GUARDED, options.rounds, 0.3)
        bounds["bare"] = {row: {what: round(at, 2) for what, at in of.items()} for row, of in found.items()}
    text = json.dumps(bounds, indent=2)
    if options.write:
        BOUNDS.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
