"""The ledger's rows, as the tables beside this file say them: one file for each RFC, one row for each requirement.

A row shows its clause by a test and by a mutation of one line of the code under which that test fails; or it says why
the clause does not hold (`deviates`) or has nothing to hold for (`not_applicable`). Knows the form, not the code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "RECOMMENDED", "STEP")
_FORMS = {  # what a row consists of, besides its clause, its level and a note
    "held": {"test", "file", "line", "becomes"},
    "deviates": {"deviates"},
    "n/a": {"not_applicable"},
}
_ALWAYS, _SOMETIMES = {"clause"}, {"level", "note"}


class LedgerError(Exception):
    """The ledger is wrong; says where, and what to do."""


@attrs.frozen(kw_only=True)
class Mutation:
    """One line of one file, and what it becomes."""

    file: str
    line: str  # its text, indentation left out
    becomes: str
    within: str | None = None  # the function or class, where the file has that line more than once


@attrs.frozen(kw_only=True)
class Row:
    rfc: str
    id: str
    level: str
    clause: str
    status: str  # held, deviates, n/a
    test: str | None = None
    mutation: Mutation | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.rfc} {self.id}"


@attrs.frozen(kw_only=True)
class Table:
    rfc: str
    title: str
    source: str
    ids: tuple[str, ...]  # of all requirements, in the RFC's order
    rows: tuple[Row, ...]


def expand(text: str) -> tuple[str, ...]:
    """All ids of "MUST-1..3 REC-1": MUST-1, MUST-2, MUST-3, REC-1."""
    found: list[str] = []
    for word in text.split():
        if span := re.fullmatch(r"(.*\D)(\d+)\.\.(\d+)", word):
            stem, first, last = span[1], int(span[2]), int(span[3])
            found.extend(f"{stem}{number}" for number in range(first, last + 1))
        else:
            found.append(word)
    return tuple(found)


def read(path: Path) -> Table:
    said = tomllib.loads(path.read_text())
    rfc = str(said["rfc"])
    rows = tuple(_row(path.name, rfc, name, fields) for name, fields in said["row"].items())
    return Table(rfc=rfc, title=said["title"], source=said["source"], ids=expand(said["ids"]), rows=rows)


def _row(file: str, rfc: str, name: str, fields: dict[str, str]) -> Row:
    level = fields.get("level") or _level_of(name)
    form = next((form for form, wanted in _FORMS.items() if wanted & fields.keys()), "held")
    wanted = _FORMS[form] | _ALWAYS
    allowed = wanted | _SOMETIMES | ({"within"} if form == "held" else set())
    if not wanted <= fields.keys() <= allowed or level not in LEVELS:
        perhaps = sorted(allowed - wanted)
        raise LedgerError(f"{file}, {name}: a row that is {form} has {sorted(wanted)}, and perhaps {perhaps}")
    common = {"rfc": rfc, "id": name, "level": level, "clause": fields["clause"], "status": form}
    if form != "held":
        return Row(**common, reason=fields.get("deviates") or fields["not_applicable"])
    mutation = Mutation(
        file=fields["file"], line=fields["line"], becomes=fields["becomes"], within=fields.get("within")
    )
    return Row(**common, test=fields["test"], mutation=mutation, reason=fields.get("note", ""))


def _level_of(name: str) -> str:
    """Of an id that says it, as RFC 9293's do."""
    return {"MUST": "MUST", "SHLD": "SHOULD", "MAY": "MAY", "REC": "RECOMMENDED"}.get(name.partition("-")[0], "")


def tables() -> list[Table]:
    return [read(path) for path in sorted(HERE.glob("rfc*.toml"))]


def rows() -> Iterator[Row]:
    for table in tables():
        yield from table.rows
