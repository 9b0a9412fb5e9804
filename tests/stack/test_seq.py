from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.seq import unwrap, wrap


@pytest.mark.parametrize(
    ("wire", "near", "number"),
    [
        (5, 3, 5),
        (0, 0xFFFFFFFF, 0x100000000),
        (0xFFFFFFFF, 0x100000000, 0xFFFFFFFF),
        (0xFFFFFFF0, 5, -16),  # before the beginning: smaller than anything that was sent
        (0x10, 0x3_FFFFFFF0, 0x4_00000010),
    ],
)
def test_a_number_from_the_wire_is_the_nearest_with_those_bits(wire: int, near: int, number: int):
    assert unwrap(wire, near) == number


@given(st.integers(0, 1 << 40), st.integers(-(1 << 31), (1 << 31) - 1))
def test_unwrap_undoes_wrap_within_half_the_space(near: int, distance: int):
    assert unwrap(wrap(near + distance), near) == near + distance
