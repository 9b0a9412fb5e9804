"""The page of the documentation that is drawn from the ledger: what holds, in numbers; what does not, with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.ledger.rows import Table

_BEGINNING = """\
# The RFCs, clause by clause

`tests/ledger` has a row for every requirement of these RFCs. What *holds* is shown by a test, and by a change of one
line of the code under which that test fails; [CONTRIBUTING](../CONTRIBUTING.md#the-ledger) says how to read, try and
mend rows. This page is drawn from them by `scripts/rfc_ledger --page`, and a test compares it.

| RFC | | holds | deviates | not applicable |
|---|---|--:|--:|--:|
"""


def page(tables: list[Table]) -> str:
    return "".join(_lines(tables))


def _lines(tables: list[Table]) -> Iterator[str]:
    yield _BEGINNING
    for table in tables:
        counts = Counter(row.status for row in table.rows)
        yield f"| {table.rfc} | {table.title} | {counts['held']} | {counts['deviates']} | {counts['n/a']} |\n"
    yield "\n## What deviates, and why\n"
    for table in tables:
        rows = [row for row in table.rows if row.status == "deviates"]
        if rows:
            yield f"\n### RFC {table.rfc}\n\n| | | the clause | why it does not hold |\n|---|---|---|---|\n"
            for row in rows:
                yield f"| {row.id} | {row.level} | {row.clause} | {row.reason} |\n"
