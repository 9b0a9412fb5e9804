"""netif_connect, as example_connect: one call and the process's default stack is on a network, with an address.

What is to be known comes from the arguments, then from the environment (NETIF_WIRE, NETIF_IP, NETIF_DHCP, NETIF_LOSS
...), then from tapif_io's defaults: the device tap0, and DHCP unless there is an address. Port style on the outside: it
answers with a Netif and raises what a program may catch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from components.addressing import await_address, set_servers
from components.command import Complaint
from components.connect import faulty, with_addresses
from components.flags import FLAGS, Choice, choice_of
from components.wires.plan import opened, planned
from netif import esp
from netif.config import DriverIfconfig, Flags, InherentConfig, IpInfo, NetifConfig, NetstackConfig
from netif.errors import InvalidArg

if TYPE_CHECKING:
    from netif.link import Driver
    from netif.netif import Netif

WIRE = "tap:tap0"
IF_KEY, ROUTE_PRIO = "TAP", 100  # tapif_io's

_connected: list[ExitStack] = []  # what netif_disconnect ends, as example_disconnect does: process-wide


def netif_connect(
    wire: str | None = None,
    *,
    ip: str | None = None,
    gateway: str | None = None,
    dhcp: bool | None = None,
    dns: str | None = None,
    hostname: str | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    timeout: float | None = None,
    if_key: str = IF_KEY,
) -> Netif:
    """Join the network on `wire` (docs/wires.md: "tap:NAME", "unix:PATH" ...) and return when there is an address.

    `ip` "A/LEN" is a static one; else DHCP, unless `dhcp` is False. `dns` is "A[,A]". `timeout` is in seconds.
    Raises InvalidArg for what no argument or variable can be, TimeoutError that says what to do when no address came,
    and OSError where the wire cannot be had. `netif_disconnect()` ends it, and so does `netif_deinit()`.
    """
    given = {"wire": wire, "ip": ip, "gateway": gateway, "dns": dns, "hostname": hostname, "mac": mac}
    given |= {"mtu": None if mtu is None else str(mtu), "timeout": None if timeout is None else str(timeout)}
    with ExitStack() as closing:
        try:
            choice, driver = chosen(given, dhcp, os.environ)
        except Complaint as complaint:
            if isinstance(complaint.__cause__, OSError):
                raise OSError(complaint.__cause__.errno, str(complaint)) from None
            words = str(complaint).replace("--gw", "gateway").replace("--", "")  # flags, as arguments are called here
            raise InvalidArg(f"netif_connect: {words}") from None
        netif = started(choice, driver, closing, if_key)
        await_address(netif, choice)
        esp.at_deinit(netif_disconnect)
        _connected.append(closing.pop_all())
    return netif


def netif_disconnect() -> None:
    """End what `netif_connect` began, the last first: connections in order, the lease given back, the wire closed."""
    while _connected:
        _connected.pop().close()


def chosen(given: Mapping[str, str | None], dhcp: bool | None, environment: Mapping[str, str]) -> tuple[Choice, Driver]:
    """What is wished, and the wire for it; a Complaint where there is none."""
    said = {field: given.get(field) for _, field, *_ in FLAGS}
    wire = given["wire"] or environment.get("NETIF_WIRE") or WIRE
    choice = choice_of(argparse.Namespace(**said, wire=wire, dhcp=bool(dhcp), verbose=0, once=False), environment)
    if choice.user is not None:
        raise Complaint("NETIF_USER is for commands: who calls this has rights of his own to give up")
    plan = planned(choice.wire)
    if choice.ip is None and dhcp is None:
        choice = attrs.evolve(choice, dhcp=True)
    return with_addresses(choice, plan.kind), opened(plan)


def started(choice: Choice, driver: Driver, closing: ExitStack, if_key: str) -> Netif:
    """As example_connect does it: new, attach, connected. `closing` undoes it, also if that fails."""
    from stack import default_stack, ethif_init, ethif_input

    base = InherentConfig(
        if_key=if_key,
        flags=Flags.AUTOUP | Flags.EVENT_IP_MODIFIED | (Flags.DHCP_CLIENT if choice.dhcp else 0),
        mac=choice.mac,
        ip_info=IpInfo(choice.ip, gw=str(choice.gateway) if choice.gateway else None) if choice.ip else IpInfo(),
        route_prio=ROUTE_PRIO,
        mtu=choice.mtu or 0,
        hostname=choice.hostname,
    )
    handle = faulty(driver, choice, default_stack().runtime, closing)
    config = NetifConfig(base=base, driver=DriverIfconfig(handle), stack=NetstackConfig(ethif_init, ethif_input))
    netif = esp.netif_new(config)
    closing.callback(esp.netif_destroy, netif)
    set_servers(netif, choice.dns)
    esp.netif_attach(netif, handle)
    esp.netif_action_connected(netif)
    return netif
