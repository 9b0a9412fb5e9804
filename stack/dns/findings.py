"""What one message says about one question, and nothing else of it: no record of another name is ever believed.

From the question's name the aliases are followed within the message; what stands beside that path is ignored, so there
is no bailiwick to be out of. RFC 1034 4.3.1 and 5.3.3; 2181 5; 2308 (negative answers); 6604 (whose the code is).
"""

from __future__ import annotations

import enum

import attrs

from netif.wire.dns import AA, CNAME, IN, NOERROR, NXDOMAIN, RA, SOA, Message, Name, Record, is_within


class Outcome(enum.Enum):
    FOUND = "found"
    ALIAS = "an alias of a name that is still to be asked for"
    NO_DATA = "the name has no record of that kind"
    NO_NAME = "there is no such name"
    AGAIN = "no server has answered, or could: another time, perhaps"
    UNASKED = "there is no server to ask"
    FAILED = "the servers refuse, or lead round in circles"


@attrs.frozen
class Finding:
    outcome: Outcome
    names: tuple[Name, ...]  # the name that was asked for, then each that it is an alias of
    records: tuple[Record, ...] = ()  # those of the last name
    ttl: float = 0.0  # seconds for which it holds; 0: for this once

    @property
    def canonical(self) -> Name:
        return self.names[-1]


def digest(message: Message, name: Name, kind: int, most_aliases: int) -> Finding | None:
    """What is said about `name`; None if nothing is: a referral, or an error."""
    if message.rcode not in (NOERROR, NXDOMAIN):
        return None
    owned: dict[tuple[Name, int], list[Record]] = {}
    for record in message.answers:
        if record.class_ == IN:
            owned.setdefault((record.name.lower(), record.kind), []).append(record)
    names, ttl = [name], 2.0**31
    while (records := owned.get((names[-1].lower(), kind))) is None:
        aliases = owned.get((names[-1].lower(), CNAME))
        if aliases is None:
            return _without_data(message, tuple(names), ttl)
        ttl = min(ttl, aliases[0].ttl)
        if len(names) > most_aliases:  # or in a circle
            return Finding(Outcome.FAILED, tuple(names))
        names.append(aliases[0].data)
    ttl = min(ttl, min(record.ttl for record in records))
    return Finding(Outcome.FOUND, tuple(names), tuple(records), ttl)


def _without_data(message: Message, names: tuple[Name, ...], ttl: float) -> Finding | None:
    holds = 0.0  # RFC 2308 5: without an SOA it is not kept
    for record in message.authority:
        if record.kind == SOA and record.class_ == IN and is_within(names[-1], record.name):
            holds = min(ttl, record.ttl, record.data.minimum)
            break
    else:
        if message.rcode == NOERROR:
            if len(names) > 1:
                return Finding(Outcome.ALIAS, names, ttl=ttl)
            if not message.flags & (AA | RA):
                return None  # a referral: its sender does not look further for us
    return Finding(Outcome.NO_NAME if message.rcode == NXDOMAIN else Outcome.NO_DATA, names, ttl=holds)
