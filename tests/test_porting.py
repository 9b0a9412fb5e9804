"""docs/porting.md is one long doctest: its programs and the rows of its tables run in order, on a virtual clock."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "porting.md"
BLOCK_OR_ROW = re.compile(r"^```python\n(.*?)^```|^(\|[^\n]*\|)$", re.MULTILINE | re.DOTALL)


def cells(row: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def code(cell: str) -> str:
    return cell.removeprefix("`").removesuffix("`")


def example(python: str, gives: str, line: int) -> doctest.Example:
    if gives.startswith("raises "):
        kind = code(gives.removeprefix("raises "))
        return doctest.Example(code(python), f"Traceback (most recent call last):\n{kind}\n", f"{kind}\n", line)
    return doctest.Example(code(python), f"{code(gives)}\n" if gives else "", None, line)


def steps() -> list[tuple[str, doctest.Example | None]]:
    """(program, None) or ("", row), in the order of the page."""
    text, found = PAGE.read_text(), []
    for match in BLOCK_OR_ROW.finditer(text):
        block, row = match.groups()
        line = text.count("\n", 0, match.start())
        if block:
            found.append(("\n" * (line + 1) + block, None))
        elif len(columns := cells(row)) == 3 and columns[1].startswith("`"):
            found.append(("", example(columns[1], columns[2], line)))
    return found


@pytest.fixture
def scene():
    """What the first program of the page makes; ended whatever happens."""
    names: dict[str, object] = {"__name__": "porting"}
    exec(compile(steps()[0][0], str(PAGE), "exec"), names)
    yield names
    names["netif_deinit"]()
    names["far"].close()
    for stack in (names["host"], names["router"]):
        stack.close()
    names["runtime"].close()


def test_every_row_gives_what_it_says(scene):
    reports: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)

    def app_main() -> int:
        for program, row in steps()[1:]:
            if row is None:
                exec(compile(program, str(PAGE), "exec"), scene)
            else:
                test = doctest.DocTest([row], scene, PAGE.name, str(PAGE), 0, None)
                test.globs = scene
                runner.run(test, out=reports.append, clear_globs=False)
        return runner.tries

    task = scene["runtime"].spawn(app_main, "app_main")
    scene["runtime"].run_until(task.done)
    assert task.result() > 60
    assert not reports, "".join(reports)


def test_a_row_that_gives_something_else_is_noticed():
    wrong = example("`1 + 1`", "`3`", 0)
    reports: list[str] = []
    doctest.DocTestRunner(verbose=False).run(doctest.DocTest([wrong], {}, "x", None, 0, None), out=reports.append)
    assert reports
