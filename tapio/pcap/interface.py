"""What the system says of an interface that is captured on; where it does not, what an Ethernet is by default.

Linux answers by ioctl, in the network namespace in which this was made; elsewhere libpcap's list has to do.
"""

from __future__ import annotations

import sys
from typing import Any

from tapio.pcap.handle import load

MTU = 1500  # bytes of an IP packet; IEEE 802.3


class Interface:
    """One interface by name."""

    def __init__(self, name: str) -> None:
        cypcap = load()
        loopback = cypcap.PcapIfFlags.LOOPBACK
        self.is_loopback = any(found.name == name and found.flags & loopback for found in cypcap.findalldevs())
        self._control: Any = None
        if sys.platform == "linux":
            from tapio.device import Control

            self._control = Control(name)

    def mtu(self) -> int:
        return int(self._control.mtu()) if self._control is not None else MTU

    def mac(self) -> bytes:
        """Empty where the system does not tell."""
        return bytes(self._control.mac()) if self._control is not None else b""

    def close(self) -> None:
        if self._control is not None:
            self._control.close()
