"""The class that stands for `socket.socket`: it is called for a host's sockets and the kernel's, and subclassed.

Called itself, it answers a plain object of the one class or the other, so that no call on a socket takes longer. A
subclass of it (`class X(socket.socket)`) is left open: `X()` makes an object of a class that derives from X and, behind
it, from the class below, where `super()` finds it. Below is the host's in a scope and the kernel's outside; where X's
constructor then asks for what is the kernel's in any case (AF_UNIX, a foreign descriptor), it runs anew over that.
`isinstance` says yes to both kinds. What derived from the stdlib's class before stays the kernel's.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from functools import wraps
from socket import AF_INET, AF_INET6, AF_UNSPEC
from socket import socket as kernel_socket
from typing import Any, TypeAlias

from stack.socket.blocking import socket as host_socket
from stack.socket.use.meaning import Scope

Asked: TypeAlias = Callable[[], Scope | None]

_HOSTS = (-1, AF_UNSPEC, AF_INET, AF_INET6)  # families of which a host has sockets, or says that it has none
_KINDS = (host_socket, kernel_socket)


class TheKernels(BaseException):
    """No error: what was asked for is the kernel's, whoever asked."""


def is_the_kernels(family: int, fileno: int | None) -> bool:
    return fileno is not None or family not in _HOSTS


class Kind(ABCMeta):  # so that a subclass may be abstract as well
    """The metaclass of the root, made by `socket_class`, and of all that derives from it."""

    _asked: Asked

    def __new__(kind, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Kind:
        namespace = {key: value for key, value in namespace.items() if key != "__slots__"}  # which fix what is below
        return super().__new__(kind, name, bases, namespace, **options)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is cls._root:
            return make(cls._asked(), *args, **kwargs)
        if "_below" not in vars(cls):
            return cls._over(kernel_socket if cls._asked() is None else host_socket)(*args, **kwargs)
        try:
            return super().__call__(*args, **kwargs)
        except TheKernels:
            return cls.__bases__[0]._over(kernel_socket)(*args, **kwargs)  # type: ignore[attr-defined]

    @property
    def _root(cls) -> type:
        return next(each for each in reversed(cls.__mro__) if isinstance(each, Kind))

    def _over(cls, below: type) -> Any:
        """The class derived from this one and from `below`."""
        made = vars(cls).get(f"_over_{below.__module__}")
        if made is None:
            names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "_below": below}
            made = type(cls)(cls.__name__, (cls, below), names)
            setattr(cls, f"_over_{below.__module__}", made)
        return made

    def __instancecheck__(cls, instance: object) -> bool:
        return (cls is cls._root and isinstance(instance, _KINDS)) or super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return (cls is cls._root and issubclass(subclass, _KINDS)) or super().__subclasscheck__(subclass)

    def __getattr__(cls, name: str) -> Any:
        """What is said of the class alone: `socket.socket.recv(s, 5)`, or `hasattr(socket.socket, "recvmsg")`."""
        known = getattr(kernel_socket, name)
        if not callable(known):
            return known

        @wraps(known)
        def unbound(self: Any, *args: Any, **kwargs: Any) -> Any:
            where = super(cls._root, self) if cls._root in type(self).__mro__ else self
            return getattr(where, name)(*args, **kwargs)

        return unbound

    def __dir__(cls) -> list[str]:
        return sorted({*super().__dir__(), *dir(kernel_socket)})


def make(scope: Scope | None, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> Any:
    if scope is None or is_the_kernels(family, fileno):
        return kernel_socket(family, type, proto, fileno)
    return host_socket(family, type, proto, stack=scope.stack)


def socket_class(asked: Asked) -> type:
    """A class to stand for `socket.socket`; `asked` tells whom a call means."""

    def __init__(  # noqa: N807 - of the class that is made below
        self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        if isinstance(self, kernel_socket):
            kernel_socket.__init__(self, family, type, proto, fileno)
            return
        scope = asked()
        if scope is None or is_the_kernels(family, fileno):
            raise TheKernels
        host_socket.__init__(self, family, type, proto, stack=scope.stack)

    names = {"__doc__": __doc__, "__module__": "socket", "__init__": __init__, "_asked": staticmethod(asked)}
    return Kind("socket", (), names)
