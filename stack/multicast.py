"""Which groups an interface hears, and from whom: what all who listen there want, taken together.

Each holder (a socket, a netif's `join`) has one filter for a group; the interface's own is derived from them. Who must
be told that it has changed (a driver's filter, routers by IGMP) is the interface's knowledge. RFC 3376 2 and 3.
"""

from __future__ import annotations

from errno import ENOBUFS
from typing import TYPE_CHECKING, NamedTuple

from netif.errors import InvalidParams
from netif.wire.ip import format_address
from stack.failure import failure

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from stack.interface import Interface


class Filter(NamedTuple):
    """Hear all but `sources`, or (`include`) none but them."""

    include: bool
    sources: frozenset[bytes] = frozenset()

    def admits(self, source: bytes) -> bool:
        return (source in self.sources) == self.include


NOBODY = Filter(True)  # no reception at all
EVERYBODY = Filter(False)


def is_multicast(address: bytes) -> bool:
    """224/4, and nothing that is no IPv4 address."""
    return len(address) == 4 and 224 <= address[0] < 240


def merged(filters: Collection[Filter]) -> Filter:
    """RFC 3376 3.2: whoever excludes outweighs all who include."""
    if EVERYBODY in filters:  # as nearly always, and soon found
        return EVERYBODY
    included: set[bytes] = set()
    excluded: set[bytes] | None = None
    for include, sources in filters:
        if include:
            included |= sources
        else:
            excluded = set(sources) if excluded is None else excluded & sources
    if excluded is None:
        return Filter(True, frozenset(included))
    return Filter(False, frozenset(excluded - included))


class Membership:
    """One group of one interface."""

    __slots__ = ("filter", "holders")

    def __init__(self) -> None:
        self.holders: dict[Hashable, Filter] = {}
        self.filter = NOBODY

    def __repr__(self) -> str:
        sources = " ".join(sorted(map(format_address, self.filter.sources)))
        return f"<Membership {'only' if self.filter.include else 'all but'} {{{sources}}} for {len(self.holders)}>"


class Groups(dict[bytes, Membership]):
    """Of one interface. What is in it is heard, though perhaps not from everybody."""

    def __init__(self, interface: Interface) -> None:
        super().__init__()
        self.interface = interface

    def admits(self, group: bytes, source: bytes) -> bool:
        """Somebody here wants what `source` sends to `group`."""
        membership = self.get(group)
        return membership is not None and membership.filter.admits(source)

    def listen(self, holder: Hashable, group: bytes, wanted: Filter) -> None:
        """RFC 3376 2: from now on `holder` wants this of `group`; NOBODY: to hear of it no more.

        InvalidParams: not a group. OSError: ENOBUFS, as many as the interface may have (`limits.groups`).
        """
        membership = self.get(group)
        if membership is None:
            if wanted == NOBODY:
                return
            membership = self._room_for(group)
        old = membership.filter
        if wanted == NOBODY:
            membership.holders.pop(holder, None)
        else:
            membership.holders[holder] = wanted
        membership.filter = new = merged(membership.holders.values())
        if new == NOBODY:
            self.pop(group, None)
        if new != old:
            self.interface.regrouped(group, old, new)

    def join(self, group: bytes, sources: tuple[bytes, ...] = ()) -> None:
        """On the interface's own behalf, as often as `leave` follows; with `sources` from these alone."""
        wanted = Filter(True, frozenset(sources)) if sources else EVERYBODY
        self.listen(len(self._joined(group)), group, wanted)

    def leave(self, group: bytes) -> None:
        """Take back the last `join`; nothing where there was none."""
        joined = self._joined(group)
        if joined:
            self.listen(joined[-1], group, NOBODY)

    def abandon(self) -> None:
        """The interface is no more: nobody hears anything by it."""
        while self:
            group, membership = self.popitem()
            self.interface.regrouped(group, membership.filter, NOBODY)

    def _joined(self, group: bytes) -> list[int]:
        """What `join` holds, in its order."""
        membership = self.get(group)
        return [] if membership is None else sorted(each for each in membership.holders if isinstance(each, int))

    def _room_for(self, group: bytes) -> Membership:
        if not is_multicast(group):
            raise InvalidParams(f"group: {format_address(group)} is none; take one of 224.0.0.0/4, as in 239.1.2.3")
        stack = self.interface.stack
        if len(self) >= stack.limits.groups:
            stack.stats.count("groups_full")
            raise failure(ENOBUFS)
        membership = self[group] = Membership()
        return membership
