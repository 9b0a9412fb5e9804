"""A point-to-point link of bare IP packets, such as a TUN: whatever the next hop is, it is at the other end.

There is nothing to resolve, so whoever has no gateway here may still reach everybody by this link, as by a serial line
(RFC 1812 3.3). IGMP is spoken, as over any link: the other end may be a router. IPv6 is dropped under its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.errors import NotSupported
from netif.link import Attachment, Buffer, Medium, Offload
from netif.wire import Malformed
from stack.attached import AttachedInterface
from stack.fast import FAST
from stack.routing import Neighbour

if TYPE_CHECKING:
    from collections.abc import Callable

    from netif.reachability import ReachabilityPolicy
    from stack.stack import Stack


class TunInterface(AttachedInterface):
    medium = Medium.POINT_TO_POINT
    is_point_to_point = True

    def __init__(self, stack: Stack, netif: Attachment) -> None:
        super().__init__(stack, netif, "tn")
        self._other_end = Neighbour(b"")

    def neighbour(self, next_hop: bytes) -> Neighbour:
        return self._other_end

    def watch(self, policy: ReachabilityPolicy | None, told: Callable[[bool], None]) -> None:
        if policy is not None and policy.by == "arp":
            raise NotSupported(f"{self.name} has no neighbours to ask by ARP: watch it by 'ping'")
        super().watch(policy, told)

    def input(self, frame: Buffer, offload: Offload | None = None) -> None:
        """The door: whatever the bytes are, no exception leaves but for our own mistakes."""
        stack = self.stack
        stack.current = None
        if frame and frame[0] >> 4 == 6:
            self.drop("ip6_unsupported")
            return
        if stack.overhearing and stack.forward is not None and stack.forward(self, frame, offload):
            return
        try:
            arrives = FAST.get(frame[9]) if len(frame) > 9 and not stack.overhearing else None
            if arrives is None or not arrives(stack, frame, 0, offload):
                self._ip_receive(self, frame, 0, offload, False)
        except Malformed as malformed:
            self.drop(malformed.reason)
