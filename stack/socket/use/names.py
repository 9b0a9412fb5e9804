"""The names of the stdlib's `socket` that ask whom the caller means; and the module that means one host always.

`create_connection`, `create_server`, `getfqdn`, `fromfd` and the other functions that the stdlib has written in Python
find these names where they stand, so they stay as they are, with their arguments, sentinels and errors.
"""

from __future__ import annotations

import inspect
import socket as _kernel
from collections.abc import Callable
from functools import partial, update_wrapper, wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

import stack.socket as _ours
from stack.socket import descriptor
from stack.socket.use import elsewhere
from stack.socket.use.kinds import socket_class
from stack.socket.use.meaning import Scope, asked

if TYPE_CHECKING:
    from stack.stack import Stack

_ASKING = """
    getaddrinfo gethostbyaddr gethostbyname gethostbyname_ex gethostname getnameinfo
    if_indextoname if_nameindex if_nametoindex sethostname
"""  # what a host answers for itself


class HasIpv6:
    """`socket.has_ipv6`: as true as it is for whoever looks."""

    def __init__(self, kernels: bool) -> None:
        self._kernels = kernels

    def __bool__(self) -> bool:
        return _ours.has_ipv6 if asked() is not None else self._kernels

    def __repr__(self) -> str:
        return repr(bool(self))


def by_scope(name: str, kernels: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(kernels)
    def ask(*args: Any, **kwargs: Any) -> Any:
        scope = asked()
        if scope is None:
            return kernels(*args, **kwargs)
        ours = getattr(scope.stack.socket_module, name)
        return elsewhere.ask(kernels, ours, *args, **kwargs) if scope.passes else ours(*args, **kwargs)

    return staticmethod(ask) if inspect.isbuiltin(kernels) else ask  # kept by a class, it is no method


_NO_TIMEOUT_GIVEN = "_GLOBAL_DEFAULT_TIMEOUT"  # which the stdlib's clients, and others, ask the module for


def replacements() -> dict[str, Any]:
    """{name in the stdlib's module: what stands there while a scope is open}."""
    root = socket_class(asked)
    made: dict[str, Any] = {name: by_scope(name, getattr(_kernel, name)) for name in _ASKING.split()}
    made |= {"close": descriptor.close, "dup": descriptor.dup}  # which know whose it is
    return {**made, "socket": root, "SocketType": root, "has_ipv6": HasIpv6(_kernel.has_ipv6)}


def module_of(stack: Stack) -> ModuleType:
    """The stdlib's module as this host has it, for `from`-less imports: `socket = host.socket_module`."""
    made = ModuleType("socket", f"The stdlib's names, of the host {stack.name!r}.")
    scope = Scope(stack)
    root = socket_class(lambda: scope)
    for name, value in {**vars(_kernel), **vars(_ours)}.items():
        if (not name.startswith("_") or name == _NO_TIMEOUT_GIVEN) and hasattr(_kernel, name):
            setattr(made, name, _bound(value, stack))
    made.__dict__.update(socket=root, SocketType=root, fromfd=partial(_fromfd, root))
    return made


def _fromfd(root: Any, fd: int, family: int, type: int, proto: int = 0) -> Any:
    """As the stdlib's, of a descriptor of the host's or the kernel's."""
    return root(family, type, proto, descriptor.dup(fd))


def _bound(value: Any, stack: Stack) -> Any:
    """A function that takes `stack=` gets this one; all else is as it is."""
    if not inspect.isfunction(value) or "stack" not in inspect.signature(value).parameters:
        return value
    return update_wrapper(partial(value, stack=stack), value)
