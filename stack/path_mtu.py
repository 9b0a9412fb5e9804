"""How large a packet each way carries, as far as routers have told (RFC 1191); and who may be cut into fragments.

A claim counts for ten minutes; it only ever narrows, and never below MINIMUM: under it fragments are allowed instead,
as Linux has it, for a forged claim would have us send headers alone. Whether a claim is about something that we sent is
for others to say. RFC 1191 3, 5, 6.3, 7.1; RFC 5927 7.
"""

from __future__ import annotations

from errno import EMSGSIZE
from typing import TYPE_CHECKING, NamedTuple

from stack.failure import failure
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.routing import Route
    from stack.stack import Stack

DONT, WANT, DO, PROBE = range(4)  # IP_MTU_DISCOVER, with the kernel's numbers
LIFETIME = 600.0  # seconds (RFC 1191 6.3)
MINIMUM = 552  # bytes; Linux's ip_rt_min_pmtu
PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)  # RFC 1191 7.1


class Path(NamedTuple):
    mtu: int
    df: bool  # False: so narrow that fragments are allowed
    until: float


class PathMtus(Timed):
    """Of the destinations whose path is narrower than our link."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.maintenance = True
        self.stack = stack
        self.discovered = stack.ip_config.path_mtu_discovery
        self._paths: dict[bytes, Path] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, dst: bytes) -> Path | None:
        return self._paths.get(dst)

    def too_big(self, dst: bytes, claimed: int, length: int, link: int) -> bool:
        """A packet of `length` bytes to `dst` did not get through; the router says what would, or 0 if it cannot.
        `link`: our own link's MTU. True: that is news."""
        if not self.discovered:
            return False
        known = self._paths.get(dst)
        current = min(link, known.mtu) if known is not None else link
        if not claimed:
            most = min(length, current)
            claimed = next((plateau for plateau in PLATEAUS if plateau < most), PLATEAUS[-1])
        if claimed >= length:
            self.stack.drop("icmp_mtu", self)
            return False
        if claimed >= current or (known is not None and not known.df):
            return False  # what was on its way when we learned that
        stack = self.stack
        if not stack.limits.path_mtus:
            stack.stats.count("path_mtus_full")
            return False
        if known is not None:
            del self._paths[dst]
        elif len(self._paths) >= stack.limits.path_mtus:
            stack.stats.count("path_mtus_full")
            del self._paths[next(iter(self._paths))]
        until = stack.now + LIFETIME
        narrow = claimed < MINIMUM
        self._paths[dst] = Path(min(MINIMUM, current) if narrow else claimed, not narrow, until)
        stack.stats.count("path_narrowed")
        stack.ip.outdate()
        if self.deadline is None:
            self.deadline = until
            stack.arm(self)
        return True

    def expire(self, now: float) -> None:
        """RFC 1191 6.3: the path may be another by now."""
        while self._paths:
            dst, path = next(iter(self._paths.items()))
            if path.until > now:
                self.deadline = path.until
                break
            del self._paths[dst]
        self.stack.ip.outdate()

    def clear(self) -> None:
        """The links have changed."""
        self._paths.clear()
        self.deadline = None


def forbids_fragments(discover: int, route: Route, total_len: int) -> bool:
    """Whether a datagram of this size bears DF. OSError(EMSGSIZE): it may go neither whole nor in fragments."""
    if discover == WANT:
        return total_len <= route.mtu
    if discover == DONT:
        return False
    if total_len > (route.mtu if discover == DO else route.interface.mtu):
        raise failure(EMSGSIZE)
    return True
