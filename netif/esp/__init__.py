"""The port-style names: esp_netif's API, a line each; docs/esp_netif.md has the table of all of them.

What esp_netif answers by a code is raised here as the `NetifError` of that code. Global, and ended by `netif_deinit`:
the interfaces that `netif_new` made, the default stack that the stack room reported by `adopt`, the default runtime.
"""
# ruff: noqa: F403 - each module lists its own names

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from netif import presets
from netif.config import BridgeConfig as BridgeConfig
from netif.config import DnsInfo as DnsInfo
from netif.config import DnsType as DnsType
from netif.config import DriverIfconfig as DriverIfconfig
from netif.config import Flags as Flags
from netif.config import InherentConfig as InherentConfig
from netif.config import IpEvent as IpEvent
from netif.config import IpInfo as IpInfo
from netif.config import NetifConfig as NetifConfig
from netif.config import NetstackConfig as NetstackConfig
from netif.errors import NetifError as NetifError
from netif.esp import actions, bridge, dhcp, events, identity, lifecycle, napt, unsupported
from netif.esp.actions import *
from netif.esp.bridge import *
from netif.esp.dhcp import *
from netif.esp.events import *
from netif.esp.identity import *
from netif.esp.lifecycle import *
from netif.esp.napt import *
from netif.esp.process import adopt as adopt
from netif.esp.process import at_deinit as at_deinit
from netif.esp.unsupported import *
from netif.event_bus import ANY_BASE as ANY_BASE
from netif.event_bus import ANY_ID as ANY_ID
from netif.event_bus import IP_EVENT as IP_EVENT
from netif.presets import *

if not TYPE_CHECKING:  # a type checker takes what is imported `as` or by a star for public; it cannot read this
    __all__ = [
        *("ANY_BASE", "ANY_ID", "IP_EVENT"),
        *("BridgeConfig", "DnsInfo", "DnsType", "DriverIfconfig", "Flags", "InherentConfig", "IpEvent", "IpInfo"),
        *("NetifConfig", "NetifError", "NetstackConfig"),
        *presets.__all__,
        *lifecycle.__all__,
        *actions.__all__,
        *identity.__all__,
        *dhcp.__all__,
        *events.__all__,
        *napt.__all__,
        *bridge.__all__,
        *unsupported.__all__,
    ]

    def __getattr__(name: str) -> object:
        if name in ("netif_connect", "netif_disconnect"):  # they take every room, and so live behind the doorway
            return getattr(import_module("netif"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
