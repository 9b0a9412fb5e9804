"""`python -m tests.bench`: ours beside the kernel and a bare responder, one table of ratios.

Absolute figures swing by a factor of two between minutes and machines; the ratios within one run are what counts. The
rounds of the systems alternate, and each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.bench import alone
from tests.bench.profiling import CAN_BE_PROFILED, print_profile
from tests.bench.rows import NAMES, ROWS, Row, Samples
from tests.bench.systems import BARE, CLIENT_CPU, KERNEL, OURS, ROOT, SERVER_CPU, MeasurementError, System, systems
from tests.bench.table import Results, latencies, notes, processor, speeds, table, write


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    os.chdir(ROOT)
    chosen = [row for row in ROWS if not options.row or row.name in options.row]
    others = [name for name in alone.ALONE if not options.row or name in options.row]
    if os.geteuid() != 0 and (chosen or alone.NEED_ROOT & set(others)):
        print("not root: only what needs no TAP is measured", file=sys.stderr)
        chosen, others = [], [name for name in others if name not in alone.NEED_ROOT]
    if options.profile:
        print_profile(options.profile, options.seconds)
        return 0
    begun = time.monotonic()
    text = "\n".join(report(measure(chosen, options), others, options))
    print(text)
    spent = time.monotonic() - begun
    print(f"measured in {spent:.0f} s", file=sys.stderr)
    if options.write:
        write(Path(options.write), f"{about(options, spent)}\n\n{text}")
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    names = [*NAMES, *alone.ALONE]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5; one with --quick)")
    parser.add_argument("--seconds", type=float, help="a round's length (0.8; 0.2 with --quick)")
    parser.add_argument("--row", action="append", choices=names, metavar="ROW", help=f"this only: {', '.join(names)}")
    parser.add_argument("--without", action="append", default=[], choices=[KERNEL, OURS, BARE], help="leave it out")
    parser.add_argument("--profile", choices=CAN_BE_PROFILED, metavar="ROW", help="where our time goes in this row")
    parser.add_argument("--write", metavar="FILE", help="put the table into this document, between its markers")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.2 if options.quick else 0.8)
    return options


def measure(rows: list[Row], options: argparse.Namespace) -> Results:
    """By row; of the systems that start and were not left out."""
    results: Results = {}
    for group in groups(rows):
        names = tuple(dict.fromkeys(
            name for row in group for column, name in row.systems.items() if column not in options.without
        ))  # fmt: skip
        with systems(names) as (running, failures):
            for name, why in failures.items():
                print(f"{name}: {why}", file=sys.stderr)
            for row in group:
                beside = {column: running[name] for column, name in row.systems.items() if name in running}
                results[row.name] = row, rounds(row, beside, options.rounds, options.seconds)
    return results


def groups(rows: list[Row]) -> list[list[Row]]:
    """Those together that want the same systems: what is not measured does not run."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.systems[OURS], []).append(row)
    return list(found.values())


def rounds(row: Row, beside: dict[str, System], count: int, seconds: float) -> Samples:
    samples: Samples = {column: [] for column in beside}
    for _ in range(count):
        for column, system in beside.items():
            if sys.stderr.isatty():
                print(f"\r\033[K{row.name}: {column}", end="", file=sys.stderr, flush=True)
            try:
                samples[column].append(system.measure(row.client or row.name, seconds))
            except MeasurementError as failure:
                print(f"{column}, {row.name}: {failure}", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return samples


def report(results: Results, others: list[str], options: argparse.Namespace) -> list[str]:
    lines = []
    if results:
        lines += [*speeds(results), "", *processor(results), "", *latencies(results), "", *bullets(notes(results)), ""]
    if others:
        count = 1 if options.quick else 3
        lines += table([["", "is", "must", "goal", "met"], *alone.measure(others, options.seconds, count)])
    return lines


def bullets(lines: list[str]) -> list[str]:
    return [f"* {line}" for line in lines]


def about(options: argparse.Namespace, spent: float) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"CPython {version}, Linux {os.uname().release}, {os.cpu_count()} CPUs; server on CPU {SERVER_CPU}, client on "
        f"CPU {CLIENT_CPU};\nmedians of {options.rounds} rounds of {options.seconds:g} s; {spent / 60:.1f} min in all."
    )


if __name__ == "__main__":
    raise SystemExit(main())
