"""IGMP of a host: tell the routers and switches of one link which groups are wanted, unasked and when asked.

Version 3, or an older one while a querier of that version is about. What is wanted is `multicast`'s knowledge; here is
when it is said, how often, and to whom. RFC 3376 5 (changes, queries), 7.2 (older queriers), 9.1 (forged queries);
RFC 2236 3 (leaving, giving way to another's report).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import igmp as wire
from netif.wire import ip_options
from netif.wire.igmp import ALL_HOSTS, ALL_ROUTERS, ALL_V3_ROUTERS, ANY, ROUTER_ALERT, Query, Record
from netif.wire.ip import IGMP, emit
from stack.endpoint import Endpoint
from stack.multicast import NOBODY, Filter, is_multicast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stack.interface import Interface

ROBUSTNESS = 2  # RFC 3376 8.1: how often a change is told
QUERY_INTERVAL = 125.0  # seconds, 8.2
QUERY_RESPONSE_INTERVAL = 10.0  # seconds, 8.3
UNSOLICITED_REPORT_INTERVAL = {1: 10.0, 2: 10.0, 3: 1.0}  # seconds at most between repetitions: RFC 2236 8.10, 8.11
LEAST_RESPONSE_TIME = 0.1  # seconds: a query that leaves no time at all is not answered at once
_INTERNETWORK_CONTROL = 0xC0  # the TOS: RFC 3376 4
_HEADERS = 24 + 8  # bytes: IP with router alert, and a report's


class Change:
    """What is yet to be told of one group: of its mode so often, of each of these sources so often."""

    __slots__ = ("fresh", "mode", "sources")

    def __init__(self) -> None:
        self.fresh = True  # not told yet; else it waits to be repeated
        self.mode = 0
        self.sources: dict[bytes, int] = {}

    def told(self) -> bool:
        """One more time; True: often enough."""
        self.fresh = False
        self.mode = max(self.mode - 1, 0)
        self.sources = {source: times - 1 for source, times in self.sources.items() if times > 1}
        return not self.mode and not self.sources


class Response:
    """An answer that is due `at` a time; about these sources alone, if there are any."""

    __slots__ = ("at", "sources")

    def __init__(self, at: float, sources: Iterable[bytes]) -> None:
        self.at = at
        self.sources = dict.fromkeys(sources)


class Igmp(Endpoint):
    """Of one interface. Told by `changed` and `receive`; `flush` says what is due."""

    def __init__(self, interface: Interface) -> None:
        super().__init__(interface.stack)
        self.interface = interface
        self.relinked()

    def relinked(self) -> None:
        """Another link: nothing is known of its queriers, nothing is owed to them."""
        self.robustness = ROBUSTNESS
        self.query_interval = QUERY_INTERVAL
        self._older = {1: 0.0, 2: 0.0}  # until when a querier of that version counts as present
        self._speaking = 3
        self._changes: dict[bytes, Change] = {}
        self._repeat_at: float | None = None
        self._responses: dict[bytes, Response] = {}  # by group; ANY: about all of them
        self._spoken_for: dict[bytes, None] = {}  # groups that another host reported after us: RFC 2236 3
        self.stack.timers.forget(self)

    def _version(self) -> int:
        """RFC 3376 7.2.1: of the oldest querier that is present; what was to be said in another's is forgotten."""
        now = self.stack.now
        version = 1 if now < self._older[1] else 2 if now < self._older[2] else 3
        if version != self._speaking:
            self._speaking = version
            self._responses.clear()
            self._spoken_for.clear()  # those reports were for another querier
            self._changes = {group: change for group, change in self._changes.items() if change.fresh}
        return version

    # what happens

    def rejoin(self) -> None:
        """Tell of every group, as if it had been joined now."""
        for group, membership in self.interface.groups.items():
            self.changed(group, NOBODY, membership.filter)

    def changed(self, group: bytes, old: Filter, new: Filter) -> None:
        """RFC 3376 5.1: tell at once, and again a while later."""
        if group == ALL_HOSTS or not self.interface.is_up:
            return
        joined, left = old == NOBODY, new == NOBODY
        older = self._version() < 3
        if left:
            self._responses.pop(group, None)
        if older and joined == left:
            return  # RFC 3376 7.2.1: they know nothing of sources
        change = self._change(group)
        change.fresh = True
        if older or old.include != new.include:
            change.mode = 1 if older and left else self.robustness
            change.sources.clear()
        else:
            change.sources.update(dict.fromkeys(old.sources ^ new.sources, self.robustness))
            if len(change.sources) > self.stack.limits.group_changes:
                self.stack.stats.count("group_changes_full")
                change.mode = self.robustness  # says as much
                change.sources.clear()
        self.stack.owe(self)

    def _change(self, group: bytes) -> Change:
        change = self._changes.get(group)
        if change is None:
            while self._changes and len(self._changes) >= self.stack.limits.group_changes:
                self.stack.stats.count("group_changes_full")
                del self._changes[next(iter(self._changes))]
            change = self._changes[group] = Change()
        return change

    def queried(self, query: Query) -> None:
        """RFC 3376 5.2: answer, but not at once."""
        now = self.stack.now
        self._learn(query, now)
        version = self._version()
        groups = self.interface.groups
        longest = query.max_resp if version > 1 and query.version > 1 else QUERY_RESPONSE_INTERVAL
        longest = max(longest, LEAST_RESPONSE_TIME)
        if query.group != ANY and (query.group not in groups or query.group == ALL_HOSTS):
            return
        if version < 3:
            for group in tuple(groups) if query.group == ANY else (query.group,):
                if group != ALL_HOSTS:  # RFC 2236 3: each in its own time
                    self._respond(group, now + longest * self.stack.dice.random(), ())
        else:
            at = now + longest * self.stack.dice.random()
            general = self._responses.get(ANY)
            if general is None or general.at > at:
                self._respond(query.group, at, query.sources)
        self.stack.owe(self)

    def _learn(self, query: Query, now: float) -> None:
        if query.version == 3:  # RFC 3376 4.1.6, 4.1.7
            self.robustness = query.robustness or ROBUSTNESS
            self.query_interval = query.interval or QUERY_INTERVAL
        elif query.version == 1 or query.group == ANY:
            response = query.max_resp or QUERY_RESPONSE_INTERVAL
            self._older[query.version] = now + self.robustness * self.query_interval + response  # 8.12

    def _respond(self, group: bytes, at: float, sources: tuple[bytes, ...]) -> None:
        """Rules 2 to 5 of RFC 3376 5.2: one answer for all queries that wait for it."""
        pending = self._responses.get(group)
        if pending is None:
            pending = self._responses[group] = Response(at, sources)
        else:
            pending.at = min(pending.at, at)
            if sources and pending.sources:
                pending.sources.update(dict.fromkeys(sources))
            else:
                pending.sources.clear()
        if len(pending.sources) > self.stack.limits.group_query_sources:  # RFC 3376 9.1: not without end
            self.stack.stats.count("group_query_widened")
            pending.sources.clear()

    def reported(self, group: bytes) -> None:
        """RFC 2236 3: another has said what we were about to say."""
        if self._version() < 3 and group in self.interface.groups:
            self._responses.pop(group, None)
            self._changes.pop(group, None)
            self._spoken_for[group] = None

    def expire(self, now: float) -> None:
        self.stack.owe(self)

    def abort(self, error: OSError) -> None:
        self.relinked()

    # what is said

    def flush(self, now: float) -> None:
        self.deadline = None
        if not self.interface.is_up:
            return
        version = self._version()
        repeats = self._repeat_at is not None and self._repeat_at <= now
        if repeats:
            self._repeat_at = None
        due = [group for group, change in self._changes.items() if repeats or change.fresh]
        self._tell(version, due)
        if self._changes and self._repeat_at is None:
            self._repeat_at = now + UNSOLICITED_REPORT_INTERVAL[version] * (1 - self.stack.dice.random())
        answers = {group: self._responses.pop(group) for group in self._due(now)}
        self._answer(version, answers)
        when = [response.at for response in self._responses.values()]
        if self._repeat_at is not None:
            when.append(self._repeat_at)
        if when:
            self.deadline = min(when)

    def _due(self, now: float) -> list[bytes]:
        return [group for group, response in self._responses.items() if response.at <= now]

    def _tell(self, version: int, groups: list[bytes]) -> None:
        """State-change reports; in older versions reports and leaves."""
        records: list[Record] = []
        for group in groups:
            change = self._changes[group]
            if version == 3:
                records += self._change_records(group, change)
            elif group in self.interface.groups:
                self._report_alone(version, group)
            else:
                self._leave(version, group)
            if change.told():
                del self._changes[group]
        self._report(records)

    def _change_records(self, group: bytes, change: Change) -> Iterator[Record]:
        current = self._filter(group)
        if change.mode:
            yield Record(wire.TO_IN if current.include else wire.TO_EX, group, tuple(sorted(current.sources)))
            return
        allowed = tuple(sorted(source for source in change.sources if current.admits(source)))
        blocked = tuple(sorted(source for source in change.sources if not current.admits(source)))
        if allowed:
            yield Record(wire.ALLOW, group, allowed)
        if blocked:
            yield Record(wire.BLOCK, group, blocked)

    def _answer(self, version: int, answers: dict[bytes, Response]) -> None:
        """Current-state reports."""
        if version < 3:
            for group in answers:
                self._report_alone(version, group)
            return
        records: list[Record] = []
        for group, response in answers.items():
            if group == ANY:
                records += (self._state(each) for each in self.interface.groups if each != ALL_HOSTS)
            elif not response.sources:
                records.append(self._state(group))
            else:
                current = self._filter(group)
                wanted = tuple(sorted(source for source in response.sources if current.admits(source)))
                if wanted:
                    records.append(Record(wire.IS_IN, group, wanted))
        self._report(records)

    def _filter(self, group: bytes) -> Filter:
        membership = self.interface.groups.get(group)
        return NOBODY if membership is None else membership.filter

    def _state(self, group: bytes) -> Record:
        current = self._filter(group)
        return Record(wire.IS_IN if current.include else wire.IS_EX, group, tuple(sorted(current.sources)))

    def _report(self, records: list[Record]) -> None:
        """RFC 3376 4.2.16: in as many messages as the MTU asks for."""
        room = self.interface.mtu - _HEADERS
        packed: list[Record] = []
        used = 0
        for record in _fitting(records, (room - wire.RECORD_LENGTH) // 4):
            size = wire.RECORD_LENGTH + 4 * len(record.sources)
            if packed and used + size > room:
                self._send(ALL_V3_ROUTERS, wire.emit_report(packed))
                packed, used = [], 0
            packed.append(record)
            used += size
        if packed:
            self._send(ALL_V3_ROUTERS, wire.emit_report(packed))

    def _report_alone(self, version: int, group: bytes) -> None:
        self._spoken_for.pop(group, None)
        self._send(group, wire.emit(wire.V1_REPORT if version == 1 else wire.V2_REPORT, group))

    def _leave(self, version: int, group: bytes) -> None:
        """RFC 2236 3: who did not report last need not say so; version 1 has no word for it."""
        if group in self._spoken_for:
            del self._spoken_for[group]
        elif version == 2:
            self._send(ALL_ROUTERS, wire.emit(wire.LEAVE, group))

    def _send(self, dst: bytes, message: bytes) -> None:
        """From 0.0.0.0 while there is no address: RFC 3376 4.2.13."""
        interface = self.interface
        header = emit(
            interface.address or ANY,
            dst,
            IGMP,
            len(message),
            ident=0,
            ttl=1,
            tos=_INTERNETWORK_CONTROL,
            options=ROUTER_ALERT,
        )
        link = interface.neighbour(dst).link
        assert link is not None, "a group needs no resolution"
        interface.transmit((link + header + message,), None)


def _fitting(records: Iterable[Record], most: int) -> Iterator[Record]:
    """With at most so many sources each. RFC 3376 4.2.16: an exclusion is cut short, all else goes in several."""
    for record in records:
        kind, group, sources = record
        if len(sources) <= most or kind in (wire.IS_EX, wire.TO_EX):
            yield Record(kind, group, sources[:most])
        else:
            for at in range(0, len(sources), most):
                yield Record(kind, group, sources[at : at + most])


def receive(
    interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
) -> None:
    """A message to us or to a group that is heard here: what IP's protocol number stands for."""
    kind, group = wire.parse(frame, start, end)
    igmp = interface.igmp
    if igmp is None:
        interface.drop("igmp_type")
    elif kind == wire.QUERY:
        query = wire.parse_query(frame, start, end)
        if _is_of_this_link(interface, query, src, dst, frame, start):
            igmp.queried(query)
        else:
            interface.drop("igmp_misdirected")
    elif kind not in (wire.V1_REPORT, wire.V2_REPORT):
        interface.drop("igmp_type")
    elif group != dst:
        interface.drop("igmp_misdirected")
    else:
        igmp.reported(group)


def _is_of_this_link(interface: Interface, query: Query, src: bytes, dst: bytes, frame: Buffer, start: int) -> bool:
    """RFC 3376 9.1: no query without router alert, none about all groups that is sent to another.

    One that is sent to our own address (4.1.12) may come from anywhere, so that it must bear a neighbour's.
    """
    if not is_multicast(dst) and (query.version == 1 or not interface.on_link(src)):
        return False
    if query.group == ANY and is_multicast(dst) and dst != ALL_HOSTS:
        return False
    options = bytes(frame[interface.link_length + 20 : start])
    return query.version == 1 or any(option.kind == ip_options.ROUTER_ALERT for option in ip_options.walk(options))
