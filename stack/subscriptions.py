"""What one socket hears of groups, and how it sends to them: its memberships, each by one interface.

Rules and errors are those of Linux' ip(7): a group that the socket did not join is heard all the same if another joined
it there, unless IP_MULTICAST_ALL is off. What an interface hears, and who is told, is `multicast`'s. RFC 3678 3, 4.
"""

from __future__ import annotations

from contextlib import suppress
from errno import EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV
from typing import TYPE_CHECKING, Any

import attrs

from netif.link import Buffer
from netif.value import Value
from netif.wire.ip import ANY, emit
from stack.failure import failure
from stack.multicast import NOBODY, Filter, is_multicast

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.mailbox import Mailbox
    from stack.routing import Route
    from stack.stack import Stack


@attrs.frozen(eq=False, repr=False)
class Place(Value):
    """Which interface: by its index, else by an address of ours there, else the one that leads to the group."""

    address: bytes = ANY
    index: int = 0


ANYWHERE = Place()


def interface_at(stack: Stack, place: Place) -> Interface | None:
    """By its index or an address of ours."""
    if place.index:
        return stack.links.get(place.index)
    return stack.ip.local.get(place.address) or (stack.loopback if stack.ip.is_local(place.address) else None)


class Subscription:
    """One membership."""

    __slots__ = ("address", "filters", "group", "include", "interface", "sources")

    def __init__(self, interface: Interface, group: bytes, address: bytes, include: bool) -> None:
        self.interface = interface
        self.group = group
        self.address = address  # by which it was joined
        self.include = include  # none but `sources`; else all but them
        self.sources: tuple[bytes, ...] = ()
        self.filters = False  # it had a source once, so that its mode is settled


