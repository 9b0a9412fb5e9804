"""The ledger is whole, fits the code as it is, and a sample of it is tried: thirty mutations, drawn by the commit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.ledger.mutation import compiled, mutated
from tests.ledger.page import page
from tests.ledger.rows import ROOT, LedgerError, Mutation, Row, expand, read, rows, tables

WHAT_TO_DO = "\n\nThe ledger (tests/ledger/*.toml) follows the code: CONTRIBUTING.md says how to mend a row.\n"
HELD = [row for row in rows() if row.mutation is not None]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.rfc)
def test_every_requirement_has_one_row_in_the_order_of_the_rfc(table):
    assert len(set(table.ids)) == len(table.ids)
    assert tuple(row.id for row in table.rows) == table.ids


def test_every_mutation_fits_one_line_of_the_code():
    mistakes = []
    for row in HELD:
        try:
            compiled(row)
        except LedgerError as mistake:
            mistakes.append(str(mistake))
    assert not mistakes, "\n".join(mistakes) + WHAT_TO_DO


def test_every_test_that_is_named_exists():
    named = sorted({row.test for row in HELD})
    told = run("-m", "pytest", "--collect-only", "-q", "--assert=plain", "-p", "no:cacheprovider", *named)
    missing = [line for line in told.stdout.splitlines() + told.stderr.splitlines() if "not found" in line]
    assert told.returncode == 0, "\n".join(missing or [told.stdout[-2000:]]) + WHAT_TO_DO


def test_thirty_mutations_drawn_by_the_commit_are_noticed():
    told = run("-m", "tests.ledger", "--sample")
    assert told.returncode == 0, told.stdout + told.stderr + WHAT_TO_DO


def test_the_ledger_prints_itself():
    told = run("-m", "tests.ledger", "9293 MUST-9")
    assert told.returncode == 0
    assert told.stdout.splitlines()[2:] == [
        "  MUST-9         MUST        held      nobody outside can compute an initial sequence number",
        " " * 38 + "tests/stack/tcp/test_attacks.py::test_initial_numbers_differ_by_host",
        " " * 38 + "stack/tcp/handshake.py: `self._keyed = blake2s(digest_size=4, key=dice.randbytes(16))` -> "
        "`self._keyed = blake2s(digest_size=4)`",
    ]


def test_the_page_is_current():
    assert (ROOT / "docs" / "rfc-ledger.md").read_text() == page(tables()), (
        "scripts/rfc_ledger --page > docs/rfc-ledger.md"
    )


# the tool itself

LAYER = "stack/tcp/layer.py"


def test_ids_are_written_short():
    assert expand("A-1..3 B 3.2.1.3-9..10") == ("A-1", "A-2", "A-3", "B", "3.2.1.3-9", "3.2.1.3-10")


def test_a_line_is_found_by_its_text_and_its_indentation_kept():
    text = mutated(
        Mutation(file=LAYER, line="listener = self.listener_at(local, interface)", within="Tcp.receive", becomes="x")
    )
    assert "\n        x\n" in text


@pytest.mark.parametrize(
    ("mutation", "complaint"),
    [
        (Mutation(file="stack/nowhere.py", line="a", becomes="b"), "there is no"),
        (Mutation(file="tests/ledger/rows.py", line="a", becomes="b"), "there is no"),
        (Mutation(file=LAYER, line="no such line", becomes="b"), "has no line"),
        (Mutation(file=LAYER, line="flags = segment.flags", within="Tcp.nothing", becomes="b"), "has no Tcp.nothing"),
        (Mutation(file=LAYER, line="listener = self.listener_at(local, interface)", becomes="b"), "name its function"),
        (Mutation(file=LAYER, line="self.release(local)", becomes="self.release(local)"), "has no line"),
        (Mutation(file=LAYER, line="self.ports.release(local)", becomes="self.ports.release(local)"), "another"),
    ],
)
def test_a_mutation_that_does_not_fit_says_why(mutation, complaint):
    with pytest.raises(LedgerError, match=complaint):
        mutated(mutation)


def test_a_mutation_that_is_no_python_is_refused():
    mutation = Mutation(file=LAYER, line="self.ports.release(local)", becomes="if:")
    row = Row(rfc="1", id="1", level="MUST", clause="", status="held", test="", mutation=mutation)
    with pytest.raises(LedgerError, match="no Python"):
        compiled(row)


@pytest.mark.parametrize(
    "row",
    [
        'clause = "c"\ntest = "t"',
        'clause = "c"\ndeviates = "d"\ntest = "t"',
        'deviates = "d"',
        'clause = "c"\nlevel = "OUGHT"\ndeviates = "d"',
        'clause = "c"\nnot_applicable = "n"\nwithin = "w"',
    ],
)
def test_a_row_is_whole_or_refused(row, tmp_path):
    path = tmp_path / "rfc1.toml"
    path.write_text(f'rfc = 1\ntitle = "t"\nsource = "s"\nids = "MUST-1"\n\n[row.MUST-1]\n{row}\n')
    with pytest.raises(LedgerError, match="MUST-1"):
        read(path)


TRIED = """
import attrs
from tests.ledger import rows, trial
held = {row.name: row for row in rows.rows() if row.mutation}
def becoming(name, change):
    row = held[name]
    return attrs.evolve(row, mutation=attrs.evolve(row.mutation, becomes=change(row.mutation.line)))
for name, change in (
    ("9293 MUST-3", lambda line: line[:-1] + " and True:"),
    ("9293 MUST-3", lambda line: "if nonsense:"),
    ("9293 MUST-5", lambda line: "while True: pass"),
):
    trial.PATIENCE = 1.0 if name == "9293 MUST-5" else 60.0
    for row, verdict in trial.try_all([becoming(name, change)], 1):
        print(verdict.ok, verdict.words.partition("\\n")[0])
"""


def test_what_survives_or_does_not_run_is_told_from_what_fails():
    told = run("-c", TRIED)
    survived, broken, endless = told.stdout.splitlines()
    assert survived.startswith("False SURVIVES")
    assert broken == "False BROKEN: the mutated code does not run (NameError), which shows nothing"
    assert endless == "True fails: it did not end"
