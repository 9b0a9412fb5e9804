"""ICMP messages beside scapy's, and the datagrams that errors quote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.packet import Raw

from netif.wire import Malformed, icmp, ip

WORDS = st.integers(0, 0xFFFF)


@given(st.sampled_from([icmp.ECHO, icmp.ECHO_REPLY]), WORDS, WORDS, st.binary(max_size=100))
def test_echo_is_scapys_both_ways(kind, ident, sequence, payload):
    theirs = bytes(ICMP(type=kind, id=ident, seq=sequence) / Raw(payload))
    assert icmp.emit(kind, 0, ident << 16 | sequence, payload) == theirs
    frame = b"\xee" * 34 + theirs + b"padding"
    assert icmp.parse(frame, 34, 34 + len(theirs)) == (kind, 0, ident << 16 | sequence, 42)


@given(st.integers(0, 15), WORDS, st.binary(min_size=28, max_size=60))
def test_unreachable_is_scapys_both_ways(code, mtu, quote):
    theirs = bytes(ICMP(type=icmp.UNREACHABLE, code=code, nexthopmtu=mtu) / Raw(quote))
    message = icmp.emit(icmp.UNREACHABLE, code, icmp.HEADER.unpack_from(theirs)[3], quote)
    assert message == theirs
    assert icmp.parse(message, 0, len(message))[:2] == (icmp.UNREACHABLE, code)


def test_an_echo_reply_of_zeros_has_a_checksum_of_ones():
    message = icmp.emit(icmp.ECHO_REPLY, 0, 0, bytes(8))
    assert message == bytes(ICMP(type=0, id=0, seq=0) / Raw(bytes(8)))
    assert message[2:4] == b"\xff\xff"
    assert icmp.parse(message, 0, 16) == (0, 0, 0, 8)


def test_a_payload_may_be_a_view():
    assert icmp.emit(8, 0, 1, memoryview(b"abc")) == icmp.emit(8, 0, 1, b"abc")


@pytest.mark.parametrize("length", range(8))
def test_a_short_message_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        icmp.parse(icmp.emit(8, 0, 0, b"data"), 0, length)
    assert caught.value.reason == "icmp_header_short"


@pytest.mark.parametrize("at", range(12))
def test_a_wrong_checksum_is_malformed(at):
    message = bytearray(icmp.emit(8, 0, 0x12345678, b"data"))
    message[at] ^= 0x10
    with pytest.raises(Malformed) as caught:
        icmp.parse(message, 0, len(message))
    assert caught.value.reason == "icmp_checksum"


@pytest.mark.parametrize("transport", [TCP(sport=1, dport=2, seq=77), UDP(sport=1, dport=2)])
@pytest.mark.parametrize("options", [[], [IPOption_RR(routers=["9.9.9.9"] * 2)]])
@pytest.mark.parametrize("kept", [8, 11, 20])
def test_the_quoted_datagram_is_read_though_it_is_cut_short(transport, options, kept):
    datagram = IP(src="1.2.3.4", dst="5.6.7.8", options=options) / transport / Raw(b"x" * 100)
    header_len = len(bytes(datagram)) - len(bytes(datagram.payload))
    message = icmp.emit(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, 0, bytes(datagram)[: header_len + kept])
    src, dst, protocol, l4 = icmp.parse_quote(message, 8, len(message))
    assert (src, dst) == (bytes((1, 2, 3, 4)), bytes((5, 6, 7, 8)))
    assert protocol == (ip.TCP if isinstance(transport, TCP) else ip.UDP)
    assert message[l4 : l4 + 4] == b"\0\1\0\2"
    assert type(src) is type(dst) is bytes


@pytest.mark.parametrize(
    "quote",
    [
        b"",
        bytes(IP() / Raw(b"1234567")),
        bytes(IP(version=6) / Raw(b"12345678")),
        bytes(IP(ihl=4) / Raw(b"12345678")),
        bytes(IP(ihl=0) / Raw(b"12345678")),
        bytes(IP(ihl=6) / Raw(b"12345678")),
        bytes(IP(ihl=15) / Raw(b"12345678")),
    ],
)
def test_a_quote_that_cannot_be_read_is_malformed(quote):
    with pytest.raises(Malformed) as caught:
        icmp.parse_quote(b"\xee" * 42 + quote + b"beyond the end", 42, 42 + len(quote))
    assert caught.value.reason == "icmp_quote"
