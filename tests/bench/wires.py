"""`python -m tests.bench.wires`: our stack on other wires beside itself on a TAP, the same client and the same run.

The rounds of the wires alternate; a figure is the median of its rounds, and its ratio is to the TAP's. CPU time is the
server's: on a machine that does other things too it is the steadier figure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from tests.bench.systems import ROOT, SERVER_CPU, MeasurementError, Sample, System, module, server
from tests.host.namespaces import namespace, veth


class Wire(NamedTuple):
    """How it is named to `-i`, and what its bulk must be of the TAP's."""

    text: str
    must: float | None


TAP = "tap:tap0"
WIRES = (Wire(TAP, None), Wire("packet:v0", 0.7))
ROWS = ("from-kernel", "to-kernel", "ping-pong")
HEAD = ("wire", "from the kernel, MB/s", "to the kernel, MB/s", "ping-pong, /s", "of the TAP's", "must",
        "CPU us per 64 KiB in", "out", "CPU us per round trip")  # fmt: skip

Samples = dict[str, list[Sample]]  # by row


@contextmanager
def on(wire: str) -> Iterator[System]:
    """Our server on this wire, the kernel at its other end."""
    with ExitStack() as stack:
        if wire == TAP:
            here = there = stack.enter_context(namespace())
            here.add_tap()
            ip = "192.168.5.100"
        else:
            here, there = stack.enter_context(veth())
            here.ip("address", "flush", "dev", "v0")
            ip = "10.77.0.100"
        words = ["--netns", here.name, "--wire", wire, "--ip", f"{ip}/24", "--cpu", str(SERVER_CPU)]
        process = stack.enter_context(server(wire, *module("tests.bench.server", "ours", *words)))
        if wire == TAP:
            here.settle("tap0")
        yield System(wire, process, ip, there.name)


def measure(wires: tuple[Wire, ...], rounds: int, seconds: float) -> dict[str, Samples]:
    """By wire, then by row."""
    found: dict[str, Samples] = {wire.text: {row: [] for row in ROWS} for wire in wires}
    with ExitStack() as stack:
        systems = [stack.enter_context(on(wire.text)) for wire in wires]
        for row in ROWS * rounds:
            for system in systems:
                found[system.name][row].append(system.measure(row, seconds))
    return found


def table(wires: tuple[Wire, ...], found: dict[str, Samples]) -> list[str]:
    """In Markdown."""
    speeds = {text: [median(samples, row, speed) for row in ROWS] for text, samples in found.items()}
    lines = [" | ".join(("", *HEAD, "")).strip(), "|".join(("", "-", *["-:"] * (len(HEAD) - 1), ""))]
    for wire in wires:
        samples, mine = found[wire.text], speeds[wire.text]
        ratios = ", ".join(f"{one / tap:.2f}" for one, tap in zip(mine, speeds[TAP], strict=True))
        cells = [f"`{wire.text}`", *(f"{value:,.0f}" for value in mine), ratios, str(wire.must or "")]
        cells += [f"{median(samples, row, cost):.1f}" for row in ROWS]
        lines.append(" | ".join(("", *cells, "")).strip())
    return lines


def median(samples: Samples, row: str, of: Callable[[Sample], float]) -> float:
    return statistics.median(of(sample) for sample in samples[row])


def speed(sample: Sample) -> float:
    """MB/s in bulk, round trips a second else."""
    return (sample.times if sample.times > 1 else sample.bytes / 1e6) / sample.seconds


def cost(sample: Sample) -> float:
    """Microseconds of the server's CPU for 64 KiB in bulk, for a round trip else."""
    return sample.server_cpu * 1e6 / (sample.times if sample.times > 1 else sample.bytes / 65536)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.wires", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", metavar="WIRE", help="this one beside the TAP")
    options = parser.parse_args(argv)
    os.chdir(ROOT)
    if os.geteuid() != 0:
        print("not root: these wires take it", file=sys.stderr)
        return 2
    wires = tuple(wire for wire in WIRES if options.only in (None, wire.text) or wire.text == TAP)
    try:
        print("\n".join(table(wires, measure(wires, options.rounds, options.seconds))))
    except MeasurementError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
