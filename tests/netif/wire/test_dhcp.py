"""DHCP messages and options beside scapy's; options in pieces, in other fields, and such as cannot be."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from netif.wire import Malformed, dhcp
from netif.wire import dhcp_options as options
from netif.wire.dhcp import BOOTREPLY, BOOTREQUEST, Message, MessageType, emit, parse

MAC = bytes.fromhex("020000000001")
ADDRESSES = st.binary(min_size=4, max_size=4)
CODES = st.sampled_from([code for code in range(1, 255) if code not in (options.OVERLOAD, options.MESSAGE_TYPE)])
LABELS = st.text("abcXYZ019-_", min_size=1, max_size=20)
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


def read(data: bytes) -> Message:
    return parse(b"\xee" * 5 + data + b"\xee" * 3, 5, 5 + len(data))


def ack(**fields) -> Message:
    return Message(op=BOOTREPLY, kind=MessageType.ACK, xid=0x12345678, chaddr=MAC, **fields)


def dotted(address: bytes) -> str:
    return ".".join(map(str, address))


def reason_of(call, *arguments) -> str:
    with pytest.raises(Malformed) as caught:
        call(*arguments)
    return caught.value.reason


# the message


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFF), st.booleans(), ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES)
def test_a_message_is_scapys_both_ways(xid, secs, broadcast, ciaddr, yiaddr, siaddr, giaddr):
    theirs = BOOTP(
        op=2,
        xid=xid,
        secs=secs,
        flags=0x8000 if broadcast else 0,
        ciaddr=dotted(ciaddr),
        yiaddr=dotted(yiaddr),
        siaddr=dotted(siaddr),
        giaddr=dotted(giaddr),
        chaddr=MAC + bytes(10),
        sname=b"server",
        file=b"pxelinux.0",
    ) / DHCP(options=[("message-type", "ack"), ("lease_time", 600), ("router", "10.0.0.1"), "end"])
    wire = bytes(theirs).ljust(dhcp.LEAST, b"\0")
    ours = Message(
        op=BOOTREPLY,
        kind=MessageType.ACK,
        xid=xid,
        chaddr=MAC,
        secs=secs,
        broadcast=broadcast,
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=giaddr,
        sname=b"server",
        file=b"pxelinux.0",
        options={51: options.emit_seconds(600), 3: b"\x0a\0\0\1"},
    )
    assert emit(ours) == wire
    assert read(wire) == ours


@pytest.mark.parametrize("kind", MessageType)
def test_the_types_are_scapys(kind):
    message = Message(op=BOOTREQUEST, kind=kind, xid=1, chaddr=MAC)
    assert BOOTP(emit(message))[DHCP].options[0] == ("message-type", kind)
    assert read(emit(message)).kind is kind


def test_a_message_fills_a_bootp_message():
    """RFC 1542 2.1"""
    assert len(emit(ack())) == 300


@given(st.dictionaries(CODES, st.binary(max_size=700), max_size=8))
def test_options_of_any_length_come_back(given_options):
    """RFC 3396: those longer than 255 bytes in pieces."""
    assert read(emit(ack(options=given_options))) == ack(options=given_options)


def test_pieces_are_joined_wherever_they_stand():
    """RFC 3396 5: the options field, then file, then sname."""
    data = bytearray(emit(ack()))[:240]
    data += bytes((53, 1, 5, 12, 1)) + b"a" + bytes((52, 1, 3, 12, 1)) + b"b" + bytes((255,))
    data[108:112] = bytes((0, 12, 1)) + b"c"
    data[44:48] = bytes((12, 1)) + b"d" + bytes((255,))
    message = read(bytes(data))
    assert message.options == {12: b"abcd"}
    assert (message.file, message.sname) == (b"", b"")


def test_what_does_not_fit_goes_into_file_and_sname():
    """RFC 2132 9.3"""
    wanted = {43: bytes(290), 119: bytes(120), 15: bytes(60)}
    data = emit(ack(options=wanted), limit=dhcp.LEAST_ACCEPTED)
    assert len(data) <= dhcp.LEAST_ACCEPTED
    assert read(data) == ack(options=wanted)
    assert BOOTP(data)[DHCP].options[1] == ("dhcp-option-overload", 3)


def test_fields_that_hold_something_are_not_overloaded_and_the_last_options_are_left_out():
    wanted = {43: bytes(290), 119: bytes(120), 6: bytes(4)}
    message = read(emit(ack(options=wanted, file=b"f", sname=b"s"), limit=dhcp.LEAST_ACCEPTED))
    assert message == ack(options={43: bytes(290), 6: bytes(4)}, file=b"f", sname=b"s")


def test_a_long_option_goes_on_in_the_next_field():
    """RFC 3396 7"""
    wanted = {43: bytes(range(256)) + bytes(200)}
    assert read(emit(ack(options=wanted), limit=dhcp.LEAST_ACCEPTED)) == ack(options=wanted)


@given(st.dictionaries(CODES, st.binary(max_size=400), max_size=20), st.integers(548, 1500))
def test_a_limit_is_kept_and_what_is_there_is_whole(given_options, limit):
    data = emit(ack(options=given_options), limit=limit)
    assert len(data) <= limit
    assert read(data).options.items() <= given_options.items()


def test_a_missing_end_is_no_fault():
    assert read(emit(ack())[:243]) == ack()


def cut_header() -> bytes:
    return emit(ack())[:240]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(239), "dhcp_short"),
        (cut_header()[:-1] + b"\0", "dhcp_cookie"),
        (b"\3" + cut_header()[1:], "dhcp_format"),
        (b"\2\6" + cut_header()[2:], "dhcp_format"),
        (b"\2\1\x10" + cut_header()[3:], "dhcp_format"),
        (cut_header() + b"\x35", "dhcp_option_length"),
        (cut_header() + b"\x35\1\5\x0c\x05abcd", "dhcp_option_length"),
        (cut_header() + b"\x35\1\5\x34\1\1", "dhcp_message_type"),  # see below
        (cut_header() + b"\x35\1\5\x34\1\4", "dhcp_overload"),
        (cut_header() + b"\x35\1\5\x34\2\0\1", "dhcp_overload"),
        (cut_header() + b"\xff", "dhcp_message_type"),
        (cut_header() + b"\x35\1\0", "dhcp_message_type"),
        (cut_header() + b"\x35\1\x09", "dhcp_message_type"),
        (cut_header() + b"\x35\2\5\5", "dhcp_message_type"),
    ],
)
def test_what_cannot_be_read(data: bytes, reason: str):
    if data.endswith(b"\x34\1\1"):  # a second type within file
        data = data[:108] + b"\x35\1\5" + data[111:]
    assert reason_of(read, data) == reason


# what options hold


@given(st.lists(st.tuples(ADDRESSES, st.integers(0, 32), ADDRESSES), min_size=1, max_size=40))
def test_classless_routes_come_back_without_host_bits(routes):
    read_back = options.parse_classless_routes(options.emit_classless_routes(tuple(routes)))
    for (network, length, router), (was, _, _) in zip(read_back, routes, strict=True):
        kept = int.from_bytes(was, "big") >> 32 - length << 32 - length
        assert int.from_bytes(network, "big") == kept
        assert len(router) == 4


def test_classless_routes_are_scapys():
    theirs = bytes(DHCP(options=[("classless_static_routes", ["10.1.0.0/17:10.0.0.2", "0.0.0.0/0:10.0.0.1"]), "end"]))
    routes = options.parse_classless_routes(theirs[2:-1])
    assert routes == ((b"\x0a\1\0\0", 17, b"\x0a\0\0\2"), (bytes(4), 0, b"\x0a\0\0\1"))
    assert options.emit_classless_routes(routes) == theirs[2:-1]


@pytest.mark.parametrize("value", [b"", b"\x21" + bytes(9), b"\x20\1\2\3\4\5\6\7", b"\0\1\2\3"])
def test_classless_routes_that_cannot_be(value):
    assert reason_of(options.parse_classless_routes, value) == "dhcp_option_value"


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_a_search_list_comes_back(names):
    value = options.emit_search(tuple(names))
    assert options.parse_search(value, 8) == tuple(names)
    assert len(value) <= sum(len(name) + 2 for name in names)


def test_the_search_list_of_the_rfc():
    """RFC 3397 2: eng.apple.com. and marketing.apple.com."""
    value = b"\3eng\5apple\3com\0\x09marketing\xc0\4"
    assert options.parse_search(value, 2) == ("eng.apple.com", "marketing.apple.com")
    assert options.emit_search(("eng.apple.com", "marketing.apple.com.")) == value


@pytest.mark.parametrize(
    "value",
    [
        b"\xc0\0",  # itself
        b"\1a\xc0\0",  # its own beginning
        b"\1a\0\1b\xc0\3",
        b"\1a\xc0\4\1b\0",  # forward
        b"\3ab",  # past the end
        b"\1a",  # no end
        b"\1a\xc0",
        b"\x40" + bytes(70),
        b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\0",
        b"\1 \0",
        b"\1\n\0",
        b"\1a\0\1b\0\1c\0\1d\0",  # one too many
    ],
)
def test_a_search_list_that_cannot_be(value):
    assert reason_of(options.parse_search, value, 3) == "dhcp_name"


@given(st.binary(max_size=120))
def test_any_bytes_are_names_or_malformed(value):
    for read_value in (lambda: options.parse_search(value, 9), lambda: options.parse_domain(value)):
        try:
            found = read_value()
        except Malformed:
            continue
        assert all(len(name) <= 253 for name in ([found] if isinstance(found, str) else found))


def test_seconds_may_be_for_ever():
    """RFC 2131 3.3"""
    assert options.parse_seconds(b"\xff" * 4) == inf
    assert options.emit_seconds(inf) == b"\xff" * 4
    assert options.parse_seconds(options.emit_seconds(7200.9)) == 7200


@pytest.mark.parametrize("value", [b"", b"\0\0\0", b"\xff", b"a\nb", b"\x1b[2J"])
def test_text_that_cannot_be(value):
    assert reason_of(options.parse_text, value) == "dhcp_option_value"


def test_text_may_end_in_zeros_and_a_domain_in_a_dot():
    assert options.parse_text(b"http://portal/\0") == "http://portal/"
    assert options.parse_domain(b"example.org.\0") == "example.org"
    assert reason_of(options.parse_domain, b"two names") == "dhcp_name"
    assert reason_of(options.parse_domain, b"a" * 64) == "dhcp_name"


@pytest.mark.parametrize(
    ("read_value", "value"),
    [
        (options.parse_address, b"\1\2\3"),
        (options.parse_addresses, b""),
        (options.parse_addresses, b"\1\2\3\4\5"),
        (options.parse_u16, b"\1"),
        (options.parse_seconds, b"\1\2\3"),
        (options.parse_static_routes, b"\1\2\3\4"),
        (options.parse_static_routes, b""),
    ],
)
def test_values_of_the_wrong_length(read_value, value):
    assert reason_of(read_value, value) == "dhcp_option_value"


def test_a_client_identifier_is_an_iaid_and_a_duid():
    """RFC 4361 6.1"""
    assert options.client_id(MAC) == bytes.fromhex("ff 00000001 0003 0001 020000000001")
    assert options.plain_client_id(MAC) == b"\1" + MAC
