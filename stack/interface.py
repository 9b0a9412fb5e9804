"""One attached link as the stack sees it: the input filter, the output queue, the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import Attachment, Buffer, LinkCaps, Medium, Offload, Waiter

if TYPE_CHECKING:
    from stack.endpoint import Endpoint
    from stack.stack import Stack


class Interface:
    """A StackInterface. `blocked`: the driver is full; an endpoint then stops, joins `waiting` and is owed a flush
    when there is room again."""

    def __init__(self, stack: Stack, netif: Attachment) -> None:
        self.stack = stack
        self.netif = netif
        self.name = netif.if_key
        self.mac = b""
        self.mtu = 1500
        self.gso_max = 1500
        self.tx_checksum = False
        self.rx_checksum = False
        self.medium = Medium.ETHERNET
        self.link_length = 14  # bytes before the IP header
        self.address = b""  # 4 bytes, or empty
        self.mask = b""
        self.gateway = b""
        self.is_up = False
        self.blocked = False
        self.waiting: dict[Endpoint, None] = {}

    def link_up(self, caps: LinkCaps) -> None: ...
    def link_down(self) -> None: ...
    def set_addresses(self, ip: bytes, mask: bytes, gateway: bytes) -> None: ...
    def set_mac(self, mac: bytes) -> None: ...
    def set_mtu(self, mtu: int) -> None: ...
    def input(self, frame: Buffer, offload: Offload | None) -> None: ...
    def writable(self) -> None: ...
    def finish(self, waiter: Waiter) -> bool:
        raise NotImplementedError

    def detach(self) -> None: ...
