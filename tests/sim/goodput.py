"""The goodput table: one host sends to another over each kind of bad wire, in virtual time; bytes are compared.

    python -m tests.sim.goodput            print the table
    python -m tests.sim.goodput --write    write it to tests/sim/goodput.txt; what the kernel did is kept as it is there
    python -m tests.sim.goodput 10% 20ms   only the points whose name has all these words

Its diff is the review of a change to TCP. `python -m tests.host.goodput` measures the kernel's column.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from stack.tcp.config import TcpConfig
from tests.sim.theory import FRAME, duration, steady
from tests.sim.world import Reader, World, Writer

TABLE = Path(__file__).with_name("goodput.txt")
LOSSES = ("0%", "0.1%", "1%", "3%", "10%", "30%")
ROUND_TRIPS = (1, 20, 100, 300)  # milliseconds
RATES = (1, 10, 100, 1000)  # Mbit/s
STRIDE = 10.0  # seconds that a transfer would last in theory, sizes permitting
SMALLEST, LARGEST = 256 << 10, 4 << 20  # bytes
SEEDS = 3  # runs of a point whose wire throws dice
HEADER = """\
# Goodput in Mbit/s. Ours: python -m tests.sim.goodput --write; the kernel's: python -m tests.host.goodput --write.
# Loss falls on both directions; the queue holds a round trip, at least 30 frames; tests/sim/theory.py is the theory.
# Three runs where dice are thrown: an early loss decides, and a factor of two may be chance.
# At "reorder 20%" RACK waits by the shortest round trip: 0.1 ms here, 0.4 ms through the kernel's forwarder.
"""
TOO_LATE = "too late"
COLUMNS = ("wire", "KiB", "theory", "ours", "share", "kernel", "ours/kernel")


@attrs.frozen
class Point:
    """One wire: the cross product's, or with `extra` rules of `impair`."""

    loss: str
    rtt: int  # milliseconds
    rate: int  # Mbit/s
    extra: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        words = [f"{self.loss} {self.rtt}ms {self.rate}Mbit", *(f"{key} {value}" for key, value in self.extra)]
        return ", ".join(words)

    @property
    def p(self) -> float:
        """How likely a loss begins at a frame, by any of the rules."""
        rules = dict(self.extra)
        shares = (self.loss, rules.get("corrupt", "0%"), rules.get("burst", "0%").split()[0])
        return sum(float(share.rstrip("%")) / 100 for share in shares)

    @property
    def size(self) -> int:
        """Bytes: so much as theory moves in STRIDE, in whole KiB."""
        size = steady(self.rate * 1e6, self.rtt / 1000, self.p) * STRIDE
        return int(min(LARGEST if not self.p else LARGEST // 2, max(SMALLEST, size))) >> 10 << 10

    @property
    def seeds(self) -> range:
        return range(SEEDS if self.p or self.extra else 1)

    @property
    def theory(self) -> float:
        """Seconds that the transfer takes at best."""
        return duration(self.size, self.rate * 1e6, self.rtt / 1000, self.p)

    @property
    def rules(self) -> dict[str, Any]:
        queue = max(30, int(self.rate * 1e6 * self.rtt / 1000 / 8 / FRAME))
        rules = {"loss": self.loss, "delay": self.rtt / 2000, "rate": self.rate * 1e6, "queue": queue, "only": "tcp"}
        return {**rules, **dict(self.extra)}


def points() -> list[Point]:
    cross = [Point(loss, rtt, rate) for loss in LOSSES for rtt in ROUND_TRIPS for rate in RATES]
    extra: list[tuple[tuple[str, Any], ...]] = [
        (("reorder", "1%"),),
        (("reorder", "20%"),),
        (("jitter", "2ms"),),
        (("jitter", "2ms"), ("keep_order", True)),
        (("duplicate", "1%"),),
        (("duplicate", "20%"),),
        (("burst", "0.1% 30%"),),
        (("burst", "1% 50%"),),
        (("corrupt", "1%"),),
        (("queue", 8),),
        (("queue", 1000),),
        (("ecn", 10),),
    ]
    return cross + [Point("0%", 20, rate, rules) for rules in extra for rate in (10, 100)]


class TooLateError(Exception):
    """A transfer took more than 20 times what theory says, and a minute."""


def transfer(point: Point, seed: int) -> float:
    """Seconds from the SYN until the reader has seen the end. Asserts that the bytes are exact; raises TooLateError."""
    data = random.Random(f"{point.name} {seed}").randbytes(point.size)
    world = World(f"{point.name} {seed}", tcp=TcpConfig(ecn="on" if "ecn" in point.rules else "accept"), **point.rules)
    limit = world.time + 20 * point.theory + 60.0
    start = world.time
    client, server = world.connected()
    reader = Reader(server, data)
    world.apps = [Writer(client, data), reader]
    world.settle()
    while reader.ended_at is None:
        if not world.step() or world.time > limit:
            raise TooLateError(f"{point.name}: {reader.at} of {point.size} bytes after {world.time - start:.0f} s")
    return reader.ended_at - start


def goodput(point: Point) -> float:
    """Mbit/s, all seeds together."""
    seconds = 0.0
    for seed in point.seeds:
        seconds += transfer(point, seed)
    return point.size * len(point.seeds) * 8 / seconds / 1e6


def row(point: Point, kernel: str = "-") -> tuple[str, ...]:
    best = point.size * 8 / point.theory / 1e6
    try:
        ours = goodput(point)
    except TooLateError:
        return (point.name, f"{point.size >> 10}", f"{best:.3f}", TOO_LATE, "0", kernel, "0")
    return compared((point.name, f"{point.size >> 10}", f"{best:.3f}", f"{ours:.3f}", f"{ours / best:.2f}"), kernel)


def compared(cells: Iterable[str], kernel: str) -> tuple[str, ...]:
    """The row with the kernel's figure, and the ratio of ours to it."""
    cells = tuple(cells)[:5]
    return (
        *cells,
        kernel,
        "-" if kernel == "-" else "0" if cells[3] == TOO_LATE else f"{float(cells[3]) / float(kernel):.2f}",
    )


def read() -> dict[str, tuple[str, ...]]:
    """The table that is checked in: its rows by name."""
    rows = {}
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        if line and not line.startswith("#"):
            cells = tuple(cell.strip() for cell in line.split("|"))
            rows[cells[0]] = cells
    return {name: cells for name, cells in rows.items() if name != COLUMNS[0]}


def text(rows: Iterable[tuple[str, ...]]) -> str:
    rows = [COLUMNS, *rows]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    lines = []
    for cells in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(" | ".join((first.strip().ljust(widths[0]), *others)))
    return HEADER + "\n".join(lines) + "\n"


def measured(chosen: list[Point], measure: Callable[[Point, str], tuple[str, ...]] = row) -> Iterator[tuple[str, ...]]:
    """Their rows, in order, on all CPUs."""
    known = read()
    kernel = [known[point.name][5] if point.name in known else "-" for point in chosen]
    with ProcessPoolExecutor() as pool:
        yield from pool.map(measure, chosen, kernel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"to {TABLE.name}, instead of printing it")
    parser.add_argument("words", nargs="*", help="only the points whose name has all of them")
    options = parser.parse_args()
    chosen = [point for point in points() if all(word in point.name.replace(",", "").split() for word in options.words)]
    rows = list(measured(chosen))
    if not options.write:
        print(text(rows), end="")
        return
    table = read()
    table.update((cells[0], cells) for cells in rows)
    TABLE.write_text(text(table[point.name] for point in points() if point.name in table))


if __name__ == "__main__":
    main()
