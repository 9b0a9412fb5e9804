"""`python -m tests.bench.calls`: unmodified programs on our stack beside the same programs on the kernel's sockets.

Rounds of both alternate, each figure is the median of its rounds, and the ratios within one run are what counts. In
one process: on two stacks joined by a pair, beside the kernel's loopback. Web servers: on a TAP, beside the same
program over a veth pair, with the same client on a CPU of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench import idle
from tests.bench.systems import (
    CLIENT_CPU,
    KERNEL,
    OURS,
    ROOT,
    SERVER_CPU,
    MeasurementError,
    Sample,
    System,
    module,
    python,
    server,
)
from tests.bench.table import figure, ratio, table, write
from tests.host.namespaces import namespace, veth

BEGIN, END = "<!-- begin: python -m tests.bench.calls -->", "<!-- end: python -m tests.bench.calls -->"
SMALL, BULK = 1 / 3, 1 / 2  # of the kernel's, at least


class Row(NamedTuple):
    name: str
    title: str
    must: float
    program: str = ""  # a web server's; without, a row of one process
    client: str = ""

    @property
    def is_bulk(self) -> bool:
        return self.must == BULK

    def value(self, sample: Sample) -> float:
        return (sample.bytes / 1e6 if self.is_bulk else sample.times) / sample.seconds

    def cost(self, sample: Sample) -> float:
        """Microseconds of CPU for 64 KiB in bulk, for a round else."""
        return sample.server_cpu * 1e6 / (sample.bytes / 65536 if self.is_bulk else sample.times)


ROWS = (
    Row("calls-1", "`sendall` and `recv` of 1 B, one thread, /s", SMALL),
    Row("calls-1k", "the same of 1 KiB, /s", SMALL),
    Row("calls-64k", "the same of 64 KiB, MB/s", BULK),
    Row("threads", "1 B there and back, two threads, /s", SMALL),
    Row("threads-64k", "`sendall` of 64 KiB, `recv` in another thread, MB/s", BULK),
    Row("streams-echo", "asyncio streams, a line there and back, /s", SMALL),
    Row("streams-bulk", "asyncio streams, MB/s", BULK),
    Row("http.server", "`http.server`, requests/s", SMALL, "http.server", "small"),
    Row("http.server-anew", "the same, a connection each, /s", SMALL, "http.server", "small-anew"),
    Row("http.server-large", "the same, pages of 1 MiB, MB/s", BULK, "http.server", "large"),
    Row("https", "`http.server` and TLS, requests/s", SMALL, "https", "tls-small"),
    Row("https-anew", "the same, a connection each, /s", SMALL, "https", "tls-anew"),
    Row("https-large", "the same, pages of 1 MiB, MB/s", BULK, "https", "tls-large"),
    Row("aiohttp", "aiohttp, requests/s", SMALL, "aiohttp", "small"),
    Row("aiohttp-large", "the same, pages of 1 MiB, MB/s", BULK, "aiohttp", "large"),
    Row("uvicorn", "uvicorn, requests/s", SMALL, "uvicorn", "small"),
    Row("uvicorn-large", "the same, pages of 1 MiB, MB/s", BULK, "uvicorn", "large"),
)
IDLE = "idle"
Samples = dict[str, list[Sample]]  # by system


@contextmanager
def web(program: str, on: str) -> Iterator[System]:
    """The server, and where its client lives."""
    words = ["--cpu", str(SERVER_CPU), "--netns"]
    with ExitStack() as stack:
        if on == KERNEL:
            near, far = stack.enter_context(veth())
            command = module("tests.bench.calls.server", program, on, *words, far.name)
            yield System(on, stack.enter_context(server(on, *command)), "10.77.0.2", near.name)
            return
        own = stack.enter_context(namespace())
        tap = own.add_tap()
        command = module("tests.bench.calls.server", program, on, *words, own.name, "--wire", f"tap:{tap}")
        process = stack.enter_context(server(on, *command))
        own.settle(tap)
        yield System(on, process, "192.168.5.100", own.name)


def asked(system: System, row: Row, seconds: float) -> Sample:
    answer = python(
        "tests.bench.calls.client", row.client, system.host, str(seconds), "--netns", system.client,
        "--cpu", str(CLIENT_CPU), "--server", str(system.process.pid), timeout=seconds + 30,
    )  # fmt: skip
    return Sample(**answer)


def called(row: Row, on: str, seconds: float) -> Sample:
    words = (row.name, on, str(seconds), "--cpu", str(SERVER_CPU))
    return Sample(**python("tests.bench.calls.inside", *words, timeout=2 * seconds + 30))


def measure(rows: list[Row], count: int, seconds: float) -> dict[str, Samples]:
    """By row: in one process first, then by program."""
    found: dict[str, Samples] = {}
    for row in (row for row in rows if not row.program):
        found[row.name] = rounds(row, {on: partial(called, row, on, seconds) for on in (KERNEL, OURS)}, count)
    for program in dict.fromkeys(row.program for row in rows if row.program):
        with ExitStack() as stack:
            both = [stack.enter_context(web(program, on)) for on in (KERNEL, OURS)]
            for row in (row for row in rows if row.program == program):
                found[row.name] = rounds(row, {each.name: partial(asked, each, row, seconds) for each in both}, count)
    return found


def rounds(row: Row, ways: dict[str, Callable[[], Sample]], count: int) -> Samples:
    samples: Samples = {on: [] for on in ways}
    for on in [*ways] * count:
        try:
            samples[on].append(ways[on]())
        except MeasurementError as failure:
            print(f"{on}, {row.name}: {failure}", file=sys.stderr)
    return samples


def lines(rows: list[Row], found: dict[str, Samples]) -> list[str]:
    """In Markdown."""
    text = [["", "kernel", "ours", "ours/kernel", "must", "met", "CPU us for a", "kernel", "ours"]]
    for row in rows:
        kernel, ours = (median(row.value, found[row.name].get(on, [])) for on in (KERNEL, OURS))
        reached = ours / kernel if ours is not None and kernel else None
        text.append([
            row.title, figure(kernel), figure(ours), ratio(ours, kernel), f"{row.must:.2f}",
            "-" if reached is None else "yes" if reached >= row.must else "no", "64 KiB" if row.is_bulk else "round",
            *(figure(median(row.cost, found[row.name].get(on, []))) for on in (KERNEL, OURS)),
        ])  # fmt: skip
    return table(text)


def median(of: Callable[[Sample], float], samples: list[Sample]) -> float | None:
    return statistics.median(map(of, samples)) if samples else None


def idle_time(count: int) -> list[str]:
    """Of a thousand seconds of a hundred hosts: TCP's keep-alives alone, or as much that programs say."""
    text = [[f"{idle.SECONDS:g} virtual seconds of {idle.HOSTS} idle hosts, a keep-alive a minute", "s of CPU", "must"]]
    for way in idle.WAYS:
        spent = statistics.median(idle.measure(way)[0] for _ in range(count))
        text.append([f"by {way}", f"{spent:.2f}", "1" if way == "TCP's own" else ""])
    return table(text)


