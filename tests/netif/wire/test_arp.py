"""ARP messages beside scapy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP

from netif.wire import Malformed, arp

MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=4, max_size=4)


def dotted(address: bytes) -> str:
    return ".".join(map(str, address))


@given(st.integers(0, 0xFFFF), MACS, ADDRESSES, MACS, ADDRESSES)
def test_message_is_scapys_both_ways(operation, sha, spa, tha, tpa):
    theirs = bytes(ARP(op=operation, hwsrc=sha.hex(":"), psrc=dotted(spa), hwdst=tha.hex(":"), pdst=dotted(tpa)))
    assert arp.emit(operation, sha, spa, tha, tpa) == theirs
    assert arp.parse(b"\xee" * 14 + theirs + bytes(18), 14) == (operation, sha, spa, tha, tpa)


@pytest.mark.parametrize("length", range(28))
def test_a_short_message_is_malformed(length):
    message = arp.emit(arp.REQUEST, bytes(6), bytes(4), bytes(6), bytes(4))
    with pytest.raises(Malformed) as caught:
        arp.parse(bytes(14) + message[:length], 14)
    assert caught.value.reason == "arp_short"


@pytest.mark.parametrize("field", [{"hwtype": 6}, {"ptype": 0x86DD}, {"hwlen": 8}, {"plen": 16}])
def test_other_hardware_or_protocol_is_malformed(field):
    message = bytearray(arp.emit(arp.REQUEST, bytes(6), bytes(4), bytes(6), bytes(4)))
    other = bytes(ARP(hwsrc="00:00:00:00:00:00", psrc="0.0.0.0", pdst="0.0.0.0", **field))
    message[:6] = other[:6]
    with pytest.raises(Malformed) as caught:
        arp.parse(message, 0)
    assert caught.value.reason == "arp_format"
