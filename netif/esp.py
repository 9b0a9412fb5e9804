"""The port-style names: esp_netif's API, a line each.

What esp_netif answers by a code is raised here as the `NetifError` of that code. Global, and ended by `netif_deinit`:
the interfaces that `netif_new` made, the default stack that the stack room reported by `adopt`, the default runtime.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from netif.closing import close_all
from netif.config import (
    DnsInfo,
    DnsType,
    DriverIfconfig,
    Flags,
    InherentConfig,
    IpInfo,
    NetifConfig,
    NetstackConfig,
)
from netif.errors import DnsNotConfigured, IfNotReady, InvalidParams, InvalidState, NetifError, NotSupported
from netif.lifecycle import Held, State
from netif.link import Buffer, NetStack, Offload, StackInterface
from netif.netif import LINGER, Netif
from netif.push import PushDriver
from netif.registry import Registry

__all__ = [
    "DnsInfo",
    "DnsType",
    "DriverIfconfig",
    "Flags",
    "InherentConfig",
    "IpInfo",
    "NetifConfig",
    "NetifError",
    "NetstackConfig",
    "netif_action_connected",
    "netif_action_disconnected",
    "netif_action_got_ip",
    "netif_action_start",
    "netif_action_stop",
    "netif_attach",
    "netif_deinit",
    "netif_destroy",
    "netif_find_if",
    "netif_get_default_netif",
    "netif_get_desc",
    "netif_get_dns_info",
    "netif_get_event_id",
    "netif_get_flags",
    "netif_get_handle_from_ifkey",
    "netif_get_ifkey",
    "netif_get_io_driver",
    "netif_get_ip_info",
    "netif_get_mac",
    "netif_get_mtu",
    "netif_get_netif_impl",
    "netif_get_nr_of_ifs",
    "netif_get_route_prio",
    "netif_init",
    "netif_is_netif_up",
    "netif_new",
    "netif_receive",
    "netif_set_default_netif",
    "netif_set_dns_info",
    "netif_set_driver_config",
    "netif_set_ip_info",
    "netif_set_mac",
    "netif_set_mtu",
    "netif_set_route_prio",
    "netif_transmit",
]


class Process:
    """What is global between netif_init and netif_deinit."""

    def __init__(self) -> None:
        self.registry = Registry()  # becomes the default stack's own
        self.made: dict[Netif, None] = {}
        self.endings: list[Callable[[], object]] = []

    def open(self) -> Iterator[Netif]:
        """Newest first."""
        return iter([netif for netif in reversed(self.made) if netif.state is not State.CLOSED])


_process = Process()


def adopt(stack: NetStack) -> None:
    """From the stack room: this is the process's default stack. netif_deinit closes it."""
    _process.registry.stack = stack
    stack.registry = _process.registry  # type: ignore[attr-defined]
    at_deinit(stack.close)


def at_deinit(ending: Callable[[], object]) -> None:
    """Call `ending` when netif_deinit has closed the interfaces; the last comes first."""
    _process.endings.append(ending)


def netif_init() -> None:
    """Nothing needs it; harmless if repeated."""


def netif_deinit() -> None:
    """End everything global: interfaces (connections in order), default stack, default runtime. Init may follow."""
    global _process
    ended, _process = _process, Process()
    with ExitStack() as steps:
        if "netif.runtime" in sys.modules:
            steps.callback(sys.modules["netif.runtime"].close_default_runtime)
        for ending in ended.endings:
            steps.callback(ending)
        steps.callback(close_all, ended.open(), LINGER)


def netif_new(config: NetifConfig) -> Netif:
    if not isinstance(config, NetifConfig):
        raise InvalidParams(f"{config!r} is no NetifConfig; give base=, driver= and stack= in one")
    netif = Netif(config=config)
    netif.join(_process.registry)
    _process.made[netif] = None
    return netif


def netif_destroy(netif: Netif | None) -> None:
    """Its connections end in order first. None is allowed."""
    if netif is not None:
        _process.made.pop(netif, None)
        netif.close()


def netif_attach(netif: Netif, handle: object) -> None:
    """Attach, `post_attach`, start."""
    if handle is None:
        raise InvalidParams("netif_attach: the handle is None; give what tapio_create() returned, or your own")
    netif.attach(handle)


