"""Writes docs/states.md."""

from __future__ import annotations

from tests.states.page import ROOT, machines, page

PAGE = ROOT / "docs" / "states.md"

if __name__ == "__main__":
    PAGE.write_text(page(list(machines())))
