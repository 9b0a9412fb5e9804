from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.stack.dhcp.serving")

from tests.stack.dhcp.serving import Serving  # noqa: E402 - after the line that lets its assertions explain themselves


@pytest.fixture
def serving() -> Serving:
    """A server at 10.0.0.1 as it is by default, but that it does not probe."""
    return Serving()
