"""The kernel's side of a TUN as a driver: what the near end sends is read here, and what this sends is read there.

A packet socket with virtio-net headers, so that super-frames come and go whole. packet(7).
"""

from __future__ import annotations

import os
import socket

from netif.link import Buffer, LinkCaps, Medium, Offload, Port
from tapio import vnet
from tapio.kernel import LARGE, KernelWire
from tapio.netns import in_netns

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL = 3


class FarEnd(KernelWire):
    """Of a device of bare packets."""

    def __init__(self, name: str, *, netns: str) -> None:
        made = in_netns(netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        made.setblocking(False)
        made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        made.bind((name, ETH_P_ALL))
        super().__init__(name, made.detach(), vnet_header=True)
        self._supers = vnet.BareSuperHeaders()

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        return LinkCaps(
            mac=b"", mtu=want.mtu, medium=Medium.POINT_TO_POINT, gso_max=65535, tx_checksum=True, rx_checksum=True
        )

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        if self._fd < 0:
            return None
        try:
            data = os.read(self._fd, 2 * LARGE)
        except BlockingIOError:
            return None
        return data[vnet.LENGTH :], self._offloads[data[: vnet.LENGTH]]

    def _failure(self, error: OSError) -> OSError:
        return error

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
