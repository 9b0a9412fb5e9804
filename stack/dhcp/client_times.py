"""When a DHCP client speaks again, and how long a lease holds. RFC 2131 4.1 and 4.4.5."""

from __future__ import annotations

from netif.dhcp import Lease
from netif.link import Dice
from stack.dhcp.client_states import REBOOTING, REQUESTING

FIRST_PAUSE, LONGEST_PAUSE, JITTER = 4.0, 64.0, 1.0  # seconds
# in REQUESTING for a minute (RFC 2131 3.1.5), in REBOOTING for 12 seconds: then any server may say what it has
REQUESTS = {REQUESTING: 4, REBOOTING: 2}
RENEWAL_PAUSE = 60.0  # seconds at least between REQUESTs in RENEWING and REBINDING ...
RENEWAL_SHARE = 4  # ... but of a short lease so many to each: else one loss in each would end it
DECLINE_WAIT = 10.0  # seconds (RFC 2131 3.1.5)
FUZZ = 0.05  # T1 and T2 come by up to this share early, lest all clients come at once
LONGEST_SECS = 0xFFFF


def pause(nth: int) -> float:
    """Seconds behind the nth message."""
    return min(FIRST_PAUSE * 2.0 ** min(nth - 1, 10), LONGEST_PAUSE)


def retransmission(nth: int, dice: Dice) -> float:
    """Seconds from the nth message to the next, at random: hosts that lost power together come back together."""
    return pause(nth) + JITTER * (2 * dice.random() - 1)


def extension(now: float, window: float, end: float) -> float:
    """When to ask again for a lease to be extended; `window` seconds long is the state, and at `end` it ends."""
    return min(now + max((end - now) / 2, min(RENEWAL_PAUSE, window / RENEWAL_SHARE)), end)


def ends_at(lease: Lease) -> float:
    return lease.obtained + lease.lease_time
