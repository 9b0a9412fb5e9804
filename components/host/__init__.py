"""What is asked of this machine's kernel from outside the stack: devices, addresses, forwarding (Linux, pyroute2).

`netif host` is the door: it knows the recipes' names and what is up; what they do is theirs.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

RECIPES = {
    "isolated": "a TAP or veth with an address, DHCP and DNS on it: this host and yours, nobody else",
    "bridge": "a bridge with a TAP or veth in it, and a card of this host's: one more machine on the LAN",
    "forward": "a TAP or veth that this host forwards for, with a subnet or addresses of the LAN's (proxy ARP)",
    "nat": "a TAP or veth behind this host's address: masquerading, nft or iptables",
    "doctor": "what is missing or in the way, and the command that mends each",
}

USAGE = """\
usage: netif host RECIPE [NAME] [...] [--down] [--status] [--dry-run]
       netif host [--state DIR]

Prepare this machine for a wire, and put it back as it was.

recipes:
{recipes}

up:
{records}

`netif host RECIPE --help` tells of one. To begin with: netif host isolated tap0
"""


def main(argv: Sequence[str] | None = None) -> int:
    from components.command import run

    arguments = list(sys.argv[1:] if argv is None else argv)
    return run(lambda: start(arguments))


def start(arguments: list[str]) -> int:
    from components.command import Complaint

    if not arguments or arguments[0] in ("-h", "--help", "help", "--state"):
        directory = arguments[1] if arguments[:1] == ["--state"] and len(arguments) == 2 else None
        recipes = "\n".join(f"  {name:10}{text}" for name, text in RECIPES.items())
        print(USAGE.format(recipes=recipes, records="\n".join(records_up(directory)) or "  nothing"), end="")
        return 0
    name = arguments[0]
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
        raise Complaint(f"there is no recipe {name!r}; {hint}")
    status: int = import_module(f"components.host.{name}").main(arguments[1:])
    return status


def records_up(directory: str | None) -> list[str]:
    """A line for each record there, or in the usual directory."""
    from pathlib import Path

    from components.host.state import Records, usual_directory

    lines: list[str] = []
    records = Records(Path(directory) if directory else usual_directory())
    for record in records.all(damaged=lambda complaint: lines.append(f"  {complaint}")):
        where = f" in {record.netns}" if record.netns else ""
        lines.append(f"  {record.title}{where}: {len(record.done)} changes; {record.remedy}")
    return lines
