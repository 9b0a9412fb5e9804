from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.stack.rig")

from tests.stack.rig import Rig  # noqa: E402 - after the line that lets its assertions explain themselves


@pytest.fixture
def rig() -> Rig:
    """A host on a scripted wire that knows nobody yet."""
    return Rig()


@pytest.fixture
def met() -> Rig:
    """The same, once it has met its peer 10.0.0.2."""
    rig = Rig()
    rig.knows_peer()
    return rig
