from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.stack.forwarding.crossing", "tests.stack.napt.home")

from tests.stack.napt.home import Home  # noqa: E402 - after the line that lets its assertions explain themselves


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.close()
