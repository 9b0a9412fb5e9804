"""The one loop that awaits: an attempt under the gate, made again each time the runtime says that it may go on.

The gate is held while an attempt is made and never across an await: `wait_async` gives it up and has it again before it
returns or raises, so a cancelled task leaves it whole. Serves awaiting sockets, and blocking ones given to `sock_recv`
and its kin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from netif.link import Buffer, Runtime
from stack.socket import names, resolver
from stack.socket.attempts import READ, WRITE, Attempts, enlist
from stack.socket.waiting import closed

T = TypeVar("T")


class Held(Protocol):
    """A socket, awaiting or blocking."""

    _closed: bool
    _core: Attempts
    _runtime: Runtime


async def complete(sock: Held, operation: str, side: int, attempt: Callable[[], T | None]) -> T:
    runtime, core = sock._runtime, sock._core
    runtime.enter()
    try:
        while True:
            if sock._closed:
                raise closed()
            result = attempt()
            if result is not None:
                return result
            waiter = runtime.waiter(operation, sock)
            endpoint = enlist(core.endpoint, side, waiter)
            try:
                await runtime.wait_async(waiter, None)
            finally:
                endpoint.forget(waiter)
    finally:
        if core.marker is not None:  # it may be younger than the attempt
            core.marker.look()
        runtime.leave()


def once(sock: Held, act: Callable[..., T], *arguments: Any) -> T:
    """Something that never waits."""
    sock._runtime.enter()
    try:
        if sock._closed:
            raise closed()
        return act(*arguments)
    finally:
        sock._runtime.leave()


async def _resolved(sock: Held, unknown: resolver.UnknownName, address: Any) -> resolver.Address:
    core = sock._core
    steps = resolver.address_of(unknown.host, core.stack.hosts)
    return await names.ask_async(core.stack, steps, getattr(core.endpoint, "interface", None)), address[1]


async def connect(sock: Held, address: object) -> None:
    core = sock._core
    try:
        begun = once(sock, core.connect, address)
    except resolver.UnknownName as unknown:
        begun = once(sock, core.connect, await _resolved(sock, unknown, address))
    if not begun:
        try:
            await complete(sock, "connect", WRITE, core.connected)
        finally:
            sock._runtime.enter()
            core.settle()
            sock._runtime.leave()


async def receive_from(sock: Held, bufsize: int) -> tuple[bytes, resolver.Address]:
    data, source = await complete(sock, "recvfrom", READ, partial(sock._core.receive_from, bufsize, False))
    return data, resolver.format_source(source)


async def send_to(sock: Held, data: Buffer, address: object) -> int:
    try:
        return await complete(sock, "sendto", WRITE, partial(sock._core.send_to, data, address))
    except resolver.UnknownName as unknown:
        return await send_to(sock, data, await _resolved(sock, unknown, address))
