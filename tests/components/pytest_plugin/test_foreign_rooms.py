"""A project that has modules by the names of netif's rooms, where netif is installed: pytest runs as without."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.components.pytest_plugin.conftest import OTHERS

TEST = """
from components.button import Button
from stack import Stack

def test_button():
    assert Button("ok").label == "ok"

def test_stack():
    assert Stack([1, 2]).pop() == 2
"""
ASKING = "def test_asks(netif_pair):\n    pass\n"
PYTESTS = {"pytest": ("-P", "-m", "pytest"), "python -m pytest": ("-m", "pytest")}  # the first: without this folder


@pytest.fixture
def foreign(tmp_path, installed):
    """`foreign(source, pytest=...)`: pytest's exit code and what it says, in such a project with this test."""
    folder = tmp_path / "project"
    (folder / "components").mkdir(parents=True)
    (folder / "components/__init__.py").write_text("")
    (folder / "components/button.py").write_text(
        "class Button:\n    def __init__(self, label):\n        self.label = label\n"
    )
    (folder / "stack.py").write_text("class Stack(list):\n    pass\n")
    (folder / "conftest.py").write_text("")

    def run(source: str, how: str) -> tuple[int, str]:
        (folder / "test_it.py").write_text(source)
        others = [word for name in OTHERS for word in ("-p", f"no:{name}")]
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        command = [sys.executable, *PYTESTS[how], "-p", "no:cacheprovider", *others, "--netif-seed", "1"]
        environment["PYTHONPATH"] = installed
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    run.folder = folder
    return run


@pytest.mark.parametrize("how", PYTESTS)
def test_its_own_modules_are_what_it_imports(foreign, how):
    code, said = foreign(TEST, how)
    assert code == 0, said
    assert "2 passed" in said


@pytest.mark.parametrize("how", PYTESTS)
def test_who_asks_for_a_network_there_is_told_whose_file_stands_in_the_way(foreign, how):
    code, said = foreign(TEST + ASKING, how)
    assert code == 1, said
    assert "2 passed, 1 error" in said
    told = f"{foreign.folder / 'stack.py'} is not netif's: netif needs the name 'stack' for a room of its own"
    assert f"\n{told}" in said
    assert "rename that file" in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
