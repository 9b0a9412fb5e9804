"""Address conflict detection: is an address free (probes), is it ours (announcements), and who gives way (defence).

Times and counts are RFC 5227's (1.1). Nothing here sets an address: whoever claims one is told, and decides. What is
heard about an address comes from `arp`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from netif.wire import arp as wire
from netif.wire import ethernet
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.arp import Arp

PROBE_WAIT = 1.0  # seconds, at random, before the first probe
PROBE_NUM = 3
PROBE_MIN, PROBE_MAX = 1.0, 2.0  # seconds between probes, at random
ANNOUNCE_WAIT = 2.0  # seconds after the last probe
ANNOUNCE_NUM, ANNOUNCE_INTERVAL = 2, 2.0
MAX_CONFLICTS, RATE_LIMIT_INTERVAL = 10, 60.0  # after so many conflicts, seconds before the next try
DEFEND_INTERVAL = 10.0  # seconds between announcements in answer to a conflict

# Whose the address is: the MAC of another, or None: nobody's, so that it may be ours now
Told: TypeAlias = Callable[["bytes | None"], None]


class Claim(Timed):
    """One address that we should like to have."""

    __slots__ = ("address", "announced", "arp", "probed", "told")

    def __init__(self, arp: Arp, address: bytes, told: Told) -> None:
        super().__init__()
        self.arp = arp
        self.address = address
        self.told: Told | None = told
        self.probed = 0
        self.announced = 0
        self.begin()

    def begin(self) -> None:
        """Probe; from the beginning where the link has changed meanwhile."""
        if self.told is None:
            return
        stack = self.arp.interface.stack
        wait = PROBE_WAIT * stack.dice.random()
        if self.arp.lost_claims >= MAX_CONFLICTS:
            wait += RATE_LIMIT_INTERVAL  # RFC 5227 2.1.1: not another storm
        self.probed = 0
        self.deadline = stack.now + wait
        stack.arm(self)

    def expire(self, now: float) -> None:
        if self.told is None:
            self._announce(now)
        elif self.probed < PROBE_NUM:
            self.probed += 1
            self.arp.send(ethernet.BROADCAST, wire.REQUEST, bytes(4), bytes(6), self.address)
            last = self.probed == PROBE_NUM
            spread = PROBE_MIN + (PROBE_MAX - PROBE_MIN) * self.arp.interface.stack.dice.random()
            self.deadline = now + (ANNOUNCE_WAIT if last else spread)
        else:
            told, self.told = self.told, None
            self.arp.lost_claims = 0
            self.deadline = now + ANNOUNCE_INTERVAL
            self.announced = 1  # by whoever sets the address
            told(None)

    def _announce(self, now: float) -> None:
        """RFC 5227 2.3: a second time, if it is ours still."""
        if self.arp.interface.owns(self.address) and self.announced < ANNOUNCE_NUM:
            self.announced += 1
            self.arp.announce(self.address)
            self.deadline = now + ANNOUNCE_INTERVAL
        else:
            self.arp.let_go(self)

    def heard(self, operation: int, sha: bytes, spa: bytes, tpa: bytes) -> None:
        """RFC 5227 2.1.1: another has it, or would like to have it as well."""
        if self.told is None:
            return
        if spa == self.address or (operation == wire.REQUEST and spa == bytes(4) and tpa == self.address):
            told = self.told
            self.cancel()
            self.arp.lost_claims += 1
            self.arp.interface.stack.stats.count("arp_claim_lost")
            told(sha)

    def cancel(self) -> None:
        self.told = None
        self.arp.let_go(self)
        self.arp.interface.stack.timers.forget(self)
