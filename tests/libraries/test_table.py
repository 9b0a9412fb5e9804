"""What docs/use.md says of libraries is what is pinned, and what runs here."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).parent.parent.parent


def test_the_documents_name_the_versions_that_are_pinned_and_that_run():
    rows = re.findall(r"^\| ([\w-]+) \| (\d[\d.]+) \|", (TOP / "docs/use.md").read_text(), re.MULTILINE)
    group = tomllib.loads((TOP / "pyproject.toml").read_text())["dependency-groups"]["test"]
    pinned = dict(each.split("==") for each in group if "==" in each and ";" not in each)
    assert dict(rows) == pinned
    assert {name: version(name) for name in pinned} == pinned
