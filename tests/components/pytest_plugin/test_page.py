"""docs/testing.md is true: its bug fails as it says, its test of ten lines finds it, and what is mended passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = "pytester"
PAGE = (Path(__file__).resolve().parents[3] / "docs/testing.md").read_text()
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def weather(pytester):
    """`weather(which)`: write the page's files, with the first or the second client."""

    def write(which):
        pytester.makeini("[pytest]\npythonpath = .\n")
        clients = [text for name, text in BLOCKS if name == "weather.py"]
        files = {name: text for name, text in BLOCKS if name.endswith(".py")} | {"weather.py": clients[which]}
        for name, text in files.items():
            (pytester.path / name).write_text(text)
        return files

    return write


def test_the_bug_is_found(weather, run_plugin):
    test = weather(0)["test_weather.py"]
    result = run_plugin(apart=True)
    result.assert_outcomes(failed=1)
    said = result.stdout.str()
    assert "JSONDecodeError" in said
    assert "[drop('2nd data from server')]" in said
    name = re.search(r"def (test_\w+)", test)[1]
    told = f"seed 0; to repeat: pytest test_weather.py::{name} --netif-seed 0\n"
    assert told in said
    assert told in PAGE
    body = test[test.index("@pytest") :].strip().splitlines()
    assert len(body) <= 10


def test_what_is_mended_passes_under_any_seed(weather, run_plugin):
    weather(1)
    run_plugin("--netif-seeds", "5", apart=True).assert_outcomes(passed=5)


@pytest.mark.parametrize("name", ["peers", "raw", "loop"])
def test_its_other_programs_run(name):
    (program,) = [text for block, text in BLOCKS if block == name]
    exec(compile(program, f"docs/testing.md {name}", "exec"), {"__name__": name})
