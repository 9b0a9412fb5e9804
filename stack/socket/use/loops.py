"""What event loops and TLS do with a host's sockets in a scope: asyncio's names lead to `transports`, ssl's to `tls`.

Whoever brings a socket is asked whose it is; where there is none yet, the scope says whose it will be. It is the loops'
classes that are patched: asyncio's own, from which others derive, and uvloop's, if that has been imported. Look-ups of
names go through executors, which `threads` knows.
"""

from __future__ import annotations

import socket
import ssl
import sys
from asyncio import AbstractEventLoop, BaseEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable, Coroutine, Iterator
from functools import partial, wraps
from typing import Any, TypeAlias

from stack.socket import resolver
from stack.socket.use.elsewhere import Undecided, is_hosts, reaches
from stack.socket.use.meaning import Scope, asked

Method: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
Hook: TypeAlias = Callable[[str, Method], Method]

_KERNELS_FAMILIES = (getattr(socket, "AF_UNIX", None),)


def hooks() -> Iterator[tuple[Any, str, Any]]:
    """(class, name, what is to stand there)."""
    yield ssl.SSLContext, "wrap_socket", wrap_socket(ssl.SSLContext.wrap_socket)
    uvloop = getattr(sys.modules.get("uvloop"), "Loop", None)
    places: list[Any] = [BaseEventLoop, BaseSelectorEventLoop, *([] if uvloop is None else [uvloop])]
    for place in places:
        for names, hook in ((_MAKING, making), (_GIVEN, given)):
            for name in names.split():
                if place is not BaseSelectorEventLoop or name in vars(place):
                    yield place, name, hook(name, getattr(place, name))
    if uvloop is not None:  # which has a resolver of its own
        for name in ("getaddrinfo", "getnameinfo"):
            yield uvloop, name, looking_up(name, getattr(uvloop, name))
        yield uvloop, "start_tls", securing(uvloop.start_tls)


def wrap_socket(stdlibs: Callable[..., Any]) -> Callable[..., Any]:
    """`SSLContext.wrap_socket`: the stdlib's would do its I/O on the descriptor."""

    @wraps(stdlibs)
    def wrap(self: ssl.SSLContext, sock: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_hosts(sock):
            return stdlibs(self, sock, *args, **kwargs)
        from stack.socket import tls

        return tls.wrap(self, sock, *args, **kwargs)

    return wrap


_MAKING = "create_connection create_server create_datagram_endpoint"


def making(name: str, stdlibs: Method) -> Method:
    """For a method that makes sockets, unless it is given one."""

    @wraps(stdlibs)
    async def make(self: AbstractEventLoop, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        stack = await _whose(self, name, args, kwargs)
        if stack is None:
            return await stdlibs(self, protocol_factory, *args, **kwargs)
        from stack.socket.transports import connecting, serving

        ours = getattr(connecting, name, None) or getattr(serving, name)
        return await ours(stack, self, protocol_factory, *args, **kwargs)

    return make


async def _whose(loop: AbstractEventLoop, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The stack that is meant; None: the kernel."""
    sock, scope = kwargs.get("sock"), asked()
    if sock is not None:
        return sock._core.stack if is_hosts(sock) else None
    if scope is None or (kwargs.get("family") and kwargs["family"] in _KERNELS_FAMILIES):
        return None
    if scope.passes and name != "create_server" and await _is_elsewhere(loop, scope, name, args, kwargs):
        return None
    return scope.stack


async def _is_elsewhere(
    loop: AbstractEventLoop, scope: Scope, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """What is connected to is out of the host's reach. A name that nobody knows is for the host to complain about."""
    if name == "create_connection":
        host, port = (*args, kwargs.get("host"), kwargs.get("port"))[:2]
    else:
        host, port = (args[1] if len(args) > 1 else kwargs.get("remote_addr")) or (None, None)
    if host is None:
        return False
    try:
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET)
    except OSError:
        return False
    addresses = [resolver.literal(str(each[4][0])) for each in found]
    return not any(address is None or reaches(scope.stack, address) for address in addresses)


_GIVEN = """
    connect_accepted_socket sock_accept sock_connect sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into
    sock_sendall sock_sendfile sock_sendto
"""


def given(name: str, stdlibs: Method) -> Method:
    """For a method that is given a socket."""

    @wraps(stdlibs)
    async def act(self: AbstractEventLoop, *args: Any, **kwargs: Any) -> Any:
        sock = kwargs.get("sock") or args[name == "connect_accepted_socket"]
        if name == "sock_connect" and is_hosts(sock) and isinstance(sock, Undecided):
            sock.decide(args[1])
        if not is_hosts(sock):
            return await stdlibs(self, *args, **kwargs)
        from stack.socket.transports import connecting, lowlevel

        ours = getattr(lowlevel, name, None) or getattr(connecting, name)
        return await ours(self, *args, **kwargs)

    return act


def securing(uvloops: Method) -> Method:
    """`start_tls`, where it knows its own transports only; asyncio's takes any that says it may."""

    @wraps(uvloops)
    async def start_tls(self: AbstractEventLoop, transport: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(transport, "_start_tls_compatible", False):
            return await uvloops(self, transport, *args, **kwargs)
        from stack.socket.transports import secure

        return await secure.start_tls(self, transport, *args, **kwargs)

    return start_tls


def looking_up(name: str, stdlibs: Method) -> Method:
    @wraps(stdlibs)
    async def look_up(self: AbstractEventLoop, *args: Any, **kwargs: Any) -> Any:
        if asked() is None:
            return await stdlibs(self, *args, **kwargs)
        if name == "getnameinfo":
            args, kwargs = (args[0], *(args[1:] or (kwargs.get("flags", 0),))), {}
        return await self.run_in_executor(None, partial(getattr(socket, name), *args, **kwargs))

    return look_up