def netif_set_driver_config(netif: Netif, config: DriverIfconfig) -> None:
    netif.set_driver_config(config)


def netif_receive(netif: Netif, frame: Buffer) -> bool:
    """From the owner of a handle that pushes, from any thread; False: dropped."""
    driver = netif.driver
    if isinstance(driver, PushDriver):
        return driver.push(frame)
    if driver is None:
        raise IfNotReady(f"{netif!r} is not started: frames may come after netif_attach")
    raise NotSupported(f"{netif!r} fetches its frames from its driver; netif_receive is for handles without receive")


def netif_transmit(netif: Netif, buffers: Buffer | tuple[Buffer, ...], offload: Offload | None = None) -> bool:
    """One frame out, past the stack. False: the driver is full."""
    with Held(netif.runtime):
        return netif.transmit(buffers if isinstance(buffers, tuple) else (buffers,), offload)


# Actions are usable as event handlers, whose further arguments they ignore.


def netif_action_start(netif: Netif, *_event: object) -> None:
    netif.start()


def netif_action_stop(netif: Netif, *_event: object) -> None:
    netif.stop()


def netif_action_connected(netif: Netif, *_event: object) -> None:
    netif.connected()


def netif_action_disconnected(netif: Netif, *_event: object) -> None:
    netif.disconnected()


def netif_action_got_ip(netif: Netif, *_event: object) -> None:
    netif.log_address()


def netif_get_ip_info(netif: Netif) -> IpInfo:
    return netif.ip_info


def netif_set_ip_info(netif: Netif, info: IpInfo) -> None:
    netif.set_ip_info(info)


def netif_get_mac(netif: Netif) -> bytes:
    return netif.mac


def netif_set_mac(netif: Netif, mac: str | bytes) -> None:
    netif.set_mac(mac)


def netif_get_mtu(netif: Netif) -> int:
    return netif.mtu


def netif_set_mtu(netif: Netif, mtu: int) -> None:
    netif.set_mtu(mtu)


def netif_get_dns_info(netif: Netif, kind: DnsType) -> DnsInfo:
    info = netif.get_dns_info(kind)
    if info is None:
        raise DnsNotConfigured(f"{netif!r} has no name server {kind.name}; give one by netif_set_dns_info")
    return info


def netif_set_dns_info(netif: Netif, kind: DnsType, info: DnsInfo) -> None:
    netif.set_dns_info(kind, info)


def netif_is_netif_up(netif: Netif) -> bool:
    return netif.is_up


def netif_get_flags(netif: Netif) -> Flags:
    return netif.flags


def netif_get_ifkey(netif: Netif) -> str:
    return netif.if_key


def netif_get_desc(netif: Netif) -> str:
    return netif.config.base.if_desc


def netif_get_event_id(netif: Netif, *, lost: bool = False) -> Any:
    return netif.config.base.lost_ip_event if lost else netif.config.base.get_ip_event


def netif_get_io_driver(netif: Netif) -> Any:
    return netif.handle


def netif_get_netif_impl(netif: Netif) -> StackInterface | None:
    return netif.interface


def netif_get_handle_from_ifkey(if_key: str) -> Netif | None:
    return netif_find_if(lambda netif: netif.if_key == if_key)


def netif_find_if(predicate: Callable[[Netif], object]) -> Netif | None:
    return next((netif for netif in _process.open() if predicate(netif)), None)


def netif_get_nr_of_ifs() -> int:
    return sum(1 for _ in _process.open())


def netif_get_route_prio(netif: Netif) -> int:
    return netif.route_prio


def netif_set_route_prio(netif: Netif, route_prio: int) -> None:
    netif.set_route_prio(route_prio)


def netif_get_default_netif() -> Netif | None:
    return _process.registry.default


def netif_set_default_netif(netif: Netif | None) -> None:
    """Override the election; None ends that and elects anew."""
    registry = _process.registry if netif is None else netif.registry
    if registry is None:
        raise InvalidState(f"{netif!r} belongs to no stack; attach it first")
    with Held(None if registry.stack is None else registry.stack.runtime):
        registry.set_default(netif)
