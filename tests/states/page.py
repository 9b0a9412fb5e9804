"""docs/states.md: every state machine of the code as a diagram, drawn from the table that the code itself obeys.

A table is a name of a module with the type `dict[State, ...]` of states that may follow, or of an action to the state
that follows; `dict[Cause, Choice]`, both enums, is a table of what is done. What the page says of it is the first line
of the module.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("netif", "tapio", "stack", "components")

_TABLE = re.compile(
    r"^([A-Z][A-Z_]*): dict\[(\w+), (?:dict\[\w+, \2\]|frozenset\[\2\]|tuple\[\2, \.\.\.\])\] = ", re.MULTILINE
)

_CHOICES = re.compile(r"^([A-Z][A-Z_]*): dict\[\w+, \w+\] = ", re.MULTILINE)

_BEGINNING = """\
# States

Each machine below has a table of its states beside them, and one method that moves along it and asserts that the step
is there. This page is drawn from those tables by `scripts/states`, and a test compares it.
"""


class Machine(NamedTuple):
    where: str
    name: str
    about: str
    transitions: Mapping[Any, Any]


def machines() -> Iterator[Machine]:
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        where = str(path.relative_to(ROOT))
        text = path.read_text()
        names = [name for name, _state in _TABLE.findall(text)]
        for name in [*names, *_CHOICES.findall(text)]:
            module = import_module(where.removesuffix(".py").replace("/", "."))
            about, table = (module.__doc__ or "").partition("\n")[0], getattr(module, name)
            if name in names or all(isinstance(each, enum.Enum) for pair in table.items() for each in pair):
                yield Machine(where, name, about, table)


def page(drawn: list[Machine]) -> str:
    return "".join(_lines(drawn))


def _lines(drawn: list[Machine]) -> Iterator[str]:
    yield _BEGINNING
    for machine in drawn:
        yield f"\n## `{machine.where}`: {machine.name}\n\n{machine.about}\n\n"
        if all(isinstance(following, enum.Enum) for following in machine.transitions.values()):
            yield "| | |\n|---|---|\n"
            yield from (f"| {cause.value} | {choice.value} |\n" for cause, choice in machine.transitions.items())
        else:
            yield "```mermaid\nstateDiagram-v2\n"
            yield from (f"    {step}\n" for step in _steps(machine.transitions))
            yield "```\n"


def _steps(transitions: Mapping[Any, Any]) -> Iterator[str]:
    """It begins in the first, and in whatever nothing leads to."""
    order = {state: place for place, state in enumerate(transitions)}
    edges = [(state, *edge) for state, following in transitions.items() for edge in _following(following, order)]
    reached = {state for _, state, _ in edges}
    for state, place in order.items():
        if place == 0 or state not in reached:
            yield f"[*] --> {_name(state)}"
    for state, following, action in edges:
        yield f"{_name(state)} --> {_name(following)}{action}"


def _following(following: Any, order: Mapping[Any, int]) -> list[tuple[Any, str]]:
    """(state, how an action gets there)."""
    if isinstance(following, Mapping):
        return [(state, f": {action.value}") for action, state in following.items()]
    return [(state, "") for state in sorted(following, key=order.__getitem__)]


def _name(state: object) -> str:
    return str(state.name if isinstance(state, enum.Enum) else state).replace("-", "_")
