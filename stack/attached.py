"""The interface of a netif, whatever its medium: its driver's way out, its groups, and who asks where it leads.

Refuses to know what a frame looks like: that is `ethernet`'s, or `tunif`'s. RFC 1112 7.2; RFC 3376 (IGMP belongs to any
link on which there may be a router to tell).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from netif.errors import NoMem
from netif.link import Attachment, LinkCaps, Medium
from netif.wire.igmp import ALL_HOSTS
from stack.igmp import Igmp
from stack.interface import Interface
from stack.multicast import EVERYBODY, Filter

if TYPE_CHECKING:
    from netif.reachability import ReachabilityPolicy
    from stack.reachability import Watch
    from stack.stack import Stack


class AttachedInterface(Interface):
    medium: ClassVar[Medium]

    def __init__(self, stack: Stack, netif: Attachment, letters: str) -> None:
        super().__init__(stack, netif.if_key, letters)
        self.netif = netif
        self.mac = netif.mac
        self.mtu = self.gso_max = netif.mtu
        self.igmp: Igmp = Igmp(self)
        self._ip_receive = stack.ip.receive
        self._watch: Watch | None = None

    @property
    def route_prio(self) -> int:
        return self.netif.route_prio

    def link_up(self, caps: LinkCaps) -> None:
        if caps.medium is not self.medium:
            raise ValueError(f"{self.name} speaks {self.medium.value}, its driver offers {caps.medium.value}")
        is_fresh = self not in self.stack.interfaces
        self.stack.linked(self)
        self._send = self.netif.transmit
        super().link_up(caps)
        self.groups.listen(self, ALL_HOSTS, EVERYBODY)  # RFC 1112 7.2: from the start, and never reported
        if is_fresh:
            for each in self.stack.ip.subscribers:
                each.returned(self)

    def relinked(self) -> None:
        self.igmp.relinked()

    def announce(self) -> None:
        if self.is_up:
            self.igmp.rejoin()

    def announce_one(self, address: bytes) -> None:
        if self.is_up and address == self.address:
            self.igmp.rejoin()

    def regrouped(self, group: bytes, old: Filter, new: Filter) -> None:
        self.igmp.changed(group, old, new)

    def join(self, group: bytes, sources: tuple[bytes, ...] = ()) -> None:
        try:
            self.groups.join(group, sources)
        except OSError:
            raise NoMem(f"group: {self.name} is in {len(self.groups)} groups; raise Limits.groups") from None

    def leave(self, group: bytes) -> None:
        self.groups.leave(group)

    def watch(self, policy: ReachabilityPolicy | None, told: Callable[[bool], None]) -> None:
        """From now on ask whether it still leads anywhere; `told` hears whether it does, at each change. None ends
        that."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if policy is not None:
            from stack.reachability import Watch

            self._watch = Watch(self, policy, told)

    def probe(self, address: bytes) -> None:
        """Ask on the link, where neighbours can be asked, whether one is there."""

    def confirmed_since(self, address: bytes, when: float) -> bool:
        """It has answered."""
        return False

    def detach(self) -> None:
        """Its groups end with it, and the routers hear of that."""
        self.groups.abandon()
        self.watch(None, lambda _: None)
        super().detach()
