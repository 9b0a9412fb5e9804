"""The functions of this package as methods of a host, for the loop that runs when they are called."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from stack.socket.transports import connecting, lowlevel, secure, serving, streams
from stack.socket.transports.readiness import Bell

if TYPE_CHECKING:
    from stack.stack import Stack

P = ParamSpec("P")
T = TypeVar("T")


def _of_host(function: Callable[Concatenate[Stack, AbstractEventLoop, P], T]) -> Callable[Concatenate[OnLoop, P], T]:
    def method(face: OnLoop, /, *arguments: P.args, **options: P.kwargs) -> T:
        return function(face._stack, get_running_loop(), *arguments, **options)

    _name(method, function)
    return method


def _of_loop(function: Callable[Concatenate[AbstractEventLoop, P], T]) -> Callable[Concatenate[OnLoop, P], T]:
    def method(face: OnLoop, /, *arguments: P.args, **options: P.kwargs) -> T:
        return function(get_running_loop(), *arguments, **options)

    _name(method, function)
    return method


def _name(method: Callable[..., Any], function: Callable[..., Any]) -> None:
    method.__name__, method.__doc__ = function.__name__, function.__doc__
    method.__qualname__ = f"OnLoop.{function.__name__}"


class OnLoop:
    """asyncio's own names, with asyncio's own arguments."""

    __slots__ = ("_bells", "_stack")

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._bells: WeakKeyDictionary[AbstractEventLoop, Bell] = WeakKeyDictionary()

    def bell(self, loop: AbstractEventLoop) -> Bell:
        """By which this host speaks to that loop."""
        bell = self._bells.get(loop)
        if bell is None:
            bell = self._bells[loop] = Bell(self._stack.runtime.shared)
        return bell

    create_connection = _of_host(connecting.create_connection)
    create_server = _of_host(serving.create_server)
    create_datagram_endpoint = _of_host(serving.create_datagram_endpoint)
    open_connection = _of_host(streams.open_connection)
    start_server = _of_host(streams.start_server)
    connect_accepted_socket = _of_loop(connecting.connect_accepted_socket)
    start_tls = _of_loop(secure.start_tls)
    sock_recv = _of_loop(lowlevel.sock_recv)
    sock_recv_into = _of_loop(lowlevel.sock_recv_into)
    sock_recvfrom = _of_loop(lowlevel.sock_recvfrom)
    sock_recvfrom_into = _of_loop(lowlevel.sock_recvfrom_into)
    sock_sendall = _of_loop(lowlevel.sock_sendall)
    sock_sendto = _of_loop(lowlevel.sock_sendto)
    sock_connect = _of_loop(lowlevel.sock_connect)
    sock_accept = _of_loop(lowlevel.sock_accept)
    sock_sendfile = _of_loop(lowlevel.sock_sendfile)
