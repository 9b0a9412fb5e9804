"""A switch within a process: any number of ports, each a driver; learning, VLANs, mirrors (IEEE 802.1Q)."""

from __future__ import annotations

from tapio.switch.mirror import Mirror
from tapio.switch.named import NamedPort
from tapio.switch.port import PortCounters, SwitchPort
from tapio.switch.switch import Switch

__all__ = ["Mirror", "NamedPort", "PortCounters", "Switch", "SwitchPort"]
