"""The yardstick itself: every path can be counted, and what is counted is ours."""

from __future__ import annotations

import pytest

from tests.bench.opcodes import PATHS, count


@pytest.mark.parametrize("path", PATHS)
def test_a_paths_bytecodes_are_counted_by_function(path):
    counted = count(path, rounds=1, warm=1)
    assert counted.opcodes == pytest.approx(sum(opcodes for _, opcodes, _ in counted.places))
    assert any(place.startswith("stack/") for place, _, _ in counted.places)
    assert not any("tests/bench" in place for place, _, _ in counted.places)
