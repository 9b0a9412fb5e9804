"""IGMP, versions 1 to 3: queries, and the reports and leaves of hosts.

Times are seconds, groups and sources 4 bytes. Which version to speak, and when, is the stack's business.
RFC 1112 appendix I; RFC 2236 2; RFC 3376 4 and 7.1 (which version a query is of).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from netif.wire import Buffer, Malformed
from netif.wire.checksum import complete, partial_sum, verify
from netif.wire.ip import ANY as ANY

HEADER = Struct("!BBH4s")  # type, max resp code, checksum, group
_QUERY_REST = Struct("!BBH")  # resv and S and QRV, QQIC, number of sources
_REPORT = Struct("!BBHHH")  # type, reserved, checksum, reserved, number of records
_RECORD = Struct("!BBH4s")  # record type, aux data length in words, number of sources, group
HEADER_LENGTH = RECORD_LENGTH = 8
QUERY, V1_REPORT, V2_REPORT, LEAVE, V3_REPORT = 0x11, 0x12, 0x16, 0x17, 0x22
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = range(1, 7)  # RFC 3376 4.2.12: types of records
ALL_HOSTS, ALL_ROUTERS, ALL_V3_ROUTERS = b"\xe0\0\0\1", b"\xe0\0\0\2", b"\xe0\0\0\x16"
ROUTER_ALERT = b"\x94\4\0\0"  # RFC 2113; every message bears it
TENTH = 0.1  # seconds; what max resp code counts


class Query(NamedTuple):
    version: int
    group: bytes  # all zero: of all groups
    max_resp: float  # seconds; 0 in version 1
    sources: tuple[bytes, ...] = ()
    robustness: int = 0  # the querier's; 0: it does not say
    interval: float = 0.0  # seconds between its queries; 0: it does not say
    suppress: bool = False  # for routers alone


class Record(NamedTuple):
    """One group's in a report of version 3."""

    kind: int
    group: bytes
    sources: tuple[bytes, ...] = ()


def parse(frame: Buffer, start: int, end: int) -> tuple[int, bytes]:
    """(type, group); checks the checksum. The group of a report of version 3 means nothing."""
    if end - start < HEADER_LENGTH:
        raise Malformed("igmp_short")
    if not verify(frame, start, end):
        raise Malformed("igmp_checksum")
    kind, _, _, group = HEADER.unpack_from(frame, start)
    return kind, group


def parse_query(frame: Buffer, start: int, end: int) -> Query:
    """What `parse` has found to be a query. RFC 3376 7.1: the length tells the version; 4.1.10: more may follow."""
    length = end - start
    code = frame[start + 1]
    group = bytes(frame[start + 4 : start + 8])
    if length == HEADER_LENGTH:
        return Query(2 if code else 1, group, code * TENTH)
    if length < HEADER_LENGTH + _QUERY_REST.size:
        raise Malformed("igmp_query")
    flags, qqic, count = _QUERY_REST.unpack_from(frame, start + HEADER_LENGTH)
    at = start + HEADER_LENGTH + _QUERY_REST.size
    if at + 4 * count > end or (count and group == ANY):
        raise Malformed("igmp_query")
    sources = _addresses(frame, at, count)
    return Query(3, group, floating(code) * TENTH, sources, flags & 7, float(floating(qqic)), bool(flags & 8))


def parse_records(frame: Buffer, start: int, end: int) -> Iterator[Record]:
    """Of a report of version 3."""
    count = _REPORT.unpack_from(frame, start)[4]
    at = start + _REPORT.size
    for _ in range(count):
        if at + RECORD_LENGTH > end:
            raise Malformed("igmp_record")
        kind, aux_words, sources, group = _RECORD.unpack_from(frame, at)
        at += RECORD_LENGTH
        if at + 4 * (sources + aux_words) > end:
            raise Malformed("igmp_record")
        yield Record(kind, group, _addresses(frame, at, sources))
        at += 4 * (sources + aux_words)


def emit(kind: int, group: bytes, *, max_resp: float = 0.0) -> bytes:
    """A report of version 1 or 2, a leave, or a query of those versions."""
    return _closed(HEADER.pack(kind, round(max_resp / TENTH), 0, group))


def emit_query(query: Query) -> bytes:
    """Of any version. Times are rounded down to what the field can say."""
    if query.version < 3:
        return emit(QUERY, query.group, max_resp=query.max_resp)
    header = HEADER.pack(QUERY, floating_code(round(query.max_resp / TENTH)), 0, query.group)
    flags = query.robustness & 7 | query.suppress << 3
    rest = _QUERY_REST.pack(flags, floating_code(int(query.interval)), len(query.sources))
    return _closed(header + rest + b"".join(query.sources))


def emit_report(records: Iterable[Record]) -> bytes:
    """Of version 3."""
    packed = [_RECORD.pack(kind, 0, len(sources), group) + b"".join(sources) for kind, group, sources in records]
    return _closed(_REPORT.pack(V3_REPORT, 0, 0, 0, len(packed)) + b"".join(packed))


def floating(code: int) -> int:
    """RFC 3376 4.1.1 and 4.1.7: from 128 on a mantissa of 4 bits and an exponent of 3."""
    return code if code < 128 else (code & 15 | 16) << ((code >> 4 & 7) + 3)


def floating_code(value: int) -> int:
    """The largest code that says no more than `value`."""
    if value < 128:
        return value
    exponent = min(value.bit_length() - 8, 7)
    return 0x80 | exponent << 4 | (min(value >> exponent + 3, 31) & 15)


def _addresses(frame: Buffer, at: int, count: int) -> tuple[bytes, ...]:
    return tuple(bytes(frame[i : i + 4]) for i in range(at, at + 4 * count, 4))


def _closed(message: bytes) -> bytes:
    """With its checksum."""
    return message[:2] + complete(partial_sum(message)).to_bytes(2, "big") + message[4:]
