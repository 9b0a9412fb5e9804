"""Where an interface leads: static routes, its own and a lease's, and whether anything answers there.

An interface may have a `ReachabilityPolicy`, by default it has none. While nothing answers, another one is the default,
if there is any of which that is not known; the interface itself stays up, and what is bound to it stays bound.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeAlias

from netif.addresses import Addressed
from netif.config import Address, NetifConfig
from netif.errors import InvalidParams
from netif.events import Reachable, Unreachable
from netif.lifecycle import Cause, Held
from netif.wire import ip

if TYPE_CHECKING:
    from netif.netif import Netif
    from netif.reachability import ReachabilityPolicy

logger = logging.getLogger("netif.netif")  # a Netif speaks with one voice

Route: TypeAlias = tuple[IPv4Network, IPv4Address]


def _route(network: str | IPv4Network, gateway: Address) -> Route:
    try:
        return IPv4Network(network), IPv4Address(ip.parse_address(gateway))
    except ValueError as error:
        raise InvalidParams(
            f"route: {error}; write a network and its gateway, as in ('10.0.0.0/8', '192.168.5.254')"
        ) from None


class Routed(Addressed):
    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        super().__init__(netif, config)
        self._routes: tuple[Route, ...] = ()
        self._leased_routes: tuple[Route, ...] = ()
        self._policy: ReachabilityPolicy | None = None
        self._reachable = True

    @property
    def routes(self) -> tuple[Route, ...]:
        """Static ones as they hold: those that were set, then those of the lease."""
        return (*self._routes, *self._leased_routes)

    def set_routes(self, routes: Iterable[tuple[str | IPv4Network, Address]]) -> None:
        """Beside the subnet and the gateway, as in [("10.0.0.0/8", "192.168.5.254")]; gateway 0.0.0.0: on the link. In
        place of those set before; a lease's (DHCP option 121) are added. InvalidParams; NotSupported by a stack that
        has none."""
        made = tuple(_route(network, gateway) for network, gateway in routes)
        with Held(self.runtime):
            self._refuse_closed("set the routes of")
            self._routes = made
            self._tell_routes()

    def _tell_routes(self) -> None:
        if self.interface is not None:
            routes = [(net.network_address.packed, net.prefixlen, gateway.packed) for net, gateway in self.routes]
            self._verb("set_routes")(tuple(routes))

    def _lead(self, routes: tuple[Route, ...]) -> None:
        """What a lease says."""
        if routes != self._leased_routes:
            self._leased_routes = routes
            self._tell_routes()

    @property
    def reachable(self) -> bool:
        """False once what its policy asks has not answered; True without a policy."""
        return self._reachable

    @property
    def reachability(self) -> ReachabilityPolicy | None:
        return self._policy

    def watch_reachability(self, policy: ReachabilityPolicy | None) -> None:
        """Ask as the policy says, whenever the link is up, and give way while nothing answers; tells `Unreachable` and
        `Reachable`. None: no more. NotSupported by a stack that cannot ask."""
        with Held(self.runtime):
            self._refuse_closed("watch")
            self._policy = policy
            self._watch()

    def _watch(self) -> None:
        """From the beginning: it leads somewhere until the contrary is shown."""
        self._answered(True)
        if self.interface is not None and self.is_up:
            self._verb("watch")(self._policy, self._answered)

    def _answered(self, reachable: bool) -> None:
        if reachable is self._reachable:
            return
        self._reachable = reachable
        logger.warning("%s leads %s", self.if_key, "somewhere again" if reachable else "nowhere: nothing answers")
        self._publish((Reachable if reachable else Unreachable)(self._netif))
        self._choose(Cause.REACHABILITY)

    def _furnish(self) -> None:
        super()._furnish()
        if self.routes:
            self._tell_routes()
