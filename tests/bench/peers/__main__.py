"""`python -m tests.bench.peers`: ours beside the kernel and beside other people's stacks, on the same TAP.

* lwIP as Debian packages it (liblwip-dev: 2.1.3, its sockets): a small C program, built here.
* pmd-pytcp from the package index, in a virtual environment made for the run: the fork of PyTCP that runs on Python
  before 3.14.

What cannot be had is left out, with the reason. The client is the one of all benchmarks, pinned as there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tests.bench.rows import ALL, ROWS, Row
from tests.bench.systems import KERNEL, OURS, ROOT, SERVER_CPU, MeasurementError, System, last_line, server, systems
from tests.bench.table import figure, ratio, table
from tests.host.namespaces import Namespace, namespace, wait_until

ADDRESS = "192.168.5.100"
LWIP, PYTCP = "lwIP 2.1.3", "pmd-pytcp"
HERE = Path(__file__).parent

Opened: TypeAlias = Callable[[], AbstractContextManager[System]]


def built_lwip(directory: str) -> str:
    """The program, if there are a compiler and liblwip-dev."""
    program = f"{directory}/lwip"
    line = ["cc", "-O2", "-o", program, str(HERE / "lwip.c"), "-I/usr/include/lwip", "-llwip", "-lpthread"]
    return program if ran(line, "apt-get install liblwip-dev gcc") else ""


def installed_pytcp(directory: str) -> str:
    """The interpreter of an environment that has it."""
    python = f"{directory}/pytcp/bin/python"
    if not ran([sys.executable, "-m", "venv", f"{directory}/pytcp"], "python3-venv"):
        return ""
    return python if ran([python, "-m", "pip", "install", "--quiet", "pmd-pytcp"], "pip install pmd-pytcp") else ""


def ran(line: list[str], remedy: str) -> bool:
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{line[0]}: {last_line(done.stderr)} ({remedy})", file=sys.stderr)
    return done.returncode == 0


@contextmanager
def alone(name: str) -> Iterator[System]:
    with systems((name,)) as (running, failures):
        if failures:
            raise MeasurementError(failures[name])
        yield running[name]


@contextmanager
def lwip(program: str) -> Iterator[System]:
    with namespace() as own:
        tap = own.add_tap()
        environment = ("ip", "netns", "exec", own.name, "env", f"PRECONFIGURED_TAPIF={tap}")
        with server(LWIP, *environment, "taskset", "-c", str(SERVER_CPU), program, ADDRESS, "255.255.255.0") as process:
            own.settle(tap)
            yield System(LWIP, process, ADDRESS, own.name)


@contextmanager
def pytcp(python: str) -> Iterator[System]:
    with namespace() as own:
        tap = own.add_tap()
        program = (python, "-O", str(HERE / "pytcp.py"), tap, f"{ADDRESS}/24")
        with server(PYTCP, "ip", "netns", "exec", own.name, "taskset", "-c", str(SERVER_CPU), *program) as process:
            own.settle(tap)
            wait_until(lambda: answers(own), 30.0, "an answer: the address is probed for first")
            yield System(PYTCP, process, ADDRESS, own.name)


def answers(own: Namespace) -> bool:
    return (
        subprocess.run(["ip", "netns", "exec", own.name, "ping", "-c1", "-W1", ADDRESS], capture_output=True).returncode
        == 0
    )


def measured(row: Row, name: str, opened: Opened, rounds: int, seconds: float) -> float | None:
    """The median; each row has a server of its own, since not all survive every row. None: it did not."""
    try:
        with opened() as system:
            return statistics.median(row.value(system.measure(row.name, seconds)) for _ in range(rounds))
    except MeasurementError as failure:
        print(f"{name}, {row.name}: {failure}", file=sys.stderr)
        return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as directory:
        peers: dict[str, Opened] = {KERNEL: partial(alone, KERNEL), OURS: partial(alone, OURS)}
        if program := built_lwip(directory):
            peers[LWIP] = partial(lwip, program)
        if python := installed_pytcp(directory):
            peers[PYTCP] = partial(pytcp, python)
        cells = [["", *peers, *(f"ours/{name}" for name in peers if name != OURS)]]
        for row in ROWS:
            if row.systems != ALL:  # it asks for more than every stack has
                continue
            found = {
                name: measured(row, name, opened, options.rounds, options.seconds) for name, opened in peers.items()
            }
            values = [figure(found[name]) for name in peers]
            ratios = [ratio(found[OURS], found[name]) for name in peers if name != OURS]
            cells.append([row.title, *values, *ratios])
    print("\n".join(table(cells)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
