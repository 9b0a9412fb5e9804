"""Flame graphs for people who read: who calls what, and what share of the whole is below it, as an indented tree.

`python -m tests.bench.tree` draws the bytecodes of each path (opcodes.py), the same in every run; `--write
docs/profiles.md` puts them there. `python -m tests.bench.tree --time ROW` draws the time of our server in a row of the
benchmark, waiting included, by py-spy's samples (pip install py-spy; root).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench.opcodes import HERE, PATHS, where
from tests.bench.rows import NAMES, ROWS
from tests.bench.systems import OURS, systems
from tests.bench.table import table, write

LEAST = 0.015  # of the whole, below which a branch is left out
BEGIN, END = "<!-- begin: python -m tests.bench.tree -->", "<!-- end: python -m tests.bench.tree -->"
ROOM = 120 - 16  # columns that a name may take
ASLEEP = ("_follow", "_lie_down", "_doze")  # where a thread waits that does not poll

ROOMS = {  # a function's is the first that fits
    "stack/tcp/": "stack/tcp",
    "stack/socket/": "stack/socket",
    "stack/": "rest of stack",
    "netif/runtime/": "netif/runtime",
    "netif/": "rest of netif",
    "tapio/": "tapio",
}
OTHERS = "libraries"

Stacks = Counter[tuple[str, ...]]  # how much was found in such a stack, the outermost function first


class Branch:
    """One function, called as its place in the tree says."""

    def __init__(self) -> None:
        self.own = 0
        self.whole = 0
        self.calls: dict[str, Branch] = {}

    def lines(self, name: str, total: int, depth: int = 0) -> Iterable[str]:
        """Shares of the whole: with all that it calls, and of its own."""
        share, own = 100 * self.whole / total, 100 * self.own / total
        indented = "  " * depth + name
        yield f"{share:5.1f} {own:5.1f}  {indented[:ROOM]}"
        for called, branch in sorted(self.calls.items(), key=lambda item: -item[1].whole):
            if branch.whole >= LEAST * total:
                yield from branch.lines(called, total, depth + 1)


def tree(stacks: Stacks) -> list[str]:
    root = Branch()
    for names, amount in stacks.items():
        root.whole += amount
        branch = root
        for name in names:
            branch = branch.calls.setdefault(name, Branch())
            branch.whole += amount
        branch.own += amount
    if not root.whole:
        return []
    branches = sorted(root.calls.items(), key=lambda item: -item[1].whole)
    return [line for name, branch in branches for line in branch.lines(name, root.whole)]


class StackTracer:
    """Counts the bytecodes of this thread by the stack they are in, but for those of this directory."""

    def __init__(self) -> None:
        self.found: Stacks = Counter()
        self._names: dict[FrameType, tuple[str, ...]] = {}

    def __call__(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename.startswith(HERE):
            return None
        outer = self._names.get(frame.f_back, ()) if frame.f_back else ()
        names = self._names[frame] = (*outer, where((code.co_filename, code.co_qualname)))
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        found = self.found

        def count(_frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "opcode":
                found[names] += 1
            elif event == "return":
                self._names.pop(frame, None)
            return count

        return count


def of_bytecodes(path: str) -> tuple[float, Stacks]:
    """Bytecodes of a unit, and where they are."""
    tracer = StackTracer()
    with PATHS[path][1]() as once:
        once()
        sys.settrace(tracer)
        try:
            units = once()
        finally:
            sys.settrace(None)
    return tracer.found.total() / units, tracer.found


def of_time(row: str, seconds: float) -> Stacks:
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if spy is None:
        raise SystemExit("--time needs py-spy, which looks into our server from outside: pip install py-spy")
    name, client = next((one.systems[OURS], one.client or row) for one in ROWS if one.name == row)
    with systems((name,)) as (running, failures), tempfile.TemporaryDirectory() as directory:
        if failures:
            raise SystemExit(failures[name])
        target, folded = running[name], Path(directory, "folded")
        words = [spy, "record", "-F", "-f", "raw", "-r", "500", "-d", str(max(1, int(seconds))), "-o", str(folded)]
        with subprocess.Popen([*words, "-p", str(target.process.pid)], stdout=subprocess.DEVNULL) as recording:
            print(f"{row}: {target.measure(client, seconds + 0.5)}", file=sys.stderr)
            recording.wait()
        return unfolded(folded.read_text())


def unfolded(text: str) -> Stacks:
    """py-spy's `outer (file:line);inner (file:line) count`, without what every thread begins with."""
    stacks: Stacks = Counter()
    for line in text.splitlines():
        frames, _, number = line.rpartition(" ")
        names = [re.sub(r"(.+) \((.+?)(:\d+)?\)", r"\2: \1", frame) for frame in frames.split(";")]
        names = [name for name in names if not name.startswith("threading.py")]
        if names and not names[-1].endswith(ASLEEP):
            stacks[tuple(names)] += int(number)
    return stacks


def by_room(stacks: Stacks, amount: float) -> list[str]:
    """What a unit costs in each room."""
    rooms = Counter(dict.fromkeys(ROOMS, 0))
    for names, number in stacks.items():
        rooms[next((room for room in ROOMS if names[-1].startswith(room)), OTHERS)] += number
    return [f"{rooms[room] / stacks.total() * amount:,.0f}" for room in (*ROOMS, OTHERS)]


def page() -> str:
    rooms, parts = [["bytecodes", "for each", "all", *ROOMS.values(), OTHERS]], []
    for path, (unit, _) in PATHS.items():
        amount, stacks = of_bytecodes(path)
        rooms.append([path, unit, f"{amount:,.0f}", *by_room(stacks, amount)])
        parts.append("\n".join([f"## {path}: {amount:,.0f} for each {unit}", "", "```text", *tree(stacks), "```"]))
    return "\n\n".join(["\n".join(table(rooms)), *parts])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tree", description=__doc__)
    parser.add_argument("--write", metavar="FILE", help="put the trees of bytecodes into this document")
    parser.add_argument("--time", choices=NAMES, metavar="ROW", help=f"of time instead: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(argv)
    if options.time:
        print("\n".join(tree(of_time(options.time, options.seconds))))
        return
    text = page()
    if options.write:
        write(Path(options.write), f"CPython {sys.version_info.major}.{sys.version_info.minor}.\n\n{text}", BEGIN, END)
    print(text)


if __name__ == "__main__":
    main()
