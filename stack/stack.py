"""One host: the composition root."""

from __future__ import annotations

from netif.link import Dice, Runtime
from stack.endpoint import Endpoint
from stack.ip import Ip
from stack.limits import Limits
from stack.stats import Stats
from stack.timers import Timed, Timers
from stack.trace import Trace


class Stack:
    name: str
    runtime: Runtime
    dice: Dice
    now: float  # seconds; set by advance and flush
    limits: Limits
    stats: Stats
    trace: Trace | None
    timers: Timers
    dirty: dict[Endpoint, None]
    current: Endpoint | None  # the endpoint in hand: what `abort_current` aborts
    ip: Ip

    def owe(self, endpoint: Endpoint) -> None:
        """`endpoint.flush` is to be called at the end of this turn. Every change of state ends here."""

    def arm(self, item: Timed) -> None:
        """For what has a deadline but is no endpoint in `flush` (those are armed for them)."""
