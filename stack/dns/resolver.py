"""The host's resolver: from a name as a person writes it to what was found, by way of `hosts`, the cache and servers.

A question bound to an interface that has servers of its own goes to those, by that interface; any other to the stack's.
Search as resolv.conf(5) has it: `ndots` decides whether a name is tried as it is first or last; whatever fails, rather
than is not there, ends the search, lest another name were taken for the one meant. RFC 1123 6.1.4.3; RFC 1034 5.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from netif.wire.dns import AAAA, A, Name, Record, parse_name
from stack.dns.cache import Cache, Key
from stack.dns.config import DnsConfig
from stack.dns.findings import Finding, Outcome
from stack.dns.hosts import known
from stack.dns.query import Query
from stack.endpoint import Endpoint

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack


class Scope(NamedTuple):
    """Whom to ask."""

    owner: str  # the name of the interface whose servers they are
    servers: tuple[bytes, ...]
    search: tuple[str, ...]
    interface: Interface | None  # by which they must be asked


class Resolver:
    def __init__(self, stack: Stack, config: DnsConfig) -> None:
        self.stack = stack
        self.config = config  # may be replaced at any time
        self.cache = Cache(stack.limits, stack.stats)
        self.queries: dict[Key, Query] = {}  # on their way
        self._plain: dict[bytes, None] = {}  # servers that do not know EDNS
        self._turn = 0

    def lookup(self, name: str, kind: int, *, interface: Interface | None = None, search: bool = True) -> Lookup:
        """Begin to look for `name`'s records of `kind`, at the next flush. ValueError: not a name."""
        asked = parse_name(name)
        scope = self.scope(interface)
        candidates = self._candidates(name, scope.search) if search else (asked,)
        lookup = Lookup(self, candidates, kind, scope)
        if kind in (A, AAAA) and (address := known(name, self.stack.hosts)) is not None:
            records = (Record(asked, kind, 0, address),) if kind == A else ()
            outcome = Outcome.FOUND if records else Outcome.NO_DATA
            lookup.answer = Finding(outcome, (asked,), records)
        else:
            self.stack.owe(lookup)
        return lookup

    def scope(self, interface: Interface | None = None) -> Scope:
        stack = self.stack
        owner, by, servers = stack.ip.default, None, stack.dns
        if interface is not None and interface.dns:
            owner = by = interface
            servers = interface.dns
        if len(servers) > stack.limits.dns_servers:
            stack.stats.count("dns_servers_full")
            servers = servers[: stack.limits.dns_servers]
        search = (owner.search if owner is not None else ()) or stack.search
        return Scope(owner.name if owner is not None else "", tuple(dict.fromkeys(servers)), search, by)

    def close(self) -> None:
        """Nobody is asked any more; whoever waits hears so."""
        for query in list(self.queries.values()):
            query.conclude(Finding(Outcome.AGAIN, (query.name,)))

    def _candidates(self, name: str, search: tuple[str, ...]) -> tuple[Name, ...]:
        as_it_is = parse_name(name)
        if name.endswith("."):
            return (as_it_is,)
        if len(search) > self.stack.limits.dns_search:
            self.stack.stats.count("dns_search_full")
            search = search[: self.stack.limits.dns_search]
        names = []
        for domain in search:
            try:
                names.append(parse_name(f"{name}.{domain}"))
            except ValueError:
                continue  # too long together
        plain_first = name.count(".") >= self.config.ndots
        return tuple(dict.fromkeys([as_it_is, *names] if plain_first else [*names, as_it_is]))

    # what a lookup uses

    def cached(self, key: Key) -> Finding | None:
        return self.cache.get(key, self.stack.now)

    def ask(self, key: Key, name: Name, scope: Scope) -> Query | None:
        """The query on its way, or a new one; None: there are too many."""
        query = self.queries.get(key)
        if query is None:
            if len(self.queries) >= self.stack.limits.dns_queries:
                self.stack.stats.count("dns_queries_full")
                return None
            query = self.queries[key] = Query(self, key, name, self._in_turn(scope.servers), scope.interface)
        return query

    def _in_turn(self, servers: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if not self.config.rotate:
            return servers
        first = self._turn % len(servers)
        self._turn += 1
        return servers[first:] + servers[:first]

    # what a query tells

    def concluded(self, query: Query, finding: Finding, size: int) -> None:
        self.queries.pop(query.key, None)
        most = self.config.ttl_max
        if finding.outcome in (Outcome.NO_DATA, Outcome.NO_NAME):
            most = self.config.negative_ttl_max
        if (ttl := min(finding.ttl, most)) > 0:
            self.cache.put(query.key, attrs.evolve(finding, ttl=ttl), size, self.stack.now)

    def edns_for(self, server: bytes) -> int | None:
        return self.config.edns or None if server not in self._plain else None

    def without_edns(self, server: bytes) -> None:
        while len(self._plain) >= self.stack.limits.dns_servers:
            del self._plain[next(iter(self._plain))]
        self._plain[server] = None


class Lookup(Endpoint):
    """One caller's: the names that his may stand for, one after the other, and whatever they are aliases of."""

    __slots__ = ("_candidates", "_followed", "_query", "_resolver", "_scope", "_without", "answer", "kind")

    def __init__(self, resolver: Resolver, candidates: tuple[Name, ...], kind: int, scope: Scope) -> None:
        super().__init__(resolver.stack)
        self._resolver = resolver
        self._candidates = list(candidates)
        self.kind = kind
        self._scope = scope
        self._query: Query | None = None
        self._followed: tuple[Name, ...] = (self._candidates.pop(0),)
        self._without: Finding | None = None  # the name is there, but no such record
        self.answer: Finding | None = None  # once it is set, that was all

    def readable(self) -> bool:
        return self.answer is not None

    def writable(self) -> bool:
        return True

    def flush(self, now: float) -> None:
        while self.answer is None:
            finding = self._finding()
            if finding is None:
                return
            self._weigh(finding)
        super().flush(now)

    def close(self) -> None:
        """The caller waits no longer."""
        if self._query is not None:
            self._query.leave(self)
            self._query = None

    def _finding(self) -> Finding | None:
        """About the name in hand; None: wait for the query."""
        query, name = self._query, self._followed[-1]
        if query is not None:
            if query.finding is not None:
                self._query = None
            return query.finding
        if not self._scope.servers:
            return Finding(Outcome.UNASKED, (name,))
        key = self._scope.owner, self._scope.servers, name.lower(), self.kind
        found = self._resolver.cached(key)
        if found is None:
            self._query = query = self._resolver.ask(key, name, self._scope)
            if query is None:
                return Finding(Outcome.AGAIN, (name,))
            query.lookups[self] = None
        return found

    def _weigh(self, finding: Finding) -> None:
        names = self._followed + finding.names[1:]
        if finding.outcome is Outcome.ALIAS:
            self._follow(names)
        elif finding.outcome not in (Outcome.NO_DATA, Outcome.NO_NAME):
            self.answer = attrs.evolve(finding, names=names)
        else:
            if finding.outcome is Outcome.NO_DATA and self._without is None:
                self._without = attrs.evolve(finding, names=names)
            if self._candidates:
                self._followed = (self._candidates.pop(0),)
            else:
                self.answer = self._without or attrs.evolve(finding, names=names)

    def _follow(self, names: tuple[Name, ...]) -> None:
        """To the last of them, unless that was too far, or round and round."""
        if len(names) > self.stack.limits.dns_aliases + 1:
            self.stack.stats.count("dns_aliases_full")
            self.answer = Finding(Outcome.FAILED, names)
        else:
            self._followed = names
