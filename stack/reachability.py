"""Does an interface still lead anywhere? Something at its other end is asked, again and again.

So many questions in a row without an answer, and it is unreachable; so many answers, and it is reachable again. Whoever
wants to know is told of each change, and decides. A host must not ping its gateway all the time by itself (RFC 1122
3.3.1.4): this goes on only where it is asked for. By ICMP echo, or for a neighbour by ARP, which no firewall hides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire.icmp import ECHO_REPLY
from stack.echo import EchoEndpoint

if TYPE_CHECKING:
    from netif.reachability import ReachabilityPolicy
    from stack.attached import AttachedInterface


class Watch(EchoEndpoint):
    """One interface's; a ping socket that is its own reader."""

    __slots__ = ("_answered", "_asked_at", "_heard", "_sequence", "_streak", "_told", "link", "policy", "reachable")

    def __init__(self, link: AttachedInterface, policy: ReachabilityPolicy, told: Callable[[bool], None]) -> None:
        super().__init__(link.stack)
        self.interface = self.link = link
        self.policy = policy
        self.reachable = True  # until the contrary is shown
        self._told = told
        self._streak = 0  # answers or misses in a row that speak against `reachable`
        self._sequence = 0
        self._asked_at: float | None = None  # None: nothing was asked last time
        self._heard = False  # since the last flush
        self._answered = False  # what was asked last
        self.bind()
        self.deadline = self.stack.now
        self.stack.arm(self)

    def expire(self, now: float) -> None:
        verdict = self._verdict()
        self.deadline = now + self.policy.interval
        self._ask(now)
        if verdict is not None:
            self._count(verdict)

    def _verdict(self) -> bool | None:
        """Was the last question answered? None: it has been counted, or there was none."""
        if self._asked_at is None or self._answered:
            return None
        return self.policy.by == "arp" and self.link.confirmed_since(self.remote, self._asked_at)

    def _ask(self, now: float) -> None:
        target = self.policy.target
        self.remote = self.link.gateway if target is None else target.packed
        self._answered = False
        self._asked_at = None
        if not self.remote or not self.link.is_up:
            return
        self._asked_at = now
        self._sequence += 1
        if self.policy.by == "arp":
            self.link.probe(self.remote)
            return
        try:
            self.send_echo(self._sequence)
        except OSError:
            return  # no way there: no answer either

    def arrived(self, kind: int, code: int, address: bytes, sequence: int, payload: Buffer, ttl: int) -> None:
        if kind == ECHO_REPLY:
            self._heard = True
            self.stack.owe(self)

    def flush(self, now: float) -> None:
        if self._heard and not self._answered and not self.closed:
            self._answered = True
            self._count(True)
        self._heard = False

    def unreachable(self, error: OSError) -> None:
        """No neighbour: no answer."""

    def close(self) -> None:
        super().close()
        self.stack.timers.forget(self)

    def _count(self, answered: bool) -> None:
        if answered is self.reachable:
            self._streak = 0
            return
        self._streak += 1
        if self._streak >= (self.policy.answers if answered else self.policy.misses):
            self._streak = 0
            self.reachable = answered
            self.stack.stats.count("reachable_again" if answered else "unreachable")
            if self.stack.trace is not None:
                self.stack.trace("reachability", self.link, "reachable" if answered else "unreachable")
            self._told(answered)
