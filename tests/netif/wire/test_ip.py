"""IPv4 headers beside scapy's, every way to be malformed, and addresses as text."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, IPOption_RR, IPOption_Timestamp

from netif.wire import Malformed, ip

ADDRESSES = st.binary(min_size=4, max_size=4)
WORDS = st.integers(0, 0xFFFF)
BYTES = st.integers(0, 255)


def dotted(address: bytes) -> str:
    return ".".join(map(str, address))


@given(
    ADDRESSES, ADDRESSES, BYTES, st.integers(0, 1480), WORDS, BYTES, BYTES, st.integers(0, 7), st.integers(0, 0x1FFF)
)
def test_header_is_scapys_both_ways(src, dst, protocol, length, ident, ttl, tos, flags, fragment_offset):
    theirs = bytes(
        IP(
            src=dotted(src),
            dst=dotted(dst),
            proto=protocol,
            len=20 + length,
            id=ident,
            ttl=ttl,
            tos=tos,
            flags=flags,
            frag=fragment_offset,
        )
    )
    fragment = flags << 13 | fragment_offset
    assert ip.emit(src, dst, protocol, length, ident=ident, ttl=ttl, tos=tos, fragment=fragment) == theirs
    frame = b"\xee" * 14 + theirs + bytes(length) + b"padding"
    assert ip.parse(frame, 14) == (20, 20 + length, ident, fragment, ttl, protocol, src, dst, tos)


def test_emit_forbids_fragmentation_unless_told_otherwise():
    header = ip.emit(bytes(4), bytes(4), ip.TCP, 0, ident=1)
    assert ip.parse(header, 0)[3:5] == (ip.DF, 64)


def test_a_checksum_field_of_zero_is_written_and_accepted():
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    for ident in range(65536):
        header = ip.emit(src, dst, ip.UDP, 8, ident=ident)
        if header[10:12] == b"\0\0":
            break
    assert header == bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=17, len=28, id=ident, flags="DF"))
    assert ip.parse(header + bytes(8), 0)[2] == ident


@pytest.mark.parametrize("option", [IPOption_RR(routers=["0.0.0.0"] * 3), IPOption_Timestamp()])
def test_options_are_skipped(option):
    packet = bytes(IP(src="1.2.3.4", dst="5.6.7.8", proto=17, options=[option]) / b"payload")
    header_len, total_len, *_ = ip.parse(packet, 0)
    assert packet[header_len:total_len] == b"payload"
    assert header_len > 20


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_addresses_come_as_bytes_from_any_buffer(kind):
    header = ip.parse(kind(ip.emit(b"\1\2\3\4", b"\5\6\7\x08", ip.TCP, 0, ident=0)), 0)
    assert header[6:8] == (b"\1\2\3\4", b"\5\6\7\x08")
    assert type(header[6]) is type(header[7]) is bytes


def reason(packet: bytes, offset: int = 0) -> str:
    with pytest.raises(Malformed) as caught:
        ip.parse(packet, offset)
    return caught.value.reason


@pytest.mark.parametrize("length", range(20))
def test_a_short_header_is_malformed(length):
    assert reason(b"\xee" * 14 + bytes(IP())[:length], 14) == "ip_header_short"


@pytest.mark.parametrize("version", [0, 3, 5, 6, 15])
def test_another_version_is_malformed(version):
    assert reason(bytes(IP(version=version)) + bytes(40)) == "ip_version"


@pytest.mark.parametrize("words", [0, 1, 4])
def test_a_header_length_under_five_words_is_malformed(words):
    assert reason(bytes(IP(ihl=words))) == "ip_header_length"


@pytest.mark.parametrize("words", [6, 15])
def test_a_header_length_past_the_packet_is_malformed(words):
    assert reason(bytes(IP(ihl=words))) == "ip_header_length"


@pytest.mark.parametrize("length", [0, 19, 21, 65535])
def test_a_total_length_under_the_header_or_past_the_frame_is_malformed(length):
    assert reason(bytes(IP(len=length))) == "ip_total_length"


@pytest.mark.parametrize("bit", range(8, 160, 7))
def test_a_flipped_bit_is_noticed(bit):
    packet = bytearray(bytes(IP(src="1.2.3.4", dst="5.6.7.8") / b"12345678"))
    packet[bit // 8] ^= 1 << bit % 8
    assert reason(bytes(packet)) in ("ip_checksum", "ip_total_length")


@pytest.mark.parametrize(
    "address",
    [
        "192.168.5.1",
        b"\xc0\xa8\x05\x01",
        bytearray(b"\xc0\xa8\x05\x01"),
        0xC0A80501,
        ipaddress.IPv4Address("192.168.5.1"),
    ],
)
def test_an_address_is_read_in_every_form(address):
    assert ip.parse_address(address) == b"\xc0\xa8\x05\x01"


@given(ADDRESSES)
def test_an_address_is_written_and_read_back(address):
    text = ip.format_address(address)
    assert text == str(ipaddress.IPv4Address(address))
    assert ip.parse_address(text) == address


@given(st.binary(min_size=16, max_size=16))
def test_sixteen_bytes_are_written_as_ipv6(address):
    assert ip.format_address(address) == str(ipaddress.IPv6Address(address))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.04",
        "1.2.3.-4",
        "1.2.3. 4",
        "1.2.3.٤",
        "::1",
        b"123",
        b"1234567890123456",
        -1,
        1 << 32,
        None,
        1.5,
    ],
)
def test_what_is_no_address_is_refused_in_one_line_with_an_example(address):
    with pytest.raises(ValueError, match="write it as in") as caught:
        ip.parse_address(address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", range(33))
def test_masks_and_prefix_lengths_are_each_others_reverse(length):
    mask = ip.mask_of(length)
    assert mask == ipaddress.IPv4Network((0, length)).netmask.packed
    assert ip.prefix_length_of(mask) == length


def test_a_prefix_keeps_its_host_bits():
    assert ip.parse_prefix("192.168.5.100/24") == (b"\xc0\xa8\x05\x64", b"\xff\xff\xff\0")
    assert ip.parse_prefix("192.168.5.100/255.255.0.0") == (b"\xc0\xa8\x05\x64", b"\xff\xff\0\0")
    assert ip.parse_prefix("1.2.3.4/0")[1] == bytes(4)
    assert ip.parse_prefix("1.2.3.4/32")[1] == b"\xff" * 4


@pytest.mark.parametrize(
    "text",
    ["1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/x", "1.2.3/24", "1.2.3.4/255.0.255.0", "1.2.3.4/024"],
)
def test_what_is_no_prefix_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        ip.parse_prefix(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [-1, 33])
def test_a_prefix_length_out_of_range_is_refused(length):
    with pytest.raises(ValueError, match="0 to 32"):
        ip.mask_of(length)
