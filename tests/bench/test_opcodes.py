"""The yardstick itself: every path can be counted, and a count comes out the same again."""

from __future__ import annotations

import pytest

from tests.bench.opcodes import PATHS, count


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_counted_the_same_twice(path):
    first, second = (count(path, rounds=3, warm=4) for _ in range(2))
    assert first.opcodes > 100
    assert abs(first.opcodes - second.opcodes) < 0.02 * first.opcodes
    assert not any("tests/bench" in place for place, _, _ in first.places)
