"""Whether anybody uses an address that a DHCP server is about to offer: one ARP probe, and a short wait.

Shorter than a claim of our own (`acd`), since a client waits for the offer and will look for itself too.
RFC 2131 2.2; the probe is RFC 5227's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.wire import arp as wire
from netif.wire import ethernet
from stack.acd import Claim, Told

if TYPE_CHECKING:
    from stack.arp import Arp


class Probe(Claim):
    __slots__ = ("client", "wait")

    def __init__(self, arp: Arp, address: bytes, client: bytes, wait: float, told: Told) -> None:
        """`client`: the MAC that may well have the address already; `wait`: seconds for an answer."""
        self.client = client
        self.wait = wait
        former = arp.claims.get(address)
        if former is not None:
            former.cancel()
        super().__init__(arp, address, told)
        arp.hold(self)

    def begin(self) -> None:
        stack = self.arp.interface.stack
        self.arp.send(ethernet.BROADCAST, wire.REQUEST, bytes(4), bytes(6), self.address)
        self.deadline = stack.now + self.wait
        stack.arm(self)

    def expire(self, now: float) -> None:
        told = self.told
        assert told is not None
        self.cancel()
        told(None)

    def heard(self, operation: int, sha: bytes, spa: bytes, tpa: bytes) -> None:
        if self.told is not None and spa == self.address and sha != self.client:
            told = self.told
            self.cancel()
            told(sha)
