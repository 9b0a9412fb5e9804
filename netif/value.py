"""What the values that every process makes have in common: equality, hash and notation, written once.

attrs would write and compile them anew for each class, in every process: half of what such a class costs at its start.
So `@attrs.frozen(eq=False, repr=False)` and this base, where a class is loaded by the first `Stack()` or `Netif`; the
answers are those that attrs gives. docs/performance.md has the figures.
"""

from __future__ import annotations

from typing import Any, ClassVar

import attrs


class Value:
    """An attrs class of which every field counts."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field.name) == getattr(other, field.name) for field in self.__attrs_attrs__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field.name) for field in self.__attrs_attrs__)))

    def __repr__(self) -> str:
        said = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in self.__attrs_attrs__)
        return f"{type(self).__qualname__}({said})"
