"""Who reaches whom: the table, in the words in which docs/topologies.md has it, and the pictures' commands from there.

Knows the page and nothing of namespaces. A picture has two blocks: what one types, and the `ip` and `nft` lines that
the first of those stands for.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

PAGE = Path(__file__).parents[2] / "docs" / "topologies.md"

BOTH, OUT, MAPPED, NONE = "in and out", "out", "out; in by a mapped port", "no"
VANTAGES = ("this machine", "a LAN host", "the Internet")


@attrs.frozen
class Row:
    """Whom a host of ours reaches, and who reaches it."""

    this: str
    lan: str
    internet: str
    dhcp: str  # whose server gives it an address

    @property
    def cells(self) -> dict[str, str]:
        return dict(zip(VANTAGES, (self.this, self.lan, self.internet), strict=True))


TABLE = {
    "isolated": Row(BOTH, NONE, NONE, "the machine's"),
    "bridge": Row(BOTH, BOTH, MAPPED, "the LAN's"),
    "forward": Row(BOTH, BOTH, MAPPED, "none"),
    "nat": Row(BOTH, MAPPED, MAPPED, "the machine's"),
    "own card": Row(NONE, BOTH, MAPPED, "the LAN's"),
    "loopback": Row(BOTH, NONE, NONE, "none"),
}


def rendered() -> str:
    """The table as the page has it."""
    head = f"| | {' | '.join(VANTAGES)} | DHCP |\n|---|{'---|' * (len(VANTAGES) + 1)}"
    rows = (f"| {name} | {' | '.join((*row.cells.values(), row.dhcp))} |" for name, row in TABLE.items())
    return "\n".join([head, *rows])


@attrs.frozen
class Picture:
    """One of the page's."""

    title: str
    typed: tuple[str, ...]
    plain: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """Its `netif host` line; "" where there is nothing to prepare."""
        return next((line for line in self.typed if line.startswith("netif host")), "")

    def line(self, *starts: str) -> str:
        """The one typed line that begins with one of these."""
        (found,) = [line for line in self.typed if line.startswith(starts)]
        return found


def pictures() -> dict[str, Picture]:
    """By title."""
    found = {}
    for title, body in re.findall(r"^## \d\. (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        blocks = [lines(block) for block in re.findall(r"^```sh\n(.*?)^```", body, re.MULTILINE | re.DOTALL)]
        typed, plain = [*blocks, (), ()][:2]
        found[title] = Picture(title, typed, plain)
    return found


def lines(block: str) -> tuple[str, ...]:
    return tuple(line for line in block.splitlines() if line and not line.startswith("#"))