class Subscriptions:
    """Of one socket; made when it first has to do with groups."""

    __slots__ = ("all", "interface", "kept", "loop", "owner", "source", "stack", "ttl", "waits_for")

    def __init__(self, owner: Mailbox[Any]) -> None:
        self.owner = owner
        self.stack: Stack = owner.stack
        self.ttl = 1  # RFC 1112 6.1
        self.loop = True  # what we send is for us too
        self.all = True  # hear what others here have joined
        self.interface: Interface | None = None  # by which to send; None: by the one that leads there
        self.source = ANY  # our address there, if it was chosen by that
        self.waits_for: Interface | None = None  # it was full when we sent last
        self.kept: list[Subscription] = []
        self.stack.ip.subscribers[self] = None

    # what is heard

    def admits(self, interface: Interface, group: bytes, source: bytes) -> bool:
        if not is_multicast(group):
            return True
        kept = self._kept(interface, group)
        return self.all if kept is None else kept.include == (source in kept.sources)

    def join(self, group: bytes, place: Place, *, include: bool = False) -> None:
        """Hear it from all, or with `include` from nobody yet. OSError: EINVAL, ENODEV, EADDRINUSE, ENOBUFS."""
        interface = self._interface(group, place)
        if self._kept(interface, group) is not None:
            raise failure(EADDRINUSE)
        if len(self.kept) >= self.stack.limits.memberships:
            self.stack.stats.count("memberships_full")
            raise failure(ENOBUFS)
        subscription = Subscription(interface, group, place.address, include)
        self._listen(subscription, ())
        self.kept.append(subscription)

    def leave(self, group: bytes, place: Place) -> None:
        """OSError: ENODEV, EADDRNOTAVAIL. What was joined by an interface that is gone is left by its index."""
        interface = self._find(group, place)
        if interface is None and place == ANYWHERE:
            raise failure(ENODEV)
        for each in self.kept:
            if each.group == group and (
                each.interface is interface
                or each.interface.index == place.index
                or (interface is None and not place.index and each.address == place.address)
            ):
                self.kept.remove(each)
                each.interface.groups.listen(self.owner, group, NOBODY)
                return
        raise failure(EADDRNOTAVAIL)

    def join_source(self, group: bytes, source: bytes, place: Place) -> None:
        """Hear this one too, and none that was not joined. OSError: as `join`, and as `filter_source`."""
        if self._kept(self._interface(group, place), group) is None:
            self.join(group, place, include=True)
        self.filter_source(group, source, place, include=True, add=True)

    def filter_source(self, group: bytes, source: bytes, place: Place, *, include: bool, add: bool) -> None:
        """Add a source to those that are included or excluded, or take it from them.

        OSError: EINVAL, not joined or in the other mode; EADDRNOTAVAIL, there already or not there; ENODEV, ENOBUFS.
        """
        kept = self._kept(self._interface(group, place), group)
        if kept is None or (kept.filters and kept.include != include):
            raise failure(EINVAL)
        if kept.include != include:
            kept.include = include
            self._listen(kept, ())
        if add and len(kept.sources) >= self.stack.limits.membership_sources:
            self.stack.stats.count("memberships_full")
            raise failure(ENOBUFS)
        if (source in kept.sources) == add:
            raise failure(EADDRNOTAVAIL)
        if include and not add and len(kept.sources) == 1:
            self.leave(group, place)
        else:
            self._listen(kept, (*kept.sources, source) if add else tuple(n for n in kept.sources if n != source))
            kept.filters = True

    def close(self) -> None:
        """RFC 3376 2: memberships end with the socket."""
        self.stack.ip.subscribers.pop(self, None)
        while self.kept:
            each = self.kept.pop()
            each.interface.groups.listen(self.owner, each.group, NOBODY)

    def returned(self, interface: Interface) -> None:
        """One of this name starts anew: go on there, where Linux would leave the socket deaf without a word."""
        if self.interface is not None and self.interface.name == interface.name:
            self.interface = interface
        for each in self.kept:
            if each.interface.name == interface.name:
                each.interface = interface
                with suppress(OSError):  # others were there first, and it is full: deaf after all, and counted
                    self._listen(each, each.sources)

    def _listen(self, each: Subscription, sources: tuple[bytes, ...]) -> None:
        each.interface.groups.listen(self.owner, each.group, Filter(each.include, frozenset(sources)))
        each.sources = sources

    def _kept(self, interface: Interface, group: bytes) -> Subscription | None:
        return next((each for each in self.kept if each.group == group and each.interface is interface), None)

    def _interface(self, group: bytes, place: Place) -> Interface:
        if not is_multicast(group):
            raise failure(EINVAL)
        interface = self._find(group, place)
        if interface is None:
            raise failure(ENODEV)
        return interface

    def _find(self, group: bytes, place: Place) -> Interface | None:
        if place != ANYWHERE:
            return interface_at(self.stack, place)
        try:
            return self.stack.ip.route(group).interface
        except OSError:
            return None

    # what is sent

    def send_by(self, place: Place) -> None:
        """IP_MULTICAST_IF; ANYWHERE: by whichever leads there. OSError: EADDRNOTAVAIL, EINVAL."""
        interface = None
        if place != ANYWHERE:
            interface = interface_at(self.stack, place)
            if interface is None:
                raise failure(EADDRNOTAVAIL)
            if self.owner.interface not in (None, interface):
                raise failure(EINVAL)
        self.interface = interface
        self.source = place.address

    def route(self, group: bytes, src: bytes | None) -> Route:
        """The way to a group, from `src` where the socket is bound. OSError: no route."""
        by = self.owner.interface or self.interface
        if src is None and self.source != ANY and by is not None and not by.is_loopback:
            src = self.source
        route = self.stack.ip.route(group, src, by)
        route.owner = self.owner
        return route

    def has_room(self, interface: Interface) -> bool:
        """The driver takes more; if not, the socket is told when it does."""
        if interface.blocked:
            self.waits_for = interface
            interface.waiting[self.owner] = None
            return False
        self.waits_for = None
        return True

    def blocked(self) -> bool:
        return self.waits_for is not None and not self.has_room(self.waits_for)

    def send(self, route: Route, protocol: int, body: tuple[Buffer, ...], length: int, df: bool) -> None:
        """One packet for the link, and one for ourselves if it is heard here."""
        ip, owner = self.stack.ip, self.owner
        if self._goes_out(route):
            ip.send_apart(route, protocol, body, length, ttl=self.ttl, tos=owner.tos, df=df, options=owner.options)
        if self._comes_back(route):
            header = emit(
                route.src, route.dst, protocol, length, ident=0, ttl=self.ttl, tos=owner.tos, options=owner.options
            )
            ip.looped.arrived(route.interface, b"".join((header, *body)))

    def send_made(self, route: Route, packet: bytes) -> None:
        """The same, of a packet whose header is the application's."""
        if self._goes_out(route):
            self.stack.ip.send_packets(route, [(packet,)])
        if self._comes_back(route):
            self.stack.ip.looped.arrived(route.interface, packet)

    def _goes_out(self, route: Route) -> bool:
        """RFC 1112 6.1: a TTL of 0 is for nobody but ourselves."""
        if route.interface.is_loopback:
            return route.dst in route.interface.groups
        return self.ttl > 0

    def _comes_back(self, route: Route) -> bool:
        interface = route.interface
        return self.loop and not interface.is_loopback and interface.groups.admits(route.dst, route.src)
