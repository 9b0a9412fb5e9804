from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.stack.forwarding.crossing")

from tests.stack.forwarding.crossing import Crossing  # noqa: E402 - after the line that lets its assertions explain themselves


@pytest.fixture
def crossing() -> Crossing:
    return Crossing()
