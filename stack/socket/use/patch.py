"""What is put in the place of the stdlib's names while any scope of the process is open, and its undoing.

Counts scopes, and the scopes that have listed a module: the first puts, the last restores the very objects that were
there, whatever raised meanwhile. Knows no host: what is put there asks for itself whom its caller means.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from stack.socket.use import loops, signals, threads
from stack.socket.use.names import replacements

_NONE: Any = object()


class Patch:
    """Process-wide; `open` and `close` come in pairs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours: dict[str, Any] = replacements()
        self._scopes = 0
        self._stood: list[tuple[Any, str, Any]] = []  # what stood there: module or class, name, value
        self._listed: dict[ModuleType, int] = {}  # how many open scopes have listed it
        self._bound: dict[ModuleType, list[tuple[Any, str, Any]]] = {}  # what its names were bound to

    def open(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            self._scopes += 1
            if self._scopes == 1:
                self._put_all()
            for module in modules:
                self._listed[module] = self._listed.get(module, 0) + 1
                if self._listed[module] == 1:
                    self._bound[module] = self._rebind(module)

    def close(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            for module in modules:
                self._listed[module] -= 1
                if not self._listed[module]:
                    del self._listed[module]
                    restore(self._bound.pop(module))
            self._scopes -= 1
            if not self._scopes:
                restore(self._stood)
                self._stood.clear()

    def _put_all(self) -> None:
        ours = ((socket, name, value) for name, value in self._ours.items())
        for place, name, value in (*ours, *threads.hooks(), *loops.hooks(), *signals.hooks()):
            self._stood.append(put(place, name, value))

    def _rebind(self, module: ModuleType) -> list[tuple[Any, str, Any]]:
        """Its names, whatever it calls them, that are bound to what stood in the stdlib's."""
        before = {name: value for place, name, value in self._stood if place is socket}
        ours = {id(before[name]): value for name, value in self._ours.items() if name != "has_ipv6"}
        bound = [put(module, name, ours[id(value)]) for name, value in list(vars(module).items()) if id(value) in ours]
        if vars(module).get("has_ipv6") is before["has_ipv6"]:
            bound.append(put(module, "has_ipv6", self._ours["has_ipv6"]))
        return bound


def put(place: Any, name: str, value: Any) -> tuple[Any, str, Any]:
    """What is to be restored."""
    stood = vars(place).get(name, _NONE)
    setattr(place, name, value)
    return place, name, stood


def restore(stood: list[tuple[Any, str, Any]]) -> None:
    for place, name, value in stood:
        if value is _NONE:
            delattr(place, name)
        else:
            setattr(place, name, value)


PATCH = Patch()
