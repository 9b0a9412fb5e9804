"""What a DHCP client makes do with while no server answers: a static address, or a link-local one.

It knows when, and tells the lease holder; asking for a lease goes on beside it, and whoever gets one ends it.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netif.config import IpInfo
from netif.dhcp import Lease
from stack.link_local import MASK, LinkLocal
from stack.timers import Alarm

if TYPE_CHECKING:
    from stack.dhcp.client import Client

NOBODY = IPv4Address(0)  # the server of an address that none gave


class Fallback:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.in_use = False  # the holder has been told of one
        self._alarm = Alarm(self._begin)
        self._link_local: LinkLocal | None = None

    def await_lease(self) -> None:
        """Asking has begun."""
        client, config = self.client, self.client.config
        idle = not self.in_use and self._link_local is None and self._alarm.deadline is None
        if config.fallback is not None and idle:
            self._alarm.deadline = client.stack.now + config.fallback_after
            client.stack.arm(self._alarm)

    def link_up(self) -> None:
        if self._link_local is not None:
            self._link_local.claim()

    def end(self) -> None:
        """There is a lease, or nothing is wanted any more. The holder is not told."""
        self.client.stack.timers.forget(self._alarm)
        self.in_use = False
        if self._link_local is not None:
            self._link_local.cancel()
            self._link_local = None

    def conflict(self, mac: bytes) -> None:
        """Another host uses the address, and we give way."""
        if self._link_local is not None:
            self._link_local.conflict(mac)
        else:
            self.in_use = False
            self.client.holder.lease_lost(f"{mac.hex(':')} uses it", taken=True)

    def _begin(self, now: float) -> None:
        fallback = self.client.config.fallback
        if isinstance(fallback, IpInfo):
            self._use(fallback)
        elif fallback is not None:
            self._link_local = LinkLocal(self.client.interface, self._claimed, self._lost)
            self._link_local.claim()

    def _use(self, info: IpInfo) -> None:
        self.in_use = True
        self.client.holder.leased(Lease(ip_info=info, server=NOBODY, obtained=self.client.stack.now))

    def _claimed(self, address: bytes) -> None:
        if not self.in_use:  # else it was ours before the link went down
            self._use(IpInfo(address, MASK))

    def _lost(self, mac: bytes) -> None:
        if self.in_use:
            self.in_use = False
            self.client.holder.lease_lost(f"{mac.hex(':')} uses it", taken=True)
