"""Demultiplexing and routing by addresses of 16 bytes, long before a header of theirs is parsed."""

from __future__ import annotations

import errno

import pytest

from netif.wire import ip, udp
from stack.udp import UdpEndpoint
from tests.stack.rig import US, Rig

OURS = bytes.fromhex("20010db8000000000000000000000001")
THEIRS = bytes.fromhex("20010db8000000000000000000000002")
ANY = bytes(16)


@pytest.fixture
def six(rig: Rig) -> Rig:
    """A host that has such an address."""
    rig.stack.ip.local[OURS] = rig.interface
    return rig


def arrives(rig: Rig, payload: bytes, *, sport: int = 5000, dport: int = 7, dst: bytes = OURS) -> None:
    body = udp.emit(THEIRS, dst, sport, dport, payload) + payload
    rig.stack.udp.receive(rig.interface, THEIRS, dst, body, 0, len(body), None)


def test_a_datagram_is_found_by_its_address(six: Rig):
    narrow, wide = (UdpEndpoint(six.stack, address_length=16) for _ in range(2))
    narrow.reuse = wide.reuse = True
    narrow.bind(OURS, 7)
    wide.bind(ANY, 7)
    arrives(six, b"narrow")
    arrives(six, b"wide", dst=THEIRS)
    assert narrow.receive() == (b"narrow", (THEIRS, 5000))
    assert wide.receive() == (b"wide", (THEIRS, 5000))
    assert repr(narrow) == "<UdpEndpoint 2001:db8::1:7 of us>"


def test_families_do_not_hear_each_other_and_share_no_port(six: Rig):
    four, wide = UdpEndpoint(six.stack), UdpEndpoint(six.stack, address_length=16)
    four.bind(bytes(4), 7)
    wide.bind(ANY, 7)
    arrives(six, b"x")
    assert four.receive() is None
    assert wide.receive() == (b"x", (THEIRS, 5000))
    with pytest.raises(OSError) as caught:
        UdpEndpoint(six.stack, address_length=16).bind(OURS, 7)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_wrong_checksum_is_found_in_either_family(six: Rig):
    from netif.wire import Malformed

    body = bytearray(udp.emit(THEIRS, OURS, 5000, 7, b"x") + b"x")
    body[-1] ^= 1
    with pytest.raises(Malformed, match="udp_checksum"):
        six.stack.udp.receive(six.interface, THEIRS, OURS, bytes(body), 0, len(body), None)


def test_nobody_there_is_no_reason_for_an_icmp_of_the_other_family(six: Rig):
    arrives(six, b"x")
    six.sends()
    six.drops(udp_no_socket=1)


def test_a_route_is_found_by_the_longest_prefix(six: Rig):
    six.stack.ip.table.add(OURS, 64, six.interface)
    assert six.stack.ip.is_local(OURS)
    assert six.stack.ip.route(THEIRS, OURS).next_hop == THEIRS
    assert six.stack.ip.route(OURS).local
    with pytest.raises(OSError) as caught:
        six.stack.ip.route(bytes.fromhex("20010db9") + bytes(12))
    assert caught.value.errno == errno.ENETUNREACH


def test_groups_of_either_family_are_known(rig: Rig):
    assert rig.stack.ip.is_group(b"\xff\x02" + bytes(14))
    assert not rig.stack.ip.is_group(THEIRS)
    assert not rig.stack.ip.is_group(bytes.fromhex("e0000001") + bytes(12))
    assert rig.stack.ip.is_group(ip.BROADCAST)
    assert not rig.stack.ip.is_group(US)
