"""Addresses that are taken as our own, one by one, as packets for them come: Linux' AnyIP.

For a gateway that ends here what is on its way to anybody. From the first packet of TCP or UDP on such an address is
among `Ip.local`, so that nothing else has to know; ARP neither announces it nor answers for it. None is of a subnet
that we are in: who is there speaks for himself. RFC 1122 3.2.1.3 lets a host take its own addresses alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.wire.ip import TCP, UDP

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.ip import Ip

_GROUPS = b"\xe0"  # 224/4 are groups, and what is above them is nobody's
_NOBODY, _LOOPBACK = 0, 127  # nets


class AnyIp:
    """`ip.any_ip = AnyIp(ip)` begins it."""

    def __init__(self, ip: Ip) -> None:
        self._ip = ip
        self.adopted: dict[bytes, Interface] = {}

    def adopts(self, interface: Interface, dst: bytes, protocol: int) -> bool:
        """For a packet to an address that is not ours: it is, from now on. The oldest makes room for it; what lives by
        that one goes on, and its next packet brings it back."""
        if protocol not in (TCP, UDP) or not self._may_be_ours(dst):
            return False
        ip = self._ip
        if len(self.adopted) >= ip.stack.limits.adopted_addresses:
            ip.stack.stats.count("adopted_addresses_full")
            oldest = next(iter(self.adopted))
            del self.adopted[oldest], ip.local[oldest]
        self.adopted[dst] = ip.local[dst] = interface
        return True

    def _may_be_ours(self, dst: bytes) -> bool:
        if dst >= _GROUPS or dst[0] in (_NOBODY, _LOOPBACK):
            return False
        return not any(link.on_link(dst) for link in self._ip.stack.interfaces)

    def restore(self) -> None:
        """The addresses of our interfaces have changed, and `Ip.local` is made anew."""
        local, links = self._ip.local, self._ip.stack.interfaces
        self.adopted = {
            dst: link
            for dst, link in self.adopted.items()
            if link in links and dst not in local and self._may_be_ours(dst)
        }
        local.update(self.adopted)
