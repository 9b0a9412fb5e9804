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

from stack.socket import descriptor
from stack.socket.blocking import socket as host_socket
from stack.socket.use.elsewhere import TurnedOver, Undecided
from stack.socket.use.meaning import Scope

Asked: TypeAlias = Callable[[], Scope | None]

_HOSTS = (-1, AF_UNSPEC, AF_INET, AF_INET6)  # families of which a host has sockets, or says that it has none


class Rather(BaseException):
    """No error: what a constructor asks for is of another class than the one that was made ready for it."""

    def __init__(self, below: type) -> None:
        self.below = below


def class_for(scope: Scope | None, family: int = -1, fileno: int | None = None) -> Any:
    """Of whom a socket is that is asked for in this scope; a descriptor says so itself."""
    if fileno is not None:
        return host_socket if _stands_for_ours(fileno) else kernel_socket
    if scope is None or family not in _HOSTS:
        return kernel_socket
    return Undecided if scope.passes else host_socket


def _stands_for_ours(fileno: int) -> bool:
    try:
        return descriptor.registry.find(fileno) is not None
    except (OSError, TypeError):  # the stdlib says what is wrong with it
        return False


class Kind(ABCMeta):  # so that a subclass may be abstract as well
    """The metaclass of the root, made by `socket_class`, and of all that derives from it."""

    _asked: Asked
    _whole: dict[type, Any]  # of an open class: what it is over each of those below
    _open: Any  # of one of these

    def __new__(kind, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Kind:
        names = {key: value for key, value in namespace.items() if key != "__slots__"}  # they would fix what is below
        return super().__new__(kind, name, bases, {"_whole": {}, **names}, **options)

    @property
    def _root(cls) -> Any:
        return next(each for each in reversed(cls.__mro__) if isinstance(each, Kind))

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is cls._root:
            return cls._make(*args, **kwargs)
        if vars(cls)["_whole"] is not None:
            return cls.over(class_for(cls._asked()))(*args, **kwargs)
        try:
            return super().__call__(*args, **kwargs)
        except Rather as rather:
            return cls._open.over(rather.below)(*args, **kwargs)

    def _make(cls, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> Any:
        scope = cls._asked()
        kind = class_for(scope, family, fileno)
        if kind is kernel_socket:
            return kernel_socket(family, type, proto, fileno)
        return kind(family, type, proto, fileno, stack=scope and scope.stack)

    def over(cls, below: type) -> Any:
        """The class derived from this one, which is open, and from `below`."""
        made = cls._whole.get(below)
        if made is None:
            names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "_whole": None, "_open": cls}
            first = cls.over(Undecided) if below is TurnedOver else cls  # whose objects are of its layout
            made = cls._whole[below] = type(cls)(cls.__name__, (first, below), names)
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


_KINDS = (host_socket, kernel_socket)


def socket_class(asked: Asked) -> type:
    """A class to stand for `socket.socket`; `asked` tells whom a call means."""

    def __init__(  # noqa: N807 - of the class that is made below
        self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        scope = asked()
        below = class_for(scope, family, fileno)
        if not isinstance(self, below):
            raise Rather(below)
        if below is kernel_socket:
            kernel_socket.__init__(self, family, type, proto, fileno)
        else:
            below.__init__(self, family, type, proto, fileno, stack=scope and scope.stack)

    def turned_over(self: Any) -> type:
        whole: type = type(self)._open.over(TurnedOver)
        return whole

    names = {"__doc__": __doc__, "__module__": "socket", "__init__": __init__, "_asked": staticmethod(asked)}
    return Kind("socket", (), {**names, "turned_over": turned_over})
