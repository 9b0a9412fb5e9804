"""CPython's own network tests on our sockets: a process for each module (`enrolled.py`), and what came of each case.

    python -m tests.cpython.run [test_socket ...] [--only Class.test ...] [--json] [--everything]

A case that hangs or ends its process counts as failed, and the next process goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.cpython import left_out

ROOT = Path(__file__).resolve().parents[2]


class Outcome(NamedTuple):
    case: str  # Class.test
    outcome: str  # "passed", "failed" or "skipped"
    detail: str
    seconds: float
    ours: int  # sockets of ours that it made
    kernels: list[str]  # what it did with a network's of the kernel


def run(
    module: str,
    only: Iterable[str] = (),
    but: Iterable[str] = (),
    seconds: float = 60.0,
    python: str = sys.executable,
) -> list[Outcome]:
    """RuntimeError: it did not come so far as to run cases."""
    outcomes: list[Outcome] = []
    after = ""
    while True:
        chosen = [*(["--only", *only] if only else []), *(["--but", *but] if but else []), f"--after={after}"]
        more, begun, words = _one_process([python, "-m", "tests.cpython.enrolled", module, *chosen], seconds)
        outcomes += more
        if begun is None:
            return outcomes
        if not begun:
            raise RuntimeError(f"{module}: {words}")
        outcomes.append(Outcome(begun, "failed", f"the process ended, or waited too long\n{words}", seconds, 0, []))
        after = begun


def _one_process(command: list[str], seconds: float) -> tuple[list[Outcome], str | None, str]:
    """Its outcomes; the case in which it ended, "" for none, None for no such thing; and its last words."""
    whole = [*command, f"--seconds={seconds}"]
    ran = subprocess.run(whole, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL)
    outcomes: list[Outcome] = []
    begun: str | None = ""
    for line in ran.stdout.splitlines():
        said: dict[str, Any] = json.loads(line)
        if "begins" in said:
            begun = said["begins"]
        elif "case" in said:
            outcomes.append(Outcome(**said))
            begun = ""
        else:
            begun = None
    return outcomes, begun, ran.stderr.decode(errors="replace")[-3000:]


def summary(module: str, outcomes: list[Outcome]) -> str:
    told = Counter(each.outcome for each in outcomes)
    return f"{module}: {len(outcomes)} cases, {dict(told)}, {sum(each.ours for each in outcomes)} sockets of ours"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", help="all without any")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=60.0, help="that a case may take")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--everything", action="store_true", help="also what would hang")
    arguments = parser.parse_args()
    for module in arguments.modules or left_out.MODULES:
        entries = left_out.entries(module)
        but = [] if arguments.everything else [each.case for each in entries if each.hangs]
        outcomes = run(module, arguments.only, but, arguments.seconds, arguments.python)
        for each in outcomes:
            if arguments.json:
                print(json.dumps(each._asdict()))
            elif each.outcome == "failed" or each.kernels:
                print(f"{each.case}: {each.outcome} {each.kernels}\n{each.detail}")
        print(summary(module, outcomes), file=sys.stderr)


if __name__ == "__main__":
    main()
