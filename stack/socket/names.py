"""Who waits for the DNS: the one blocking and the one awaiting loop that answer the questions of `resolver`'s steps.

Socket time-outs do not bound them, as in the stdlib: `DnsConfig.timeout` and `attempts` do. The gate is held while
something is looked up and never across a wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from stack.socket import resolver

if TYPE_CHECKING:
    from stack.dns.findings import Finding
    from stack.dns.resolver import Lookup
    from stack.interface import Interface
    from stack.stack import Stack

T = TypeVar("T")


def ask(stack: Stack, steps: resolver.Steps[T], interface: Interface | None = None) -> T:
    """What `steps` come to; by the servers of `interface`, if it has some."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(_find(stack, wanted, interface))
    except StopIteration as end:
        result: T = end.value
        return result


async def ask_async(stack: Stack, steps: resolver.Steps[T], interface: Interface | None = None) -> T:
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await _find_async(stack, wanted, interface))
    except StopIteration as end:
        result: T = end.value
        return result


def _find(stack: Stack, wanted: resolver.Wanted, interface: Interface | None) -> Finding:
    runtime = stack.runtime
    runtime.enter()
    try:
        lookup = _begin(stack, wanted, interface)
        try:
            while lookup.answer is None:
                waiter = runtime.waiter("lookup", lookup)
                lookup.wait_readable(waiter)
                try:
                    runtime.wait(waiter, None)
                finally:
                    lookup.forget(waiter)
            return lookup.answer
        finally:
            lookup.close()
    finally:
        runtime.leave()


async def _find_async(stack: Stack, wanted: resolver.Wanted, interface: Interface | None) -> Finding:
    runtime = stack.runtime
    runtime.enter()
    try:
        lookup = _begin(stack, wanted, interface)
        try:
            while lookup.answer is None:
                waiter = runtime.waiter("lookup", lookup)
                lookup.wait_readable(waiter)
                try:
                    await runtime.wait_async(waiter, None)
                finally:
                    lookup.forget(waiter)
            return lookup.answer
        finally:
            lookup.close()
    finally:
        runtime.leave()


def _begin(stack: Stack, wanted: resolver.Wanted, interface: Interface | None) -> Lookup:
    from netif.wire.dns import KINDS

    try:
        return stack.resolver.lookup(wanted.name, KINDS[wanted.kind], interface=interface, search=wanted.search)
    except ValueError:
        raise resolver.UnknownName(wanted.name) from None
