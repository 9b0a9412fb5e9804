"""SECURITY.md says of each attack what bounds it, what counts it and which test shows it: all of them must be there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import attrs

from stack.limits import Limits
from stack.stats import COUNTERS, DROPS

ROOT = Path(__file__).resolve().parents[2]


class Row(NamedTuple):
    attack: str
    bound: str
    counters: list[str]
    tests: list[str]


def rows() -> list[Row]:
    said = (ROOT / "SECURITY.md").read_text()
    lines = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", said, re.MULTILINE)
    return [
        Row(attack, bound, re.findall(r"`(\w+)`", counters), re.findall(r"`([\w/.]+::\w+)`", tests))
        for attack, bound, counters, tests in lines
        if attack != "Attack" and set(attack) - set("-:")
    ]


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_there_is_a_table():
    assert len(rows()) >= 25


def test_every_test_that_is_named_exists():
    for row in rows():
        assert row.tests, row.attack
        for test in row.tests:
            path, name = test.split("::")
            assert name in functions_of(path), test


def test_every_counter_that_is_named_is_counted():
    for row in rows():
        assert row.counters, row.attack
        assert set(row.counters) <= DROPS.keys() | COUNTERS.keys(), row.attack


def test_every_limit_is_in_it_with_its_counter():
    said = {name: row for row in rows() for name in re.findall(r"`(\w+)`", row.bound)}
    for field in attrs.fields(Limits):
        assert field.name in said, field.name
    for name, row in said.items():
        limits = {field.name: field for field in attrs.fields(Limits)}
        if name in limits:
            assert any(
                limits[name].metadata["counter"] in each.counters for each in rows() if f"`{name}`" in each.bound
            ), row.attack
