"""One question, and the servers it goes to: one after the other, again and again, until one answers or time is up.

A server that cannot, will not or is not there is not asked again. What is truncated is asked for by TCP; so is a server
in whose name too much nonsense comes, and one that changes the question's case. Who asks the same meanwhile waits for
the same (RFC 5452 5: else an impostor has many questions to guess). RFC 1035 7.3; 5452 9.1; 6891 7; 7766.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.wire import Malformed
from netif.wire.dns import BADVERS, FORMERR, NOTIMP, SERVFAIL, TC, Message, Name, parse
from stack.dns.asking import Asking, mix_case
from stack.dns.findings import Finding, Outcome, digest
from stack.endpoint import Endpoint

if TYPE_CHECKING:
    from stack.dns.cache import Key
    from stack.dns.resolver import Resolver
    from stack.interface import Interface

_WITHOUT_EDNS = (FORMERR, NOTIMP, BADVERS)


class Query(Endpoint):
    """Its own Waiter too: what its sockets wake is owed a flush."""

    __slots__ = (
        "_asked",
        "_interface",
        "_left",
        "_next_at",
        "_refused",
        "_resolver",
        "_servfail",
        "_times",
        "_until",
        "finding",
        "key",
        "kind",
        "lookups",
        "name",
        "woken",
    )

    def __init__(
        self, resolver: Resolver, key: Key, name: Name, servers: tuple[bytes, ...], interface: Interface | None
    ) -> None:
        super().__init__(resolver.stack)
        self._resolver = resolver
        self.key = key
        self.name = name
        self.kind = key[3]
        self._interface = interface
        self.finding: Finding | None = None
        self.lookups: dict[Endpoint, None] = {}  # to be told
        self.woken = False
        config = resolver.config
        self._until = self.stack.now + config.timeout * config.attempts
        self._next_at = self.stack.now
        self._left = list(servers)  # the next one to be asked comes first
        self._times = dict.fromkeys(servers, 0)  # asked so far
        self._asked: dict[bytes, Asking] = {}
        self._refused = self._servfail = False
        self.stack.owe(self)

    def __repr__(self) -> str:
        from netif.wire.dns import format_name

        return f"<Query {format_name(self.name)} {self.kind} of {self.stack.name}>"

    def wake(self) -> None:
        self.stack.owe(self)

    def readable(self) -> bool:
        return self.finding is not None

    def writable(self) -> bool:
        return True

    def expire(self, now: float) -> None:
        self.stack.owe(self)

    def flush(self, now: float) -> None:
        for asking in list(self._asked.values()):
            if self.finding is None:
                self._hear(asking)
        if self.finding is None and now >= self._until:
            self.conclude(Finding(Outcome.AGAIN, (self.name,)))
        while self.finding is None and now >= self._next_at:
            self._ask_next(now)
        self.deadline = None if self.finding is not None else min(self._next_at, self._until)

    def leave(self, lookup: Endpoint) -> None:
        """It waits no longer; the last one to leave ends the query."""
        self.lookups.pop(lookup, None)
        if not self.lookups and self.finding is None:
            self.conclude(Finding(Outcome.AGAIN, (self.name,)))

    def conclude(self, finding: Finding, size: int = 0) -> None:
        self.finding = finding
        for asking in self._asked.values():
            asking.way.close()
        self._asked.clear()
        self.stack.timers.forget(self)
        self._resolver.concluded(self, finding, size)
        for lookup in self.lookups:
            self.stack.owe(lookup)

    # asking

    def _ask_next(self, now: float) -> None:
        if not self._left:
            self._give_up()
            return
        server = self._left.pop(0)
        self._left.append(server)
        self._next_at = now + self._resolver.config.first_wait * 2 ** min(self._times[server], 30)
        self._times[server] += 1
        asking = self._asked.get(server)
        if asking is None:
            self._ask(server, edns=self._resolver.edns_for(server))
        elif not asking.way.is_stream:
            self._send(asking)

    def _give_up(self) -> None:
        """All of them have failed us."""
        outcome = Outcome.AGAIN if self._servfail or not self._refused else Outcome.FAILED
        ttl = self._resolver.config.failure_ttl if self._servfail else 0.0
        self.conclude(Finding(outcome, (self.name,), ttl=ttl))

    def _ask(self, server: bytes, *, edns: int | None, by_tcp: bool = False) -> None:
        """Begin with this server, or begin anew in another way."""
        stack = self.stack
        if (before := self._asked.pop(server, None)) is not None:
            before.way.close()
        name = mix_case(self.name, stack.dice) if self._resolver.config.mix_case else self.name
        try:
            asking = Asking(stack, server, self._interface, self, name, self.kind, edns=edns, by_tcp=by_tcp)
        except OSError:
            self._failed(server)
            return
        self._asked[server] = asking
        self._send(asking)

    def _send(self, asking: Asking) -> None:
        try:
            asking.send()
        except OSError:
            self._failed(asking.server)
        else:
            self._hear(asking)

    def _failed(self, server: bytes) -> None:
        """Not this one, then; the next one at once."""
        asking = self._asked.pop(server, None)
        if asking is not None:
            asking.way.close()
        self._left.remove(server)
        self._next_at = self.stack.now

    # hearing

    def _hear(self, asking: Asking) -> None:
        while self._asked.get(asking.server) is asking:
            try:
                data = asking.way.receive()
            except OSError:
                self._failed(asking.server)
                return
            if data is None:
                return
            try:
                message = parse(data) if asking.is_worth_reading(data) else None
            except Malformed as malformed:
                self._strange(asking, malformed.reason)
                continue
            if message is not None and asking.fits(message):
                self._answered(asking, message, len(data))
            else:
                self._strange(asking, "dns_mismatch")

    def _strange(self, asking: Asking, reason: str) -> None:
        """Not the answer: wait for that, but not for ever in a place where anybody may speak (RFC 5452 9.2)."""
        self.stack.drop(reason, self)
        asking.strangers += 1
        if asking.way.is_stream:
            self._failed(asking.server)
        elif asking.strangers >= self.stack.limits.dns_strangers:
            self.stack.stats.count("dns_strangers_full")
            self._ask(asking.server, edns=asking.edns, by_tcp=True)

    def _answered(self, asking: Asking, message: Message, size: int) -> None:
        server, edns, is_stream = asking.server, asking.edns, asking.way.is_stream
        if message.rcode in _WITHOUT_EDNS and edns is not None:  # RFC 6891 7
            self._resolver.without_edns(server)
            self._ask(server, edns=None, by_tcp=is_stream)
        elif not is_stream and (message.flags & TC or self._is_recased(asking, message)):
            self._ask(server, edns=edns, by_tcp=True)
        elif (finding := digest(message, self.name, self.kind, self.stack.limits.dns_aliases)) is not None:
            if finding.outcome is Outcome.FAILED:
                self.stack.stats.count("dns_aliases_full")
            self.conclude(finding, size)
        else:
            self._servfail |= message.rcode == SERVFAIL
            self._refused |= message.rcode not in (0, SERVFAIL)
            self._failed(server)

    def _is_recased(self, asking: Asking, message: Message) -> bool:
        """An impostor's, or of a server that keeps no case: it will tell by TCP."""
        return self._resolver.config.mix_case and [asking.name] != [name for name, _, _ in message.questions]
