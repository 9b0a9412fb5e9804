"""Better first hops that gateways have told of (RFC 1122 3.2.2.2, 3.3.1.2), where IpConfig.accept_redirects lets them.

Believed from the gateway that is in use for that destination, about a packet that we did send, towards a neighbour on
the same link; for ten minutes, or until that neighbour does not answer (3.3.1.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stack.timers import Timed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.reports import Report
    from stack.stack import Stack

LIFETIME = 600.0  # seconds


class Detour(NamedTuple):
    interface: Interface
    gateway: bytes
    until: float


class Redirects(Timed):
    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.maintenance = True
        self.stack = stack
        self._detours: dict[bytes, Detour] = {}  # by destination, the oldest first

    def __len__(self) -> int:
        return len(self._detours)

    def gateway(self, dst: bytes, interface: Interface, usual: bytes) -> bytes:
        """The first hop towards `dst`, which would be `usual`."""
        detour = self._detours.get(dst)
        return detour.gateway if detour is not None and detour.interface is interface else usual

    def heard(self, report: Report) -> None:
        stack, interface, dst = self.stack, report.interface, report.dst
        gateway = report.rest.to_bytes(4, "big")
        try:
            route = stack.ip.route(dst, report.src)
        except OSError:
            route = None
        if (
            not stack.ip_config.accept_redirects
            or route is None
            or route.interface is not interface
            or route.next_hop != report.reporter
            or route.next_hop == dst  # it is a neighbour
            or not interface.on_link(gateway)
            or gateway == route.next_hop
            or gateway in interface.broadcasts
            or stack.ip.is_local(gateway)
        ):
            interface.drop("icmp_redirect")
            return
        if not stack.limits.redirects:
            stack.stats.count("redirects_full")
            return
        self._detours.pop(dst, None)
        while len(self._detours) >= stack.limits.redirects:
            stack.stats.count("redirects_full")
            del self._detours[next(iter(self._detours))]
        self._detours[dst] = Detour(interface, gateway, stack.now + LIFETIME)
        stack.stats.count("redirected")
        stack.ip.outdate()
        if self.deadline is None:
            self.deadline = stack.now + LIFETIME
            stack.arm(self)

    def failed(self, gateway: bytes) -> None:
        """It does not answer: back to the usual way."""
        dead = [dst for dst, detour in self._detours.items() if detour.gateway == gateway]
        for dst in dead:
            del self._detours[dst]
        if dead:
            self.stack.ip.outdate()

    def expire(self, now: float) -> None:
        for dst in [dst for dst, detour in self._detours.items() if detour.until <= now]:
            del self._detours[dst]
        self.deadline = min((detour.until for detour in self._detours.values()), default=None)
        self.stack.ip.outdate()

    def clear(self) -> None:
        """Addresses, links or routes have changed."""
        self._detours.clear()
        self.deadline = None
