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

from stack.socket.use import loops, threads
from stack.socket.use.names import replacements

_NONE: Any = object()


class Patch:
    """Process-wide; `open` and `close` come in pairs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours: dict[str, Any] = replacements()
        self._scopes = 0
        self._listed: dict[ModuleType, int] = {}  # how many open scopes have listed it
        self._undone: dict[Any, dict[str, Any]] = {}  # by module or class: what stood there

    def open(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            self._scopes += 1
            if self._scopes == 1:
                self._put_all()
            for module in modules:
                self._listed[module] = self._listed.get(module, 0) + 1
                if self._listed[module] == 1:
                    self._rebind(module)

    def close(self, modules: Iterable[ModuleType]) -> None:
        with self._lock:
            for module in modules:
                self._listed[module] -= 1
                if not self._listed[module]:
                    del self._listed[module]
                    self._restore(module)
            self._scopes -= 1
            if not self._scopes:
                for place in list(self._undone):
                    self._restore(place)

    def _put_all(self) -> None:
        for name, value in self._ours.items():
            self._put(socket, name, value)
        for place, name, value in (*threads.hooks(), *loops.hooks()):
            self._put(place, name, value)

    def _put(self, place: Any, name: str, value: Any) -> None:
        self._undone.setdefault(place, {})[name] = vars(place).get(name, _NONE)
        setattr(place, name, value)

    def _restore(self, place: Any) -> None:
        for name, value in self._undone.pop(place, {}).items():
            if value is _NONE:
                delattr(place, name)
            else:
                setattr(place, name, value)

    def _rebind(self, module: ModuleType) -> None:
        """Its names, whatever it calls them, that are bound to what stood in the stdlib's."""
        before = self._undone[socket]
        ours = {id(before[name]): value for name, value in self._ours.items() if name != "has_ipv6"}
        for name, value in list(vars(module).items()):
            if id(value) in ours:
                self._put(module, name, ours[id(value)])
            elif name == "has_ipv6" and value is before[name]:
                self._put(module, name, self._ours[name])


PATCH = Patch()
