"""What a project pays that has netif installed, and does not use it in its tests: two modules, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.components.pytest_plugin.conftest import OTHERS, ROOT

COUNTING = """
import json, sys

def pytest_unconfigure(config):
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def collected(where: Path, path: str, *options: str) -> tuple[set[str], str]:
    """The modules that `pytest --co` imports, and what it says."""
    (where / "conftest.py").write_text(COUNTING)
    (where / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    others = [word for name in (*OTHERS, "hypothesispytest", "cacheprovider") for word in ("-p", f"no:{name}")]
    words = [sys.executable, "-m", "pytest", "--co", "-q", *others, *options]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads((where / "modules.json").read_text())), done.stdout


def test_a_project_that_does_not_use_it_imports_two_modules_more(installed, tmp_path):
    with_it, _ = collected(tmp_path, installed)
    without, _ = collected(tmp_path, installed, "-p", "no:netif")
    assert with_it - without == {"netif", "netif.pytest_plugin"}


def test_the_entry_point_of_the_project_is_that_module():
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nnetif = "netif.pytest_plugin"\n' in text
