"""The Internet checksum beside scapy's, and its arithmetic at the edges."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.utils import checksum as scapy_checksum

from netif.wire.checksum import complete, fold, partial_sum, pseudo_header, sum_buffers, verify
from netif.wire.ip import format_address

# around every length at which the summation changes its way
LENGTHS = sorted(
    {length + by for length in (0, 1, 800, 1536, 6144, 12288, 65536) for by in (-1, 0, 1, 2) if length + by > 0}
)


def word_by_word(data: bytes) -> int:
    """RFC 1071 section 4.1, as it is written there."""
    total = 0
    for at in range(0, len(data) - 1, 2):
        total += data[at] << 8 | data[at + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("length", LENGTHS)
def test_sum_is_that_of_rfc_1071_at_every_length(length):
    data = random.Random(length).randbytes(length)
    assert partial_sum(data) == word_by_word(data)
    assert complete(partial_sum(data)) == scapy_checksum(data)


@pytest.mark.parametrize("length", LENGTHS)
def test_ones_everywhere_do_not_overflow(length):
    data = b"\xff" * length
    assert partial_sum(data) == word_by_word(data)


@pytest.mark.parametrize("length", LENGTHS)
def test_zeros_alone_sum_up_to_zero(length):
    assert partial_sum(bytes(length)) == 0


@given(st.binary(max_size=3000))
def test_any_kind_of_buffer_gives_the_same_sum(data):
    assert partial_sum(data) == partial_sum(bytearray(data)) == partial_sum(memoryview(data)) == word_by_word(data)


def test_the_sum_of_anything_but_zeros_is_not_zero():
    assert partial_sum(b"\xff\xff") == 0xFFFF
    assert partial_sum(b"\x12\x34\xed\xcb") == 0xFFFF
    assert sum_buffers((b"\x12\x34", b"\xed\xcb")) == 0xFFFF
    assert fold(0) == 0
    assert fold(65535 * 7) == 0xFFFF
    assert fold(65536) == 1


def test_the_complement_of_all_ones_is_zero_and_of_nothing_is_all_ones():
    assert complete(0xFFFF) == 0
    assert complete(0) == 0xFFFF
    assert complete(65535 * 3) == 0
    assert complete(1) == 0xFFFE
    assert complete(65536 + 1) == 0xFFFD


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_buffers_of_odd_length_anywhere_sum_up_like_their_concatenation(buffers):
    assert sum_buffers(buffers) == partial_sum(b"".join(buffers))


@pytest.mark.parametrize("middle", [1, 7, 1447, 6145])
def test_an_odd_buffer_in_the_middle_shifts_what_follows(middle):
    dice = random.Random(middle)
    buffers = (
        dice.randbytes(66),
        memoryview(dice.randbytes(middle)),
        bytearray(dice.randbytes(1448)),
        b"",
        dice.randbytes(3),
    )
    assert sum_buffers(buffers) == word_by_word(b"".join(buffers))


@given(
    st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), st.integers(1, 255), st.binary(max_size=60)
)
def test_pseudo_header_of_ipv4_is_scapys(src, dst, protocol, data):
    packet = IP(src=format_address(src), dst=format_address(dst))
    expected = in4_chksum(protocol, packet, data)
    total = pseudo_header(src, dst, protocol, len(data)) + partial_sum(data)
    assert complete(total) == expected


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=60))
def test_pseudo_header_of_ipv6_is_scapys(src, dst, data):
    packet = IPv6(src=format_address(src), dst=format_address(dst))
    assert complete(pseudo_header(src, dst, 6, len(data)) + partial_sum(data)) == in6_chksum(6, packet, data)


def test_a_length_may_be_added_to_the_constant_part_later():
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    assert fold(pseudo_header(src, dst, 6, 0) + 1480) == pseudo_header(src, dst, 6, 1480)


@pytest.mark.parametrize("length", [20, 61, 1480, 1481, 65535])
def test_verify_accepts_what_complete_made_and_nothing_else(length):
    dice = random.Random(length)
    data = bytearray(dice.randbytes(length))
    pseudo = pseudo_header(dice.randbytes(4), dice.randbytes(4), 6, length)
    data[16:18] = b"\0\0"
    data[16:18] = complete(pseudo + partial_sum(data)).to_bytes(2, "big")
    frame = b"\xaa" * 34 + bytes(data) + b"\xbb" * 3
    assert verify(frame, 34, 34 + length, pseudo)
    assert verify(memoryview(frame), 34, 34 + length, pseudo)
    assert not verify(frame, 34, 34 + length, pseudo + 1)
    damaged = bytearray(frame)
    damaged[40] ^= 1
    assert not verify(damaged, 34, 34 + length, pseudo)


def test_zeros_alone_do_not_verify():
    assert not verify(bytes(20), 0, 20)
