"""`netif.use(host)`: code that is not ours means that host when it says `socket`.

While a scope is open, the names by which the stdlib makes sockets and asks for addresses lead here (`names`, `threads`,
put in place by `patch`), and a context variable decides whose they are (`meaning`): the host of the scope that the
calling thread or task is in, or inherited from whoever started it. Outside of every scope they are the stdlib's own, as
if nothing stood there; our own drivers always mean the kernel's. The last scope that is left restores every name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from stack.socket.use import meaning
from stack.socket.use.clock import CLOCKS, runtime_of
from stack.socket.use.patch import PATCH

P = ParamSpec("P")
T = TypeVar("T")


class use:  # noqa: N801 - it is said as a verb
    """A context manager and a decorator; `host` is a Stack or has one as `.stack`. None: the stdlib's own again.

    `modules`, or their names: those that have said `from socket import ...` before. `elsewhere`: what to do about an
    address that the host has no way to: "refuse" it (ENETUNREACH), or pass it to the "kernel", with the names that the
    host does not know. `clock`: the host's virtual time is meant too, by `time`, `threading`, `queue` and `select`.
    Raises TypeError, ValueError, ImportError.
    """

    def __init__(
        self,
        host: Any,
        *,
        modules: Iterable[ModuleType | str] = (),
        elsewhere: Literal["refuse", "kernel"] = "refuse",
        clock: bool = False,
    ) -> None:
        self._host = host
        self._elsewhere = elsewhere
        self._scope = meaning.scope_of(host, elsewhere)
        self._clock = runtime_of(self._scope) if clock else None
        if self._scope is not None:
            self._scope = self._scope._replace(clock=self._clock)
        if isinstance(modules, (str, ModuleType)) or not isinstance(modules, Iterable):
            how = [modules] if isinstance(modules, str) else ["requests.sessions"]
            raise TypeError(f"use: modules={modules!r} is no list of modules or their names: write modules={how}")
        self._modules = [importlib.import_module(each) if isinstance(each, str) else each for each in modules]
        self._entered: list[int] = []  # for each time: the thread that may block in virtual time

    def __enter__(self) -> Any:
        """The host."""
        PATCH.open(self._modules)
        if self._clock is not None:
            CLOCKS.open(self._modules)
        self._entered.append(self._clock.enrol() if self._clock is not None else 0)
        meaning.push(self._scope, self)
        return self._host

    def __exit__(self, *reason: object) -> None:
        try:
            ident = self._entered.pop()
        except IndexError:
            return  # left already
        meaning.pop(self)
        if self._clock is not None:
            self._clock.dismiss(ident)
            CLOCKS.close(self._modules)
        PATCH.close(self._modules)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """`fn`, a function or a coroutine function, in a scope of its own at every call."""
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn) or inspect.isclass(fn):
            raise TypeError(f"use: {fn!r} is not left when it returns: decorate the function that runs it")
        if inspect.iscoroutinefunction(fn):

            @wraps(fn)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self:
                    return await fn(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @wraps(fn)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return fn(*args, **kwargs)

        return called

    def __repr__(self) -> str:
        return f"<use {self._host!r}>"
