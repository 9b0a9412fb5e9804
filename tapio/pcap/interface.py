"""What the system says of an interface that is captured on; where it does not, what an Ethernet is by default.

Linux answers by ioctl, in the network namespace in which this was made.
"""

from __future__ import annotations

import sys
from typing import Any

MTU = 1500  # bytes of an IP packet; IEEE 802.3


class Interface:
    """One interface by name."""

    def __init__(self, name: str) -> None:
        self._control: Any = None
        if sys.platform == "linux":
            from tapio.device import Control

            self._control = Control(name)

    def mtu(self) -> int:
        return int(self._control.mtu()) if self._control is not None else MTU

    def mac(self) -> bytes:
        """Empty where the system does not tell; zeros on Linux's loopback."""
        return bytes(self._control.mac()) if self._control is not None else b""

    def remarks(self, *, shared_mac: bool) -> list[str]:
        """Who cannot be reached here, as far as the system tells."""
        return list(self._control.remarks(shared_mac=shared_mac)) if self._control is not None else []

    def close(self) -> None:
        if self._control is not None:
            self._control.close()
