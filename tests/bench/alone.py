"""What has no row beside other systems: memory, imports, starting up. Each is a line: what, figure, must, goal, met."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from tests.bench.systems import OURS, ROOT, SERVER_CPU, MeasurementError, System, module, python, systems
from tests.bench.table import met

Line = list[str]


def memory(words: str, must: float | None, goal: float | None, *options: str) -> Callable[[float, int], list[Line]]:
    """Between two stacks in one process, in GB/s."""

    def measure(seconds: float, count: int) -> list[Line]:
        found = [python("tests.bench.inside", str(seconds), "--cpu", str(SERVER_CPU), *options) for _ in range(count)]
        speed = statistics.median(one["bytes"] / one["seconds"] / 1e9 for one in found)
        return [line(f"{words}, bytes compared", speed, "GB/s", must, goal)]

    return measure


def imported(_seconds: float, count: int) -> list[Line]:
    spent = statistics.median(import_time() for _ in range(3 * count))
    return [line("`import netif`", spent * 1e3, "ms", 50, None, less=True)]


def import_time() -> float:
    """Of `import netif` alone, in a fresh interpreter whose caches are warm."""
    program = "import time; t = time.perf_counter(); import netif; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise MeasurementError(f"import netif: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def first_ping(_seconds: float, count: int) -> list[Line]:
    found = [python("tests.bench.first_ping") for _ in range(count)]
    warm, cold, spent = (statistics.median(one[name] for one in found) * 1e3 for name in ("warm", "cold", "cpu"))
    return [
        line("`Stack()` and a TAP to the first ping answered", warm, "ms", 20, None, less=True),
        line("the same from a fresh process's first statement, imports and all", cold, "ms", None, None),
        line("its CPU time until the TAP is open", spent, "ms", None, None),
    ]


def demo(_seconds: float, count: int) -> list[Line]:
    return [line("`netif demo`", statistics.median(demo_time() for _ in range(count)), "s", 3, None, less=True)]


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


def idle(seconds: float, _count: int) -> list[Line]:
    with systems((OURS,)) as (running, failures):
        if failures:
            raise MeasurementError(failures[OURS])
        return wake_ups(running[OURS], 10 * seconds)


def wake_ups(ours: System, seconds: float) -> list[Line]:
    what = "wake-ups a second, idle, one ESTABLISHED and its listeners"
    return [line(what, ours.wake_ups(seconds), "", 5, None, less=True)]


def line(what: str, value: float, unit: str, must: float | None, goal: float | None, less: bool = False) -> Line:
    shown = f"{value:.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    verdict = met(value, must, goal if goal is not None else (-1.0 if less else float("inf")), less) if must else ""
    return [
        what,
        f"{shown} {unit}".strip(),
        *("" if bound is None else f"{bound:g}" for bound in (must, goal)),
        verdict,
    ]


ALONE: dict[str, Callable[[float, int], list[Line]]] = {
    "lan": memory("a Lan of two in memory", 3, 5),
    "pair": memory("two stacks on a pair in memory", None, None, "--pair"),
    "idle": idle,
    "import": imported,
    "first-ping": first_ping,
    "demo": demo,
}
NEED_ROOT = {"idle", "first-ping"}


def measure(names: list[str], seconds: float, count: int) -> list[Line]:
    lines = []
    for name in names:
        try:
            lines += ALONE[name](seconds, count)
        except MeasurementError as failure:
            lines.append([name, f"failed: {failure}", "", "", ""])
    return lines
