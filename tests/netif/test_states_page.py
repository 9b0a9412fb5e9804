"""docs/states.md says what the tables in the code say."""

from __future__ import annotations

import enum

from tests.states.__main__ import PAGE
from tests.states.page import Machine, machines, page


def test_the_page_is_current():
    assert PAGE.read_text() == page(list(machines())), "python -m tests.states draws it anew"


def test_the_machines_of_every_room_are_found():
    found = {machine.where for machine in machines()}
    assert {"netif/lifecycle.py", "stack/arp.py", "stack/tcp/states.py"} <= found


def test_a_step_that_is_added_shows():
    drawn = page([Machine("lamp.py", "LAMP", "A lamp.", {"ON": ("OFF",), "OFF": ("ON",), "BROKEN": ()})])
    assert drawn.endswith(
        "\n## `lamp.py`: LAMP\n\nA lamp.\n\n```mermaid\nstateDiagram-v2\n"
        "    [*] --> ON\n    [*] --> BROKEN\n    ON --> OFF\n    OFF --> ON\n```\n"
    )
    assert "OFF --> ON" not in page([Machine("lamp.py", "LAMP", "A lamp.", {"ON": ("OFF",), "OFF": ()})])


def test_an_action_is_written_beside_its_step():
    class Switch(enum.Enum):
        PRESS = "press"

    assert "    ON --> OFF: press\n" in page([Machine("lamp.py", "LAMP", "", {"ON": {Switch.PRESS: "OFF"}, "OFF": {}})])


def test_causes_and_what_is_done_are_rows():
    class Cause(enum.Enum):
        DARK = "it is dark"

    class Choice(enum.Enum):
        SHINE = "shine"

    assert page([Machine("lamp.py", "LAMP", "", {Cause.DARK: Choice.SHINE})]).endswith("| it is dark | shine |\n")
