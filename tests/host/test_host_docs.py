"""docs/host.md prints what the recipes print."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from components.host.recipe import perform
from tests.host.namespaces import in_netns
from tests.host.recipes import on_a_lan

PAGE = Path(__file__).parents[2] / "docs" / "host.md"

pytestmark = pytest.mark.host


def test_the_page_shows_what_is_printed(tmp_path):
    console = r"^```console\n\$ netif host (\w+) (.*?)\n(.*?)^```"
    blocks = re.findall(console, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    with on_a_lan(tmp_path) as (machine, _router):
        for recipe, words, shown in blocks:
            known, said = import_module(f"components.host.{recipe}").RECIPE, []
            asked = [*words.split(), "--user", "1000"]  # whoever reads the page
            in_netns(machine.namespace.name, lambda r=known, w=asked, s=said: perform(r, w, say=s.append))
            assert said == shown.splitlines()
