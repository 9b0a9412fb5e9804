"""Wires: drivers that move frames, and drivers around drivers. Knows `netif.link` and no stack.

Names are imported when they are first used, so that a pair in memory costs no TAP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapio.memory import PairEnd, Switch, SwitchPort, pair
    from tapio.wire import WireError

_HOMES = {
    "PairEnd": "memory",
    "Switch": "memory",
    "SwitchPort": "memory",
    "pair": "memory",
    "WireError": "wire",
}

__all__ = ["PairEnd", "Switch", "SwitchPort", "WireError", "pair"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tapio' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tapio.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
