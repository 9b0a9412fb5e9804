"""`elsewhere="kernel"`: what a host cannot reach is the kernel's, by the word of whoever opened the scope.

A socket of such a scope is the host's as long as it is bound, listens or goes where the host has a way to. Sent or
connected anywhere else first, it turns into a socket of the kernel's, which is told the options and the time-out it
was given. Names that the host does not know are asked of the kernel. Knows routes as far as whether there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from socket import AF_INET, SOCK_STREAM, gaierror, herror
from socket import getaddrinfo as kernel_getaddrinfo
from socket import socket as kernel_socket
from typing import TYPE_CHECKING, Any

from netif.link import Buffer
from stack.socket import resolver
from stack.socket.blocking import socket as host_socket
from stack.socket.options import Value

if TYPE_CHECKING:
    from stack.stack import Stack

_UNBOUND = ("0.0.0.0", 0)


def reaches(stack: Stack, address: bytes) -> bool:
    """The host has a way to it, were it only to itself."""
    runtime = stack.runtime
    runtime.enter()
    try:
        stack.ip.route(resolver.LOOPBACK if address == resolver.ANY else address)
    except OSError:
        return False
    else:
        return True
    finally:
        runtime.leave()


def ask(kernels: Callable[..., Any], ours: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The host's answer, or if it knows none the kernel's, IPv4 alone. Raises what the host does if neither knows."""
    try:
        return ours(*args, **kwargs)
    except (gaierror, herror):
        answer = kernels(*args, **kwargs)
        if isinstance(answer, list):  # getaddrinfo's
            answer = [found for found in answer if found[0] == AF_INET]
            if not answer:
                raise
        return answer


class Undecided(host_socket):
    """A host's socket that may turn into one of the kernel's, a `TurnedOver`."""

    __slots__ = ("_given", "kernels")
    kernels: kernel_socket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given: dict[tuple[int, int], tuple[Any, ...]] = {}

    def setsockopt(self, level: int, option: int, value: Value | None, optlen: int | None = None, /) -> None:
        super().setsockopt(level, option, value, *(() if optlen is None else (optlen,)))
        self._given[level, option] = (value,) if optlen is None else (value, optlen)

    def decide(self, address: object) -> bool:
        """It is to go there: if the host has no way, it turns over now. True: it has."""
        elsewhere = self._is_elsewhere(address)
        if elsewhere:
            self._turn_over()
        return elsewhere

    def connect(self, address: Any, /) -> None:
        return self.kernels.connect(address) if self.decide(address) else super().connect(address)

    def connect_ex(self, address: Any, /) -> int:
        return self.kernels.connect_ex(address) if self.decide(address) else super().connect_ex(address)

    def sendto(self, data: Buffer, *flags_and_address: Any) -> int:
        if flags_and_address and self.type != SOCK_STREAM and self.decide(flags_and_address[-1]):
            return self.kernels.sendto(data, *flags_and_address)
        return super().sendto(data, *flags_and_address)

    def sendmsg(self, *buffers_and_address: Any) -> int:
        if len(buffers_and_address) == 4 and self.type != SOCK_STREAM and self.decide(buffers_and_address[3]):
            return self.kernels.sendmsg(*buffers_and_address)
        return super().sendmsg(*buffers_and_address)

    def _is_elsewhere(self, address: Any) -> bool:
        """What is no address is for the host's own to complain about."""
        stack = self._core.stack
        try:
            if self.getsockname() != _UNBOUND:
                return False
            host, port = address
            known = resolver.literal(host)
            if known is None:
                found = ask(kernel_getaddrinfo, stack.getaddrinfo, host, port, AF_INET, self.type)
                known = resolver.literal(found[0][4][0])
        except (TypeError, ValueError, OSError):
            return False
        return known is not None and not reaches(stack, known)

    def _turn_over(self) -> None:
        made = kernel_socket(AF_INET, self.type, self.proto)
        try:
            made.settimeout(self.gettimeout())
            for option, value in self._given.items():
                made.setsockopt(*option, *value)
        except BaseException:
            made.close()
            raise
        self.close()
        self.kernels = made
        self.__class__ = self.turned_over()

    def turned_over(self) -> type:
        """The class it has as the kernel's."""
        return TurnedOver


def _handed_on(name: str) -> Any:
    theirs = getattr(kernel_socket, name)
    if not callable(theirs):
        return property(lambda self: getattr(self.kernels, name))

    @wraps(theirs)
    def call(self: TurnedOver, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.kernels, name)(*args, **kwargs)

    return call


class TurnedOver(Undecided):
    """What an Undecided has become: all its calls are of its socket of the kernel's."""

    __slots__ = ()

    def __enter__(self) -> Any:
        return self


for _name in [name for name in dir(kernel_socket) if not name.startswith("_") or name in ("__exit__", "__repr__")]:
    setattr(TurnedOver, _name, _handed_on(_name))


def is_hosts(sock: object) -> bool:
    """A socket of one of our hosts, and not one that has turned into the kernel's."""
    kind = type(sock)  # whatever it says of itself: a mock of one moves its bytes by its own methods
    return issubclass(kind, host_socket) and not issubclass(kind, TurnedOver)
