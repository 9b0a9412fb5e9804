"""Interfaces made, attached, found and ended: esp_netif.h's life-cycle, look-up and default."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from netif.closing import close_all
from netif.config import DriverIfconfig, NetifConfig
from netif.errors import IfNotReady, InvalidParams, InvalidState, NotFound, NotSupported
from netif.esp.process import check, of_netif, process
from netif.lifecycle import Held
from netif.link import Buffer, Offload, StackInterface
from netif.netif import LINGER, Netif
from netif.push import PushDriver

Result = TypeVar("Result")

__all__ = [
    "netif_attach",
    "netif_deinit",
    "netif_destroy",
    "netif_find_if",
    "netif_get_default_netif",
    "netif_get_handle_from_ifkey",
    "netif_get_handle_from_netif_impl",
    "netif_get_io_driver",
    "netif_get_nr_of_ifs",
    "netif_get_route_prio",
    "netif_init",
    "netif_new",
    "netif_next_unsafe",
    "netif_receive",
    "netif_set_default_netif",
    "netif_set_driver_config",
    "netif_set_route_prio",
    "netif_tcpip_exec",
    "netif_transmit",
]


def netif_init() -> None:
    """Nothing needs it; harmless if repeated."""


def netif_deinit() -> None:
    """End everything global: interfaces (connections in order), default stack, default runtime. Init may follow."""
    netifs, endings = process.take()
    with ExitStack() as steps:
        if "netif.runtime" in sys.modules:
            steps.callback(sys.modules["netif.runtime"].close_default_runtime)
        for ending in endings:
            steps.callback(ending)
        steps.callback(close_all, iter(netifs), LINGER)


def netif_new(config: NetifConfig) -> Netif:
    """Listed from now on, under a key that nobody has yet (InvalidParams); joins its stack at the start."""
    if not isinstance(config, NetifConfig):
        raise InvalidParams(f"{config!r} is no NetifConfig; give base=, driver= and stack= in one")
    netif = Netif(config=config)
    netif.join(process.registry)
    netif.bus = process.bus
    process.add(netif)
    return netif


def netif_destroy(netif: Netif | None) -> None:
    """Its connections end in order first. None is allowed."""
    if netif is not None:
        check(netif, "netif_destroy")
        process.made.pop(netif, None)
        netif.close()


@of_netif
def netif_attach(netif: Netif, handle: object) -> None:
    """Attach, `post_attach`, start. DriverAttachFailed where `post_attach` raises."""
    if handle is None:
        raise InvalidParams("netif_attach: the handle is None; give what tapio_create() returned, or your own")
    netif.attach(handle)


@of_netif
def netif_set_driver_config(netif: Netif, config: DriverIfconfig) -> None:
    """As a `post_attach` does: before the start."""
    netif.set_driver_config(config)


@of_netif
def netif_get_io_driver(netif: Netif) -> Any:
    """The handle; None before the attachment."""
    return netif.handle


def netif_receive(netif: Netif, frame: Buffer) -> bool:
    """From the owner of a handle that pushes, from any thread; False: dropped."""
    check(netif, "netif_receive")
    driver = netif.driver
    if isinstance(driver, PushDriver):
        return driver.push(frame)
    if driver is None:
        raise IfNotReady(f"{netif!r} is not started: frames may come after netif_attach")
    raise NotSupported(f"{netif!r} fetches its frames from its driver; netif_receive is for handles without receive")


def netif_transmit(netif: Netif, buffers: Buffer | tuple[Buffer, ...], offload: Offload | None = None) -> bool:
    """One frame out, past the stack. False: the driver is full."""
    check(netif, "netif_transmit")
    if netif.interface is None:
        raise IfNotReady(f"{netif!r} is not started: frames may leave after netif_attach")
    with Held(netif.runtime):
        return netif.transmit(buffers if isinstance(buffers, tuple) else (buffers,), offload)


def netif_find_if(predicate: Callable[..., object], *context: object) -> Netif | None:
    """The newest interface for which `predicate(netif, *context)` is true."""
    return next((netif for netif in process.open() if predicate(netif, *context)), None)


def netif_get_handle_from_ifkey(if_key: str) -> Netif | None:
    return netif_find_if(lambda netif: netif.if_key == if_key)


def netif_get_handle_from_netif_impl(interface: StackInterface) -> Netif | None:
    """Whose interface of the stack this is."""
    return netif_find_if(lambda netif: netif.interface is interface)


def netif_next_unsafe(netif: Netif | None) -> Netif | None:
    """The newest after None, then each older one, then None. NotFound where `netif` was destroyed meanwhile."""
    listed = list(process.open())
    if netif is None:
        return next(iter(listed), None)
    check(netif, "netif_next_unsafe")
    if netif not in listed:
        raise NotFound(f"{netif!r} is no longer listed; begin again with netif_next_unsafe(None)")
    return next(iter(listed[listed.index(netif) + 1 :]), None)


def netif_get_nr_of_ifs() -> int:
    return sum(1 for _ in process.open())


@of_netif
def netif_get_route_prio(netif: Netif) -> int:
    return netif.route_prio


@of_netif
def netif_set_route_prio(netif: Netif, route_prio: int) -> None:
    """Counts at the next election: netif_set_default_netif(None) holds one."""
    netif.set_route_prio(route_prio)


def netif_get_default_netif() -> Netif | None:
    return process.registry.default


def netif_set_default_netif(netif: Netif | None) -> None:
    """Override the election; None ends that and elects anew."""
    if netif is not None:
        check(netif, "netif_set_default_netif")
    registry = process.registry if netif is None else netif.registry
    if registry is None:
        raise InvalidState(f"{netif!r} belongs to no stack; attach it first")
    with Held(None if registry.stack is None else registry.stack.runtime):
        registry.set_default(netif)


def netif_tcpip_exec(function: Callable[..., Result], *context: object) -> Result:
    """Call `function(*context)` while nothing of the default stack runs. It may not block, nor enter a socket."""
    stack = process.registry.stack
    with Held(None if stack is None else stack.runtime):
        return function(*context)
