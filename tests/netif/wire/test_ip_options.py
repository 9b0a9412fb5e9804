"""RFC 791 3.1, RFC 1122 3.2.1.8 and 3.2.2.6, RFC 2113."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import (
    IP,
    IPOption_LSRR,
    IPOption_Router_Alert,
    IPOption_RR,
    IPOption_Security,
    IPOption_Timestamp,
)

from netif.wire import ip_options
from netif.wire.ip_options import BadOptionError, Option, copied, for_reply, walk

US = b"\x0a\0\0\1"
RECORD = b"\7\x0b\4" + bytes(8)


def scapys(*given: object) -> bytes:
    """The bytes that scapy makes of these options, padding included."""
    header = bytes(IP(options=list(given)))
    return header[20 : (header[0] & 15) * 4]


def test_every_option_is_met_and_padding_is_not():
    options = scapys(IPOption_Router_Alert(), IPOption_RR(length=11, routers=["0.0.0.0"] * 2))
    assert list(walk(options)) == [Option(ip_options.ROUTER_ALERT, b"\x94\4\0\0"), Option(7, RECORD)]
    assert list(walk(b"\1\1\x94\4\0\0\1\0" + RECORD)) == [Option(148, b"\x94\4\0\0")]


def test_an_option_that_nobody_knows_is_walked_past():
    assert [option.kind for option in walk(b"\x1e\4ab\x94\4\0\0")] == [0x1E, 148]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        (b"\1\1\1\7", 23),  # cut off before its length
        (b"\7\0\0\0", 21),
        (b"\7\1\0\0", 21),
        (b"\7\5\4\0", 21),  # reaches past the header
        (b"\7\2\0\0", 21),  # too short for a pointer
        (b"\7\7\3\0\0\0\0\0", 22),  # points at itself
        (b"\7\7\5\0\0\0\0\0", 22),  # no room for an address where it points
        (b"\x83\7\2\0\0\0\0\0", 22),
        (RECORD[:11] + b"\1" + RECORD[:11] + b"\0", 32),  # twice
        (b"\x44\3\5\0", 21),
        (b"\x44\4\4\0", 22),
        (b"\x44\4\5\2", 23),  # no such kind of timestamp
        (b"\x44\x08\6\0\0\0\0\0", 22),
        (b"\x44\4\5\xf0", 23),  # the count of those without room overflows
        (b"\x94\3\0\0", 21),
    ],
)
def test_what_cannot_be_read_is_pointed_at(options: bytes, pointer: int):
    with pytest.raises(BadOptionError) as caught:
        list(walk(options))
    assert caught.value.pointer == pointer


@given(st.binary(max_size=40))
def test_anything_is_walked_or_pointed_at(options: bytes):
    try:
        walked = list(walk(options))
    except BadOptionError as bad:
        pointer = bad.pointer
    else:
        pointer = 20
        assert sum(len(option.data) for option in walked) <= len(options)
        assert len(for_reply(options, US, 1)) <= len(options) + 3
        assert len(copied(options)) <= len(options) + 3
    assert 20 <= pointer <= 20 + len(options)


def test_what_is_copied_into_later_fragments_has_the_bit():
    options = scapys(IPOption_RR(length=7, routers=["0.0.0.0"]), IPOption_Router_Alert(), IPOption_Security())
    kinds = [option.kind for option in walk(copied(options))]
    assert kinds == [148, 130]
    assert copied(RECORD + b"\0") == b""


def test_a_reply_records_this_host_where_there_is_room():
    first = for_reply(RECORD + b"\0", US, 0)
    assert first == b"\7\x0b\x08" + US + bytes(4) + b"\0"
    second = for_reply(first, b"\x0a\0\0\2", 0)
    assert second == b"\7\x0b\x0c" + US + b"\x0a\0\0\2\0"
    assert for_reply(second, b"\x0a\0\0\3", 0) == second  # not truncated


def test_a_reply_is_stamped_in_each_of_the_three_ways():
    stamp = (0x80000001).to_bytes(4, "big")
    alone = b"\x44\x08\5\0" + bytes(4)
    assert for_reply(alone, US, 0x80000001) == b"\x44\x08\x09\0" + stamp
    with_address = b"\x44\x0c\5\1" + bytes(8)
    assert for_reply(with_address, US, 0x80000001) == b"\x44\x0c\x0d\1" + US + stamp
    asked, other = (b"\x44\x0c\5\3" + who + bytes(4) for who in (US, b"\x0a\0\0\2"))
    assert for_reply(asked, US, 0x80000001) == b"\x44\x0c\x0d\3" + US + stamp
    assert for_reply(other, US, 0x80000001) == other
    full = b"\x44\x08\x09\x20" + bytes(4)
    assert for_reply(full, US, 1) == b"\x44\x08\x09\x30" + bytes(4)  # one more without room


def test_scapy_reads_what_we_stamped():
    options = scapys(IPOption_Timestamp(flg=1, internet_address="0.0.0.0", timestamp=0, pointer=5))
    made = IP(bytes(IP(bytes([0x45 + len(options) // 4]) + bytes(IP())[1:20] + for_reply(options, US, 77))))
    (option,) = (each for each in made.options if each.option == 4)
    assert (option.internet_address, option.timestamp, option.pointer) == ("10.0.0.1", 77, 13)


def test_other_options_are_not_for_a_reply():
    assert for_reply(scapys(IPOption_Router_Alert(), IPOption_LSRR(routers=["1.2.3.4"])), US, 0) == b""
