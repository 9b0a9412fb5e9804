from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.stack.rig", "tests.stack.attacker")

from tests.stack.attacker import Caller  # noqa: E402 - after the line that lets its assertions explain themselves
from tests.stack.rig import Rig  # noqa: E402


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


@pytest.fixture
def honest(met: Rig) -> Caller:
    """A connection that was there before, and has said something."""
    caller = Caller(met, 80, 40000)
    caller.opens()
    caller.exchanges()
    return caller
