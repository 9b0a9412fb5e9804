"""What of CPython's tests is not asked of our sockets, and why: `lists/MODULE.txt`, a line a case.

    Class.test: kind: reason                          it fails, or skips itself; one that passes has to be taken off
    Class.test (3.11 3.12): kind, hangs: reason       on these interpreters; it is not run
    Class.test: kind, either: reason                  it passes or not

`lists/counts.txt` has the length of each list, and how many cases pass at least: a list that grows, and a module that
loses cases, is seen there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

LISTS = Path(__file__).parent / "lists"
KINDS = {
    "kernel": "about the kernel itself, or what only it has",
    "udplite": "UDP-Lite, which a host does not speak",
    "ipv6": "IPv6, which a host does not speak yet",
    "fork": "a forked child, which has no host",
    "interpreter": "about the interpreter's own code and classes",
    "timing": "counts upon which of two threads is faster",
}
_LINE = re.compile(
    r"(?P<case>\w+\.\w+)(?: \((?P<versions>[\d. ]+)\))?: (?P<kind>\w+)(?:, (?P<how>hangs|either))?: \S.*"
)
_VERSION = "{}.{}".format(*sys.version_info)


class Entry(NamedTuple):
    case: str
    kind: str
    hangs: bool
    either: bool


def lines(module: str) -> list[str]:
    path = LISTS / f"{module}.txt"
    return path.read_text().splitlines() if path.exists() else []


def entries(module: str, version: str = _VERSION) -> list[Entry]:
    """Those for an interpreter of this version. ValueError."""
    found: list[Entry] = []
    for line in lines(module):
        match = _LINE.fullmatch(line)
        if match is None or match["kind"] not in KINDS:
            raise ValueError(f"{module}: {line!r}: write 'Class.test: kind: reason', with a kind of {', '.join(KINDS)}")
        if match["versions"] is None or version in match["versions"].split():
            found.append(Entry(match["case"], match["kind"], match["how"] == "hangs", match["how"] == "either"))
    return found


def counts() -> dict[str, tuple[int, int]]:
    """{module: (lines of its list, cases that pass at least)}."""
    words = [line.split() for line in (LISTS / "counts.txt").read_text().splitlines()]
    return {module: (int(left_out), int(passing)) for module, left_out, passing in words}


MODULES = list(counts())
