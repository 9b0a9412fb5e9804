"""Ethernet II headers beside scapy's, and MAC addresses as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether

from netif.wire import Malformed, ethernet

MACS = st.binary(min_size=6, max_size=6)


@given(MACS, MACS, st.integers(0x600, 0xFFFF))
def test_header_is_scapys_both_ways(dst, src, ethertype):
    theirs = bytes(Ether(dst=dst.hex(":"), src=src.hex(":"), type=ethertype))
    assert ethernet.emit(dst, src, ethertype) == theirs
    assert ethernet.parse(theirs + b"payload") == (dst, src, ethertype)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_header_is_read_from_any_buffer_as_bytes(kind):
    dst, src, _ = ethernet.parse(kind(ethernet.emit(ethernet.BROADCAST, b"\2\0\0\0\0\1", ethernet.ARP)))
    assert (dst, src) == (b"\xff" * 6, b"\2\0\0\0\0\1")
    assert type(dst) is type(src) is bytes


@pytest.mark.parametrize("length", range(14))
def test_a_frame_that_ends_within_its_header_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        ethernet.parse(bytes(length))
    assert caught.value.reason == "ethernet_header_short"


@given(MACS)
def test_mac_is_written_and_read_back(mac):
    assert ethernet.parse_mac(ethernet.format_mac(mac)) == mac


@pytest.mark.parametrize("text", ["02:00:5e:00:00:AB", "02-00-5E-00-00-ab", "02005e0000ab", " 2:0:5e:0:0:ab "])
def test_mac_is_read_in_every_usual_spelling(text):
    assert ethernet.parse_mac(text) == bytes.fromhex("02005e0000ab")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:00",
        "02:00:00:00:00:00:01",
        "02:00:00:00:00:0g",
        "0200000000",
        "02:00:00:00:00:001",
        "+2:0:0:0:0:1",
        "2:0:0:0:0:",
        "²2:0:0:0:0:1",
    ],
)
def test_what_is_no_mac_is_refused_in_one_line_with_an_example(text):
    with pytest.raises(ValueError, match="write six bytes in hex") as caught:
        ethernet.parse_mac(text)
    assert "\n" not in str(caught.value)
