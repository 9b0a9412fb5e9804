"""The port-style names: esp_netif's API, a line each; docs/esp_netif.md has the table of all of them.

What esp_netif answers by a code is raised here as the `NetifError` of that code. Global, and ended by `netif_deinit`:
the interfaces that `netif_new` made, the default stack that the stack room reported by `adopt`, the default runtime.
"""

from __future__ import annotations

from netif import presets
from netif.config import (
    DnsInfo,
    DnsType,
    DriverIfconfig,
    Flags,
    InherentConfig,
    IpEvent,
    IpInfo,
    NetifConfig,
    NetstackConfig,
)
from netif.errors import NetifError
from netif.esp import identity, lifecycle, unsupported
from netif.esp.identity import *  # noqa: F403 - this is the list of them all
from netif.esp.lifecycle import *  # noqa: F403
from netif.esp.process import adopt as adopt
from netif.esp.process import at_deinit as at_deinit
from netif.esp.unsupported import *  # noqa: F403
from netif.presets import *  # noqa: F403

__all__ = [
    "DnsInfo",
    "DnsType",
    "DriverIfconfig",
    "Flags",
    "InherentConfig",
    "IpEvent",
    "IpInfo",
    "NetifConfig",
    "NetifError",
    "NetstackConfig",
]
__all__ += presets.__all__
__all__ += lifecycle.__all__
__all__ += identity.__all__
__all__ += unsupported.__all__
