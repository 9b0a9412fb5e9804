"""A TAP: Ethernet between the kernel's own stack and ours.

The device's own MAC address is the kernel's end, so ours must differ from it.
"""

from __future__ import annotations

from typing import Any

from netif.link import Buffer, LinkCaps, Medium, Offload
from netif.wire import ethernet
from tapio import tundev
from tapio.attached import Attached


class Tap(Attached):
    """The driver of one TAP."""

    kind = tundev.TAP
    medium = Medium.ETHERNET

    def _check(self, want: LinkCaps, mac: bytes) -> None:
        if want.mac == mac:
            text = ethernet.format_mac(mac)
            raise ValueError(f"{text} is the kernel's own MAC address on {self.name}: choose another")


def tapio_create(name: str = "", **options: Any) -> Tap:
    """Open the TAP `name`, with a Tap's options: the handle of a DriverIfconfig."""
    return Tap(name, **options)


def tapio_output(handle: Attached, buffers: tuple[Buffer, ...], offload: Offload | None = None) -> bool:
    """Send one frame: the transmit of a DriverIfconfig."""
    return handle.transmit(buffers, offload)
