"""The yardstick itself: what is counted is ours. That every path can be counted, test_guard.py shows."""

from __future__ import annotations

import pytest

from tests.bench.opcodes import count


def test_a_paths_bytecodes_are_counted_by_function():
    counted = count("round-trip", rounds=1, warm=1)
    assert counted.opcodes == pytest.approx(sum(opcodes for _, opcodes, _ in counted.places))
    assert any(place.startswith("stack/") for place, _, _ in counted.places)
    assert not any("tests/bench" in place for place, _, _ in counted.places)
