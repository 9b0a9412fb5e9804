"""pytest's plugin for a run on a system that is not Linux: what asks Linux itself is left out, by a list of reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def listed() -> dict[str, str]:
    """node -> why"""
    lines = (HERE / "left_out.txt").read_text().splitlines()
    return dict(line.rsplit(": ", 1) for line in lines if not line.startswith("#"))


def covers(node: str, nodeid: str) -> bool:
    return nodeid == node or nodeid.startswith((f"{node}/", f"{node}::", f"{node}["))


class LeftOut:
    def __init__(self) -> None:
        self.nodes = listed()

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        path = collection_path.relative_to(ROOT).as_posix() if collection_path.is_relative_to(ROOT) else ""
        return True if path in self.nodes else None

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if any(covers(node, item.nodeid) for node in self.nodes)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
