"""Letting go of interfaces in order: their connections end first, all at the same time.

FIN, wait at most `linger` seconds, then RST; then the link, the port, the driver and the key, in this order. Each step
is taken even if the one before raised; the last error is raised at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from netif.link import Runtime, Waiter

if TYPE_CHECKING:
    from netif.netif import Netif


def close_all(netifs: Iterable[Netif], linger: float) -> None:
    """Blocks for as long as connections need, at most `linger` seconds. Interfaces that are closed already are left."""
    for runtime, group in _by_runtime(netifs):
        with ExitStack() as last:
            _begin(runtime, group, last)
            if runtime is not None and group and linger > 0:
                deadline = runtime.now() + linger
                for waiter in _finish(runtime, group):
                    runtime.wait_closing(waiter, deadline)


async def aclose_all(netifs: Iterable[Netif], linger: float) -> None:
    """As `close_all`, awaiting. Cancelled, it resets what has not ended and closes all the same."""
    for runtime, group in _by_runtime(netifs):
        with ExitStack() as last:
            _begin(runtime, group, last)
            if runtime is not None and group and linger > 0:
                deadline = runtime.now() + linger
                for waiter in _finish(runtime, group):
                    await runtime.wait_async(waiter, deadline)


def _by_runtime(netifs: Iterable[Netif]) -> list[tuple[Runtime | None, list[Netif]]]:
    groups: dict[Runtime | None, list[Netif]] = {}
    for netif in netifs:
        groups.setdefault(netif.runtime, []).append(netif)
    return [*groups.items()]


def _begin(runtime: Runtime | None, group: list[Netif], last: ExitStack) -> None:
    """Take the gate, and leave it to `last` to end every interface and to free it. Drops from `group` who is closed."""
    if runtime is not None:
        try:
            runtime.enter()
        except OSError:  # a forked child: all of it is the parent's, and the runtime has given up its descriptors
            group.clear()
            return
        last.callback(runtime.leave)
    group[:] = [netif for netif in group if netif.begin_close()]
    for netif in group:
        last.callback(netif.end_close)


def _finish(runtime: Runtime, group: list[Netif]) -> list[Waiter]:
    waiters = []
    for netif in group:
        waiter = runtime.waiter("close", netif)
        if netif.interface is not None and netif.interface.finish(waiter):
            waiters.append(waiter)
        assert netif.stack is not None
        runtime.touch(netif.stack)
    return waiters
