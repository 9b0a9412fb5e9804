"""Whether an interface is a router's: if what comes in for others is sent on, and who is answered for.

What is set here is the interface's own, and outlives its starts and stops; what it means is the stack's to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.config import NetifConfig
from netif.lifecycle import Held
from netif.routed import Routed
from netif.router import ForwardingCounters

if TYPE_CHECKING:
    from netif.netif import Netif


class Forwarding(Routed):
    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        super().__init__(netif, config)
        self._forwarding: bool | None = None
        self._proxy_arp = False

    @property
    def forwarding(self) -> bool | None:
        """What comes in for others is sent on; None: as its stack does (`Stack(forwarding=True)`)."""
        return self._forwarding

    def forwarding_enable(self, on: bool | None = True) -> None:
        """Send on what comes in for others, or not, whatever the stack does for its other interfaces; None: as it does
        for them. NotSupported by a stack that does not route."""
        with Held(self.runtime):
            self._refuse_closed("set the forwarding of")
            if self.interface is not None:
                self._verb("set_forwarding")(on)
            self._forwarding = on

    @property
    def proxy_arp(self) -> bool:
        return self._proxy_arp

    def proxy_arp_enable(self, on: bool = True) -> None:
        """Answer whoever asks on its link for an address to which its stack sends on by another link (RFC 1027): so
        that hosts of one subnet reach each other through a router. NotSupported by a stack that does not route."""
        with Held(self.runtime):
            self._refuse_closed("set the proxy ARP of")
            if self.interface is not None:
                self._verb("set_proxy_arp")(on)
            self._proxy_arp = on

    @property
    def forwarding_counters(self) -> ForwardingCounters:
        """Of what came in by it for others, since its start."""
        with Held(self.runtime):
            counters: ForwardingCounters | None = getattr(self.interface, "forwarding_counters", None)
            return counters or ForwardingCounters()

    def _furnish(self) -> None:
        super()._furnish()
        if self._forwarding is not None:
            self._verb("set_forwarding")(self._forwarding)
        if self._proxy_arp:
            self._verb("set_proxy_arp")(True)
