"""Bridges by esp_netif's names: a glue takes interfaces without addresses as its ports, and a bridge is attached to it.

A port's driver is the bridge's from then on; the port's interface stays listed, and stopped. Destroy the bridge first.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netif.errors import InvalidArg, InvalidParams, NetifError
from netif.esp.process import check, of_netif
from netif.netif import Netif

__all__ = [
    "NETIF_BR_DROP",
    "NETIF_BR_FDW_CPU",
    "NETIF_BR_FLOOD",
    "netif_br_glue_add_port",
    "netif_br_glue_add_wifi_port",
    "netif_br_glue_del",
    "netif_br_glue_new",
    "netif_bridge_add_port",
    "netif_bridge_fdb_add",
    "netif_bridge_fdb_remove",
]

NETIF_BR_FLOOD, NETIF_BR_DROP, NETIF_BR_FDW_CPU = -1, 0, 1 << 63  # where frames for a station go


def netif_br_glue_new() -> Any:
    """What `netif_attach` of an interface with IS_BRIDGE takes; ports come by `netif_br_glue_add_port`."""
    return import_module("netif").BridgeGlue()  # it takes every room, and so lives behind the doorway


def netif_br_glue_add_port(glue: Any, port: Netif) -> None:
    """An interface with a driver and without an address, started or not. InvalidArg, InvalidParams, NoMem."""
    _check_glue(glue, "netif_br_glue_add_port")
    check(port, "netif_br_glue_add_port")
    glue.add_port(port)


def netif_br_glue_add_wifi_port(glue: Any, port: Netif) -> None:
    """As any other."""
    netif_br_glue_add_port(glue, port)


def netif_br_glue_del(glue: Any) -> None:
    """Close its ports' drivers. The bridge's interface is to be destroyed first."""
    _check_glue(glue, "netif_br_glue_del")
    glue.close()


@of_netif
def netif_bridge_add_port(netif: Netif, port: Netif) -> None:
    """As `netif_br_glue_add_port`, to a bridge's interface."""
    netif_br_glue_add_port(_glue(netif, "netif_bridge_add_port"), port)


@of_netif
def netif_bridge_fdb_add(netif: Netif, mac: str | bytes, ports: int) -> None:
    """Frames to `mac` go to these ports, a bit each in the order in which they were added; NETIF_BR_FLOOD: all,
    NETIF_BR_DROP: none, NETIF_BR_FDW_CPU: the bridge's own interface. InvalidParams, NoMem."""
    glue = _glue(netif, "netif_bridge_fdb_add")
    if isinstance(ports, bool) or not isinstance(ports, int) or not -1 <= ports < 1 << 64:
        raise InvalidParams(f"netif_bridge_fdb_add: {ports!r} is no mask of ports; give a bit for each, as in 0b101")
    bridge = glue.bridge
    members = list(bridge.members.values())
    to = members if ports == NETIF_BR_FLOOD else [one for n, one in enumerate(members) if ports >> n & 1]
    if ports > 0 and ports & NETIF_BR_FDW_CPU:
        to = [*to, netif]
    if ports > 0 and not to:
        raise InvalidParams(f"netif_bridge_fdb_add: {ports:#x} is no port of {netif!r}, which has {len(members)}")
    bridge.fdb_add(mac, *to)


@of_netif
def netif_bridge_fdb_remove(netif: Netif, mac: str | bytes) -> None:
    """NotFound, InvalidParams."""
    _glue(netif, "netif_bridge_fdb_remove").bridge.fdb_remove(mac)


def _check_glue(glue: Any, function: str) -> None:
    if not hasattr(glue, "add_port"):
        raise InvalidArg(f"{function}: {glue!r} is no glue; give what netif_br_glue_new() returned")


def _glue(netif: Netif, function: str) -> Any:
    glue = netif.driver
    if glue is None or getattr(glue, "bridge", None) is None:
        raise NetifError(f"{function}: {netif!r} is no bridge that has started: attach it to netif_br_glue_new()'s")
    return glue
