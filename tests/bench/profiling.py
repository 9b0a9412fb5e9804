"""Where the time of one row goes on our side, by own time and then by the functions that lead there.

cProfile of every thread of the server, of the hosts in memory, or of the program; what `import netif` imports is told
by the interpreter itself.
"""

from __future__ import annotations

import pstats
import subprocess
import sys
import tempfile

from tests.bench.alone import ALONE
from tests.bench.rows import NAMES, ROWS
from tests.bench.systems import OURS, ROOT, module, python, systems

CAN_BE_PROFILED = (*NAMES, *ALONE)
IN_MEMORY = {"lan": (), "pair": ("--pair",)}
PROGRAMS = {"first-ping": ("tests.bench.first_ping",), "demo": ("netif", "demo")}


def print_profile(row: str, seconds: float) -> None:
    if row == "import":
        subprocess.run([sys.executable, "-X", "importtime", "-c", "import netif"], cwd=ROOT, check=True)
        return
    if sys.version_info >= (3, 12):
        raise SystemExit("--profile needs Python 3.11: later ones allow one cProfile for all threads")
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/profile"
        if row in IN_MEMORY:
            print(python("tests.bench.inside", str(seconds), *IN_MEMORY[row], "--profile", path))
        elif row in PROGRAMS:
            subprocess.run(module("cProfile", "-o", path, "-m", *PROGRAMS[row]), cwd=ROOT, check=True)
        else:
            of_the_server(row, seconds, path)
        found = pstats.Stats(path)
        found.strip_dirs().sort_stats("tottime").print_stats(35)
        found.sort_stats("cumtime").print_stats(35)


def of_the_server(row: str, seconds: float, path: str) -> None:
    name, client = next(((one.systems[OURS], one.client or row) for one in ROWS if one.name == row), (OURS, row))
    with systems((name,), profile=path) as (running, failures):
        if failures:
            raise SystemExit(failures[name])
        print(f"{row}: {running[name].measure(client, seconds)}")
