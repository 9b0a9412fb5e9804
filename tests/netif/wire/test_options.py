"""TCP options: scapy's both ways, tolerance for what is wrong but can be walked, refusal of what cannot."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import TCP

from netif.wire import Malformed, options
from netif.wire.options import Options, parse

NUMBERS = st.integers(0, 0xFFFFFFFF)
STAMPS = st.none() | st.tuples(NUMBERS, NUMBERS)


def read(data: bytes) -> Options:
    frame = b"\xee" * 54 + data + b"\xff" * 8  # what follows the header must not be read
    return parse(frame, 54, 54 + len(data))


def scapys_bytes(*names: object) -> bytes:
    return bytes(TCP(options=list(names)))[20:]


@given(st.none() | st.integers(0, 0xFFFF), st.none() | st.integers(0, 14), st.booleans(), STAMPS)
def test_a_syns_options_are_read_back_and_scapy_reads_the_same(mss, window_scale, sack_permitted, timestamp):
    data = options.emit_syn(mss=mss, window_scale=window_scale, sack_permitted=sack_permitted, timestamp=timestamp)
    assert len(data) % 4 == 0
    assert read(data) == Options(mss, window_scale, sack_permitted, timestamp)
    theirs = dict(TCP(bytes(TCP(dataofs=5 + len(data) // 4))[:20] + data).options)
    theirs.pop("NOP", None)
    expected = {"MSS": mss, "WScale": window_scale, "SAckOK": b"" if sack_permitted else None, "Timestamp": timestamp}
    assert theirs == {name: value for name, value in expected.items() if value is not None}


def test_a_syns_options_stand_in_linux_order():
    names = (("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 9))
    data = options.emit_syn(mss=1460, window_scale=9, sack_permitted=True, timestamp=(7, 0))
    assert data == scapys_bytes(*names)


@given(st.integers(0, 0xFFFF), st.integers(0, 255), NUMBERS, NUMBERS)
def test_the_usual_syn_says_the_same_wherever_its_options_stand(mss, scale, tsval, tsecr):
    usual = pack("!HHIIII", 0x0204, mss, 0x0402080A, tsval, tsecr, 0x01030300 + scale)
    assert read(usual) == read(b"\1\1\1\1" + usual) == Options(mss, min(scale, 14), True, (tsval, tsecr))


@given(st.integers(0, 19), st.integers(0, 255))
def test_twenty_bytes_of_options_are_the_usual_ones_only_if_every_byte_is(at, octet):
    usual = bytearray(options.emit_syn(mss=1460, window_scale=7, sack_permitted=True, timestamp=(1, 2)))
    usual[at] = octet
    try:
        expected: object = read(b"\1\1\1\1" + usual)
    except Malformed:
        with pytest.raises(Malformed):
            read(bytes(usual))
    else:
        assert read(bytes(usual)) == expected


@given(NUMBERS, NUMBERS)
def test_the_aligned_timestamp_is_scapys_both_ways(tsval, tsecr):
    data = options.emit_timestamp(tsval, tsecr)
    assert data == scapys_bytes(("NOP", None), ("NOP", None), ("Timestamp", (tsval, tsecr)))
    assert read(data) == Options(timestamp=(tsval, tsecr))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_options_are_read_from_any_buffer(kind):
    assert parse(kind(options.emit_timestamp(1, 2)), 0, 12).timestamp == (1, 2)
    assert parse(kind(options.emit_syn(mss=536)), 0, 4).mss == 536


def test_a_timestamp_elsewhere_among_twelve_bytes_is_found_too():
    data = scapys_bytes(("Timestamp", (1, 2)), ("NOP", None), ("NOP", None))
    assert len(data) == 12
    assert read(data).timestamp == (1, 2)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_sack_blocks_are_scapys_both_ways(blocks):
    data = options.emit_sack(tuple(blocks))
    assert data == scapys_bytes(("NOP", None), ("NOP", None), ("SAck", sum(blocks, ())))
    assert read(data) == Options(sack=tuple(blocks))


@given(
    st.builds(
        Options,
        st.none() | st.integers(0, 0xFFFF),
        st.none() | st.integers(0, 14),
        st.booleans(),
        STAMPS,
        st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2).map(tuple),
        fast_open=st.none() | st.sampled_from([b"", bytes(4), b"12345678", bytes(16)]),
        user_timeout=st.none() | st.integers(1, 0x7FFF) | st.integers(547, 0x7FFF).map(lambda minutes: 60 * minutes),
    )
)
def test_any_options_are_written_and_read_back(wanted):
    data = options.emit(wanted)
    assert len(data) % 4 == 0
    assert read(data) == wanted


def test_no_options_are_one_shared_value():
    assert read(b"") is options.NO_OPTIONS
    assert Options() == options.NO_OPTIONS


def test_the_end_of_the_list_ends_it():
    assert read(b"\0" + options.emit_syn(mss=1460) + b"\1\1\1") == Options()
    assert read(options.emit_syn(mss=1460) + b"\0\2\4") == Options(mss=1460)


def test_unknown_options_are_skipped():
    data = b"\xfe\4ab" + options.emit_syn(mss=1460) + b"\x1e\2" + options.emit_timestamp(1, 2)
    assert read(data) == Options(mss=1460, timestamp=(1, 2))


def test_of_an_option_given_twice_the_last_counts():
    assert read(options.emit_syn(mss=1460) + options.emit_syn(mss=536)).mss == 536


def test_a_window_scale_over_fourteen_is_taken_for_fourteen():  # RFC 7323 2.3
    assert read(b"\1\3\3\x0e").window_scale == 14
    assert read(b"\1\3\3\x0f").window_scale == 14
    assert read(b"\1\3\3\xff").window_scale == 14


RIGHT_LENGTHS = {
    options.MSS: {4},
    options.WINDOW_SCALE: {3},
    options.SACK_PERMITTED: {2},
    options.TIMESTAMP: {10},
    options.SACK: {10, 18, 26, 34},
}


@pytest.mark.parametrize("kind", RIGHT_LENGTHS)
@pytest.mark.parametrize("length", range(2, 36))
def test_a_known_option_of_wrong_length_is_skipped_and_the_next_is_read(kind, length):
    other = options.WINDOW_SCALE if kind != options.WINDOW_SCALE else options.MSS
    tail = b"\3\3\5" if other == options.WINDOW_SCALE else b"\2\4\0\5"
    found = read(bytes((kind, length)) + b"\1" * (length - 2) + tail)
    assert (found.window_scale if other == options.WINDOW_SCALE else found.mss) == 5
    without = found._replace(window_scale=None) if other == options.WINDOW_SCALE else found._replace(mss=None)
    assert (without != Options()) == (length in RIGHT_LENGTHS[kind])


def refused(data: bytes) -> bool:
    try:
        read(data)
    except Malformed as malformed:
        return malformed.reason == "tcp_option_length"
    return False


@pytest.mark.parametrize("length", [0, 1])
def test_a_length_under_two_cannot_be_walked(length):
    assert all(refused(bytes((kind, length, 1, 1))) for kind in range(2, 256))


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 8, 30, 253, 255])
def test_a_length_past_the_header_cannot_be_walked(kind):
    assert all(refused(bytes((kind, length)) + bytes(length - 3)) for length in range(3, 256))
    assert not any(refused(bytes((kind, length)) + bytes(length - 2)) for length in range(2, 256))


def test_a_missing_length_cannot_be_walked():
    assert all(refused(b"\1\1\1" + bytes((kind,))) for kind in range(2, 256))


@given(st.binary(max_size=40))
@example(b"\5\2\1\1")
@example(b"\5\x0a" + bytes(8) + b"\5")
def test_whatever_comes_gives_options_or_malformed(data):
    assert refused(data) or isinstance(read(data), Options)
