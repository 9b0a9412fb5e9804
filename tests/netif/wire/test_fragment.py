"""RFC 791 3.2."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, fragment

from netif.wire import ip
from netif.wire.fragment import cut

SRC, DST = b"\x0a\0\0\1", b"\x0a\0\0\2"
TEXT = bytes(range(256)) * 256


def header(length: int, options: bytes = b"", field: int = 0) -> bytes:
    return ip.emit(SRC, DST, 99, length, ident=77, fragment=field, options=options, tos=0x10, ttl=9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5000), st.integers(6, 370), st.integers(1, 5))
def test_the_fragments_are_scapys(length: int, blocks: int, parts: int):
    """Of whole blocks of 8: scapy rounds the last fragment down too."""
    mtu = 20 + 8 * blocks
    step = -(-length // parts)
    payload = tuple(TEXT[at : min(at + step, length)] for at in range(0, length, step))
    ours = [b"".join(packet) for packet in cut(header(length), payload, mtu)]
    theirs = [bytes(each) for each in fragment(IP(header(length) + TEXT[:length]), mtu - 20)]
    if length > mtu - 20:
        assert ours == theirs
    else:
        assert ours == [header(length) + TEXT[:length]]


def test_the_first_has_all_options_and_the_others_those_to_be_copied():
    options = b"\7\7\4\0\0\0\0\1" + b"\x94\4\0\0"
    packets = [b"".join(packet) for packet in cut(header(300, options), (TEXT[:300],), 100)]
    headers = [ip.parse(packet, 0) for packet in packets]
    assert [each[0] for each in headers] == [32, 24, 24, 24, 24]
    assert b"".join(packet[each[0] :] for packet, each in zip(packets, headers, strict=True)) == TEXT[:300]
    assert [packet[20:24] for packet in packets[1:]] == [b"\x94\4\0\0"] * 4


def test_a_fragment_may_be_cut_again():
    again = [b"".join(packet) for packet in cut(header(200, field=ip.MF | 10), (TEXT[:200],), 120)]
    fields = [ip.parse(packet, 0)[3] for packet in again]
    assert fields == [ip.MF | 10, ip.MF | 22, ip.MF | 34]


def test_nothing_is_one_packet():
    assert list(cut(header(0), (b"",), 68)) == [(header(0),)]


def test_an_mtu_without_room_is_refused():
    with pytest.raises(ValueError, match="no room"):
        list(cut(header(100), (bytes(100),), 27))
