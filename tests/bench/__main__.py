"""`python -m tests.bench`: ours beside the kernel and a bare responder, one table of ratios.

Absolute figures swing by a factor of two between minutes and machines; the ratios within one run are what counts. The
rounds of the three systems alternate, and each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.systems import (
    BARE,
    KERNEL,
    OURS,
    ROOT,
    SERVER_CPU,
    MeasurementError,
    Sample,
    System,
    module,
    python,
    systems,
)

BEGIN, END = "<!-- begin: python -m tests.bench -->", "<!-- end: python -m tests.bench -->"


class Row(NamedTuple):
    """A row that three systems share."""

    name: str
    title: str
    value: Callable[[Sample], float]
    units: Callable[[Sample], float]  # by which the server's CPU time is divided
    unit: str
    must: float  # of the kernel's figure


def megabytes(sample: Sample) -> float:
    return sample.bytes / sample.seconds / 1e6


def rate(sample: Sample) -> float:
    return sample.times / sample.seconds


def blocks(sample: Sample) -> float:
    return sample.bytes / 65536


def times(sample: Sample) -> float:
    return sample.times


ROWS = (
    Row("from-kernel", "TCP from the kernel, MB/s", megabytes, blocks, "64 KiB", 0.4),
    Row("to-kernel", "TCP to the kernel, MB/s", megabytes, blocks, "64 KiB", 0.35),
    Row("ping-pong", "TCP 1-byte ping-pong, /s", rate, times, "round trip", 0.35),
    Row("udp-ping-pong", "UDP 64 B ping-pong, /s", rate, times, "round trip", 0.35),
    Row("connections", "connect + 64 B echo + close, /s", rate, times, "connection", 0.25),
)
ALONE = ("lan", "idle", "import", "demo", "pcap")
ROOTS = ("idle", "pcap")
HEAD = ("", "kernel (veth)", "ours (TAP)", "bare (TAP)", "ours/kernel", "must", "ours/bare",
        "CPU us ours", "bare", "per")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    os.chdir(ROOT)
    chosen = [row for row in ROWS if not options.row or row.name in options.row]
    alone = [name for name in ALONE if not options.row or name in options.row]
    if os.geteuid() != 0 and (chosen or set(ROOTS) & set(alone)):
        print("not root: only what needs no TAP is measured", file=sys.stderr)
        chosen, alone = [], [name for name in alone if name not in ROOTS]
    if options.profile:
        profile(options.profile, options.seconds)
        return 0
    shared, idle = measure(chosen, options, "idle" in alone) if chosen or "idle" in alone else ([], [])
    lines = [*table(shared), "", *idle, *measure_alone(alone, options)]
    text = "\n".join(lines)
    print(text)
    if options.write:
        write(Path(options.write), f"{about(options)}\n\n{text}")
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5; one with --quick)")
    parser.add_argument("--seconds", type=float, help="a round's length (1; 0.5 with --quick)")
    parser.add_argument("--row", action="append", choices=[*names, *ALONE], help="this row only; may be repeated")
    parser.add_argument("--without", action="append", default=[], choices=[KERNEL, OURS, BARE], help="leave it out")
    parser.add_argument("--profile", choices=[*names, "lan"], help="where our time goes in this row (cProfile)")
    parser.add_argument("--write", metavar="FILE", help="put the table into this document, between its markers")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    return options


def measure(
    rows: list[Row], options: argparse.Namespace, idle: bool
) -> tuple[list[tuple[Row, dict[str, list[Sample]]]], list[str]]:
    names = tuple(name for name in (KERNEL, OURS, BARE) if name not in options.without)
    lines: list[str] = []
    with systems(names) as (running, failures):
        for name, why in failures.items():
            print(f"{name}: {why}", file=sys.stderr)
        results = [(row, rounds(row, running, options.rounds, options.seconds)) for row in rows]
        if idle and OURS in running:
            seconds = 3.0 if options.quick else 10.0
            woken = running[OURS].wake_ups(seconds)
            lines.append(f"idle, one ESTABLISHED and one LISTEN: {woken:.1f} wake-ups a second (at most 5)")
    return results, lines


def rounds(row: Row, running: dict[str, System], count: int, seconds: float) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in running}
    for _ in range(count):
        for name, system in running.items():
            if sys.stderr.isatty():
                print(f"\r\033[K{row.name}: {name}", end="", file=sys.stderr, flush=True)
            try:
                samples[name].append(system.measure(row.name, seconds))
            except MeasurementError as failure:
                print(f"{name}, {row.name}: {failure}", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return samples


def table(results: list[tuple[Row, dict[str, list[Sample]]]]) -> list[str]:
    """In Markdown, aligned so that a terminal can show it too."""
    if not results:
        return []
    cells = [list(HEAD)]
    for row, samples in results:
        value = {name: median(row.value, found) for name, found in samples.items()}
        cpu = {name: median(lambda s: s.server_cpu * 1e6 / row.units(s), found) for name, found in samples.items()}  # noqa: B023
        ours, kernel, bare = value.get(OURS), value.get(KERNEL), value.get(BARE)
        cells.append([
            row.title, figure(kernel), figure(ours), figure(bare), ratio(ours, kernel), f"{row.must:g}",
            ratio(ours, bare), figure(cpu.get(OURS)), figure(cpu.get(BARE)), row.unit,
        ])  # fmt: skip
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    rule = "|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|"
    text = [aligned(line, widths) for line in cells]
    return [text[0], rule, *text[1:]]


def aligned(line: list[str], widths: list[int]) -> str:
    first, *others = zip(line, widths, strict=True)
    return " | ".join(["| " + first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"


def median(of: Callable[[Sample], float], samples: list[Sample]) -> float | None:
    return statistics.median(map(of, samples)) if samples else None


def figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one is not None and other else "-"


def measure_alone(names: list[str], options: argparse.Namespace) -> list[str]:
    """What has no row in the table."""
    lines = []
    count = 1 if options.quick else 3
    try:
        if "lan" in names:
            found = [python("tests.bench.inside", str(options.seconds), "--cpu", str(SERVER_CPU)) for _ in range(count)]
            speed = statistics.median(one["bytes"] / one["seconds"] / 1e9 for one in found)
            lines.append(f"a Lan of two in memory, bytes compared: {speed:.2f} GB/s (at least 2)")
        if "import" in names:
            spent = statistics.median(import_time() for _ in range(3 * count))
            lines.append(f"import netif: {spent * 1e3:.0f} ms (under 60)")
        if "demo" in names:
            lines.append(f"netif demo: {statistics.median(demo_time() for _ in range(count)):.2f} s (under 3)")
        if "pcap" in names:
            lines += on_pcap(options.seconds, options.rounds)
    except MeasurementError as failure:
        lines.append(f"failed: {failure}")
    return lines


def on_pcap(seconds: float, count: int) -> list[str]:
    found = python("tests.bench.on_pcap", str(seconds), str(count), timeout=30 + 8 * seconds * count)
    lines = []
    for row, title in (("from-kernel", "from the kernel"), ("to-kernel", "to the kernel")):
        ours, bare = found[OURS][row], found[BARE][row]
        cpu = f"{figure(ours['cpu'])} and {figure(bare['cpu'])}: {ratio(bare['cpu'], ours['cpu'])}"
        lines.append(
            f"TCP over libpcap {title}: {figure(ours['speed'])} MB/s, a bare loop {figure(bare['speed'])}: "
            f"{ratio(ours['speed'], bare['speed'])} (at least 0.5); CPU us per 64 KiB {cpu}"
        )
    return lines


def import_time() -> float:
    """Of `import netif` alone, in a fresh interpreter whose caches are warm."""
    program = "import time; t = time.perf_counter(); import netif; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise MeasurementError(f"import netif: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def demo_time() -> float:
    with tempfile.TemporaryDirectory() as elsewhere:
        begun = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            module("netif", "demo"), cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise MeasurementError(f"netif demo: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return time.perf_counter() - begun


def profile(row: str, seconds: float) -> None:
    """Where our CPU time goes: by own time, then by the functions that lead there."""
    if sys.version_info >= (3, 12):
        raise SystemExit("--profile needs Python 3.11: later ones allow one cProfile for all threads")
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/profile"
        if row == "lan":
            print(python("tests.bench.inside", str(seconds), "--profile", path))
        else:
            with systems((OURS,), profile=path) as (running, failures):
                if failures:
                    raise SystemExit(failures[OURS])
                sample = running[OURS].measure(row, seconds)
                print(f"{row}: {sample}")
        found = pstats.Stats(path)
        found.strip_dirs().sort_stats("tottime").print_stats(35)
        found.sort_stats("cumtime").print_stats(35)


def about(options: argparse.Namespace) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"CPython {version}, Linux {os.uname().release}, {os.cpu_count()} CPUs; server on CPU 0, client on CPU 1; "
        f"medians of {options.rounds} rounds of {options.seconds:g} s."
    )


def write(path: Path, text: str) -> None:
    section = f"{BEGIN}\n{text}\n{END}"
    old = path.read_text() if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, found, rest = old.partition(BEGIN)
    if not found:
        path.write_text(f"{old.rstrip()}\n\n{section}\n")
        return
    path.write_text(before + section + rest.partition(END)[2])


if __name__ == "__main__":
    raise SystemExit(main())
