"""The tables of docs/wires.md, from the ones that the commands read.

python -m tests.components.wires.page --write    put them into the page
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from components.wires.device import RESOLUTIONS, Device
from components.wires.grammar import spelt
from components.wires.kinds import WIRES, WRAPPERS

PAGE = Path(__file__).parents[3] / "docs" / "wires.md"


def code(text: str) -> str:
    return f"`{text}`" if text else "none"


def table(head: str, rows: list[tuple[str, ...]]) -> str:
    cells = head.split(" | ")
    lines = [cells, ["---"] * len(cells), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def kinds() -> str:
    rows = [
        (code(f"{kind.name}:{kind.written}"), kind.help, code(spelt(kind.options)), kind.addresses.value)
        for kind in WIRES.values()
    ]
    return table("wire | what | options | address", rows)


def bare() -> str:
    stands_for = {device: RESOLUTIONS[device] for device in Device}
    rows = [(is_a.value, code(",".join((f"{one.wire}:NAME", *one.options)))) for is_a, one in stands_for.items()]
    return table("a name that is a | stands for", rows)


def wrappers() -> str:
    rows = [
        (code(kind.example), kind.help, code(spelt(kind.options).partition(", and with")[0]))
        for kind in WRAPPERS.values()
    ]
    return table("wrapper | what | options", rows)


def page(text: str) -> str:
    """The page with the tables as they are now."""
    for made in (kinds(), bare(), wrappers()):
        head = re.escape(made.partition("\n")[0])
        text = re.sub(rf"^{head}\n(?:\|.*\n)*", lambda _, made=made: made + "\n", text, count=1, flags=re.MULTILINE)
    return text


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    PAGE.write_text(page(PAGE.read_text()))
