from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.stack.forwarding.crossing")

from tests.stack.forwarding.crossing import Crossing  # noqa: E402 - after the line that lets its assertions explain
from tests.stack.forwarding.world import World  # noqa: E402


@pytest.fixture
def crossing() -> Crossing:
    return Crossing()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()
