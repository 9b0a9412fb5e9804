"""docs/wires.md shows the tables as they are."""

from __future__ import annotations

from tests.components.wires.page import PAGE, bare, kinds, page, wrappers


def test_the_page_shows_the_tables_as_they_are():
    text = PAGE.read_text()
    assert all(table() in page(text) for table in (kinds, bare, wrappers))
    assert page(text) == text, "a table has changed: python -m tests.components.wires.page --write"
