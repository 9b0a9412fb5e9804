"""What `netif.value` writes once says what attrs would write for each class."""

from __future__ import annotations

import attrs
import pytest

from netif import IpInfo
from netif.value import Value


@attrs.frozen
class Written:
    """By attrs."""

    first: int
    second: object = ()


@attrs.frozen(eq=False, repr=False)
class Shared(Value):
    """The same fields."""

    first: int
    second: object = ()


@attrs.frozen(eq=False, repr=False)
class More(Shared):
    third: str = "x"


@pytest.mark.parametrize("other", [(1, ()), (2, ()), (1, None), (1.0, ())])
def test_equal_are_those_that_attrs_calls_equal(other):
    assert (Shared(1) == Shared(*other)) is (Written(1) == Written(*other))
    assert (Shared(1) != Shared(*other)) is (Written(1) != Written(*other))
    assert (hash(Shared(1)) == hash(Shared(*other))) is (hash(Written(1)) == hash(Written(*other)))


def test_another_class_is_not_equal():
    assert Shared(1) != More(1)
    assert More(1) != Shared(1)
    assert Shared(1) != Written(1)
    assert Shared(1) != (1, ())
    assert len({Shared(1), Shared(1), More(1), More(1, third="y")}) == 3


def test_what_cannot_be_hashed_says_so():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Shared(1, []))


def test_notation_is_that_of_attrs():
    assert repr(Shared(1, "a")) == repr(Written(1, "a")).replace("Written", "Shared")
    assert repr(More(1)) == "More(first=1, second=(), third='x')"


def test_it_is_frozen_evolves_and_keeps_its_own_notation():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Shared(1).first = 2  # type: ignore[misc]
    assert attrs.evolve(More(1), second=2) == More(1, 2)
    assert repr(IpInfo("10.0.0.1/24")) == "<IpInfo 10.0.0.1/24>"
