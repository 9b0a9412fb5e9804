"""UDP headers beside scapy's; the checksum field's two zeros."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from netif.wire import Malformed, ip, udp
from netif.wire.checksum import pseudo_header, verify

PORTS = st.integers(0, 0xFFFF)
PAYLOADS = st.binary(max_size=200)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), PORTS, PORTS, PAYLOADS)
def test_header_over_ipv4_is_scapys_both_ways(src, dst, sport, dport, payload):
    packet = IP(src=ip.format_address(src), dst=ip.format_address(dst)) / UDP(sport=sport, dport=dport) / Raw(payload)
    theirs = bytes(packet)[20:]
    assert udp.emit(src, dst, sport, dport, payload) + payload == theirs
    length, field = 8 + len(payload), int.from_bytes(theirs[6:8], "big")
    frame = b"\xee" * 34 + theirs + b"padding"
    assert udp.parse(frame, 34, len(frame)) == (sport, dport, length, field)
    assert verify(frame, 34, 34 + length, pseudo_header(src, dst, ip.UDP, length))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), PORTS, PORTS, PAYLOADS)
def test_header_over_ipv6_is_scapys(src, dst, sport, dport, payload):
    packet = IPv6(src=ip.format_address(src), dst=ip.format_address(dst)) / UDP(sport=sport, dport=dport) / Raw(payload)
    assert udp.emit(src, dst, sport, dport, payload) + payload == bytes(packet)[40:]


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ones():
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    without = int.from_bytes(udp.emit(src, dst, 1000, 2000, b"\0\0")[6:8], "big")
    header = udp.emit(src, dst, 1000, 2000, without.to_bytes(2, "big"))  # adds just what was missing to 0xffff
    assert header[6:8] == b"\xff\xff"
    assert (
        header
        == bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1000, dport=2000) / Raw(without.to_bytes(2, "big")))[
            20:28
        ]
    )


def test_a_partial_checksum_is_the_pseudo_header_alone():
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    header = udp.emit(src, dst, 1, 2, memoryview(b"12345"), partial=True)
    assert int.from_bytes(header[6:8], "big") == pseudo_header(src, dst, ip.UDP, 13)


@pytest.mark.parametrize("length", range(8))
def test_a_short_header_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        udp.parse(bytes(UDP(sport=1, dport=2) / Raw(b"data")), 0, length)
    assert caught.value.reason == "udp_header_short"


@pytest.mark.parametrize("length", [0, 7, 13, 65535])
def test_a_length_under_eight_or_past_the_packet_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        udp.parse(bytes(UDP(len=length) / Raw(b"data")) + b"padding", 0, 12)
    assert caught.value.reason == "udp_length"


def test_a_length_short_of_the_packet_is_the_datagrams():
    assert udp.parse(bytes(UDP(sport=1, dport=2, len=10, chksum=0) / Raw(b"data")), 0, 12) == (1, 2, 10, 0)
