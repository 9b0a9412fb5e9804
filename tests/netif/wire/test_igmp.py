"""IGMP messages beside scapy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.igmp import IGMP, IGMPv3_MQ, IGMPv3_MR, IGMPv3_MR_Group

from netif.wire import Malformed, igmp, ip
from netif.wire.igmp import Query, Record

ADDRESSES = st.binary(min_size=4, max_size=4)
GROUPS = st.binary(min_size=3, max_size=3).map(lambda low: b"\xe9" + low)
SOURCES = st.lists(ADDRESSES, max_size=20).map(tuple)
RECORDS = st.lists(st.builds(Record, st.integers(1, 6), GROUPS, SOURCES), max_size=10)


def text(address: bytes) -> str:
    return ip.format_address(address)


def malformed(message: bytes, *, end: int | None = None) -> str:
    """The reason for which nothing can be made of it."""
    with pytest.raises(Malformed) as caught:
        read(message, len(message) if end is None else end)
    return caught.value.reason


def read(message: bytes, end: int) -> None:
    kind, _ = igmp.parse(message, 0, end)
    if kind == igmp.QUERY:
        igmp.parse_query(message, 0, end)
    else:
        list(igmp.parse_records(message, 0, end))


@given(st.sampled_from([igmp.V1_REPORT, igmp.V2_REPORT, igmp.LEAVE]), GROUPS)
def test_reports_and_leaves_are_scapys_both_ways(kind, group):
    theirs = bytes(IGMP(type=kind, mrcode=0, gaddr=text(group)))
    assert igmp.emit(kind, group) == theirs
    assert igmp.parse(b"\xee" * 38 + theirs + b"padding", 38, 46) == (kind, group)


@given(st.integers(0, 255), st.one_of(GROUPS, st.just(igmp.ANY)))
def test_queries_of_the_older_versions_are_scapys_both_ways(code, group):
    theirs = bytes(IGMP(type=igmp.QUERY, mrcode=code, gaddr=text(group)))
    query = igmp.parse_query(theirs, 0, 8)
    assert (query.version, query.group, query.sources) == (2 if code else 1, group, ())  # RFC 3376 7.1
    assert query.max_resp == pytest.approx(code / 10)
    assert igmp.emit_query(query) == theirs


@given(st.integers(0, 255), GROUPS, SOURCES, st.integers(0, 7), st.integers(0, 255), st.booleans())
def test_queries_of_version_3_are_scapys_both_ways(code, group, sources, robustness, interval_code, suppress):
    mine = igmp.emit_query(
        Query(3, group, igmp.floating(code) / 10, sources, robustness, igmp.floating(interval_code), suppress)
    )
    asked = {"s": suppress, "qrv": robustness, "qqic": interval_code, "srcaddrs": list(map(text, sources))}
    assert mine == bytes(IGMPv3_MQ(mrcode=igmp.floating(code), gaddr=text(group), **asked))
    query = igmp.parse_query(b"\xee" * 38 + mine + b"padding", 38, 38 + len(mine))
    assert (query.version, query.group, query.sources) == (3, group, sources)
    assert (query.robustness, query.interval, query.suppress) == (robustness, igmp.floating(interval_code), suppress)
    assert round(query.max_resp * 10) == igmp.floating(code)


@given(RECORDS)
def test_reports_of_version_3_are_scapys_both_ways(records):
    groups = [
        IGMPv3_MR_Group(rtype=kind, maddr=text(group), srcaddrs=list(map(text, sources)))
        for kind, group, sources in records
    ]
    theirs = bytes(IGMPv3_MR(records=groups))
    assert igmp.emit_report(records) == theirs
    assert list(igmp.parse_records(b"\xee" * 38 + theirs + b"padding", 38, 38 + len(theirs))) == records


def test_auxiliary_data_of_a_record_is_skipped():  # RFC 3376 4.2.6
    message = bytearray(igmp.emit_report([Record(igmp.IS_EX, b"\xe9\1\2\3"), Record(igmp.IS_IN, b"\xe9\1\2\4")]))
    message[9] = 2
    message[16:16] = b"12345678"
    assert [record.group for record in igmp.parse_records(message, 0, len(message))] == [b"\xe9\1\2\3", b"\xe9\1\2\4"]


@pytest.mark.parametrize(
    ("code", "value"), [(0, 0), (1, 1), (127, 127), (128, 128), (143, 248), (144, 256), (255, 31744)]
)
def test_a_code_from_128_on_is_floating(code, value):  # RFC 3376 4.1.1
    assert igmp.floating(code) == value
    assert igmp.floating_code(value) == code


@given(st.integers(0, 40000))
def test_no_code_says_more_than_was_meant(value):
    said = igmp.floating(igmp.floating_code(value))
    assert said <= value
    assert value > 31744 or value - said <= value // 16


@pytest.mark.parametrize("length", range(8))
def test_a_short_message_is_malformed(length):
    assert malformed(igmp.emit(igmp.LEAVE, b"\xe9\1\2\3"), end=length) == "igmp_short"


@pytest.mark.parametrize("at", range(8))
def test_a_wrong_checksum_is_malformed(at):
    message = bytearray(igmp.emit(igmp.LEAVE, b"\xe9\1\2\3"))
    message[at] ^= 0x10
    assert malformed(bytes(message)) == "igmp_checksum"


@pytest.mark.parametrize("length", [9, 10, 11])
def test_a_query_of_a_length_between_the_versions_is_malformed(length):  # RFC 3376 7.1
    body = b"\x11\x0a\0\0\0\0\0\0" + bytes(length - 8)
    checksum = (-sum(int.from_bytes(body[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, length, 2))) % 65535
    assert malformed(body[:2] + checksum.to_bytes(2, "big") + body[4:]) == "igmp_query"


def with_checksum(message: bytes) -> bytes:
    from netif.wire.checksum import complete, partial_sum

    return message[:2] + complete(partial_sum(message[:2] + b"\0\0" + message[4:])).to_bytes(2, "big") + message[4:]


def test_a_query_or_a_report_that_says_more_than_it_holds_is_malformed():
    query = igmp.emit_query(Query(3, b"\xe9\1\2\3", 1.0, (b"\1\2\3\4",)))
    assert malformed(with_checksum(query[:10] + b"\0\2" + query[12:])) == "igmp_query"
    assert malformed(with_checksum(query[:4] + bytes(4) + query[8:])) == "igmp_query"  # sources of no group
    report = igmp.emit_report([Record(igmp.IS_IN, b"\xe9\1\2\3", (b"\1\2\3\4",))])
    assert malformed(with_checksum(report[:7] + b"\2" + report[8:])) == "igmp_record"
    assert malformed(with_checksum(report[:11] + b"\2" + report[12:])) == "igmp_record"
    assert malformed(with_checksum(report[:9] + b"\1" + report[10:])) == "igmp_record"


def test_what_follows_a_query_is_ignored():  # RFC 3376 4.1.10
    message = with_checksum(igmp.emit_query(Query(3, igmp.ANY, 10.0)) + b"some more")
    assert igmp.parse_query(message, 0, len(message)) == Query(3, igmp.ANY, 10.0)