def parse(argv: list[str] | None) -> argparse.Namespace:
    names = [*(row.name for row in ROWS), IDLE]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.calls", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5; one with --quick)")
    parser.add_argument("--seconds", type=float, help="a round's length (0.8; 0.2 with --quick)")
    parser.add_argument("--row", action="append", choices=names, metavar="ROW", help=f"this only: {', '.join(names)}")
    parser.add_argument("--write", metavar="FILE", help="put the table into this document, between its markers")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.2 if options.quick else 0.8)
    return options


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    os.chdir(ROOT)
    rows = [row for row in ROWS if not options.row or row.name in options.row]
    if os.geteuid() != 0 and any(row.program for row in rows):
        print("not root: only what needs no TAP is measured", file=sys.stderr)
        rows = [row for row in rows if not row.program]
    text = lines(rows, measure(rows, options.rounds, options.seconds)) if rows else []
    if not options.row or IDLE in options.row:
        text += ["", *idle_time(1 if options.quick else 3)]
    print("\n".join(text))
    if options.write:
        write(Path(options.write), "\n".join([about(options), "", *text]), BEGIN, END)
    return 0


def about(options: argparse.Namespace) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"CPython {version}, Linux {os.uname().release}, {os.cpu_count()} CPUs; calls in one process and servers on "
        f"CPU {SERVER_CPU}, clients on CPU {CLIENT_CPU};\nmedians of {options.rounds} rounds of {options.seconds:g} s."
    )


if __name__ == "__main__":
    raise SystemExit(main())
