"""What RFC 1122's tables for IP and ICMP ask for and no other test shows."""

from __future__ import annotations

import pytest

from netif.wire import ethernet, icmp, ip
from stack.limits import Limits
from stack.raw import RawEndpoint
from stack.tcp.config import TcpConfig
from stack.udp import UdpEndpoint
from tests.stack.attacker import Caller
from tests.stack.rig import GATEWAY, MASK, OTHER_MAC, PEER, PEER_MAC, US, Rig, address, echo, packet


def test_an_echo_reply_comes_from_the_address_that_was_asked(met: Rig):  # 3.2.2.6
    _, other = met.link("eth1", OTHER_MAC)
    other.set_addresses(address("192.168.7.1"), MASK, bytes(4))
    met.gets(echo(dst=address("192.168.7.1")))
    (frame,) = met.frames()
    assert frame[26:30] == address("192.168.7.1")


def test_a_time_to_live_of_nothing_is_refused():  # 3.2.1.7
    with pytest.raises(ValueError, match="ttl"):
        TcpConfig(ttl=0)


def test_what_is_not_to_be_reported_takes_no_others_place():  # 3.2.2: nothing about a broadcast
    rig = Rig(limits=Limits(icmp_errors=1))
    rig.knows_peer()
    rig.gets(packet(b"12345678", 99, dst=address("10.0.0.255"), to=ethernet.BROADCAST))
    rig.sends()
    rig.gets(packet(b"12345678", 99))
    rig.sends("10.0.0.1 > 10.0.0.2: icmp protocol unreachable [10.0.0.2 > 10.0.0.1: proto 99]")


@pytest.mark.parametrize("kind", [15, 16])
def test_nobody_asks_for_a_network_number_any_more(met: Rig, kind: int):  # 3.2.2.7: information request and reply
    met.gets(packet(icmp.emit(kind, 0, 0, b""), ip.ICMP))
    met.sends()


@pytest.mark.parametrize("kind", [17, 18])
def test_no_host_tells_the_mask(met: Rig, kind: int):  # 3.2.2.9: address mask request and reply
    met.gets(packet(icmp.emit(kind, 0, 0, bytes(4)), ip.ICMP))
    met.sends()


def test_a_neighbour_that_was_heard_lately_is_not_asked(met: Rig):  # 3.3.1.4
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 7)
    for _ in range(3):
        met.after(1)
        socket.send_to(b"x", (PEER, 9))
    met.sends(*["10.0.0.1.7 > 10.0.0.2.9: udp (1)"] * 3)


@pytest.mark.parametrize(("dst", "mac"), [("10.0.0.255", ethernet.BROADCAST), ("10.0.0.2", PEER_MAC)])
def test_a_broadcast_frame_bears_a_broadcast(met: Rig, dst: str, mac: bytes):  # 3.3.6
    socket = UdpEndpoint(met.stack)
    socket.broadcast = True
    socket.send_to(b"x", (address(dst), 9))
    (frame,) = met.frames()
    assert frame[:6] == mac


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_redirects_for_a_network_and_for_a_host_are_one(rig: Rig, code: int):  # 3.2.2.2, 3.3.1.2
    far, better = address("8.8.8.8"), address("10.0.0.253")
    for gateway in (GATEWAY, better):
        rig.knows_peer(who=gateway)
    socket = UdpEndpoint(rig.stack)
    socket.connect(far, 9)
    quoted = ip.emit(US, far, ip.UDP, 8, ident=0) + socket.local[1].to_bytes(2, "big") + b"\0\x09\0\x08\0\0"
    rig.gets(packet(icmp.emit(icmp.REDIRECT, code, int.from_bytes(better, "big"), quoted), ip.ICMP, src=GATEWAY))
    assert rig.stack.ip.route(far).next_hop == better
    assert rig.stack.ip.route(address("8.8.4.4")).next_hop == GATEWAY


def test_the_time_is_told_from_the_address_that_was_asked(met: Rig):  # 3.2.2.8
    _, other = met.link("eth1", OTHER_MAC)
    other.set_addresses(address("192.168.7.1"), MASK, bytes(4))
    met.gets(packet(icmp.emit(icmp.TIMESTAMP, 0, 1, bytes(12)), ip.ICMP, dst=address("192.168.7.1")))
    (frame,) = met.frames()
    assert frame[26:30] == address("192.168.7.1")


def test_a_timestamp_reply_reaches_who_asked(met: Rig):  # 3.2.2.8: by a raw socket
    raw = RawEndpoint(met.stack, ip.ICMP)
    reply = packet(icmp.emit(icmp.TIMESTAMP_REPLY, 0, 1, bytes(12)), ip.ICMP)
    met.gets(reply)
    assert raw.receive() == (reply[14:], PEER)


def asked(rig: Rig) -> list[bytes]:
    """Whose MAC the host asked for, after the MAC that it asked."""
    return [frame[:6] + frame[38:42] for frame in rig.frames() if frame[12:14] == b"\x08\x06"]


def test_a_neighbour_is_asked_after_three_time_outs(honest: Caller):  # RFC 9293 MUST-20, SHLD-10; 3.3.1.4
    assert honest.connection is not None
    rig = honest.rig
    honest.connection.write(b"hello")
    rig.flush()
    rig.after(1.0)  # two of them
    assert asked(rig) == []
    rig.after(1.0)
    assert asked(rig)[0] == PEER_MAC + PEER


def test_a_better_gateway_is_left_after_three_time_outs(rig: Rig):  # RFC 9293 MUST-20, 3.3.1.4
    far, better = address("8.8.8.8"), address("10.0.0.253")
    for gateway in (GATEWAY, better):
        rig.knows_peer(who=gateway)
    connection = rig.stack.tcp.connect(None, (far, 80))
    rig.flush()
    quoted = rig.frames()[-1][14:]
    rig.gets(packet(icmp.emit(icmp.REDIRECT, 1, int.from_bytes(better, "big"), quoted), ip.ICMP, src=GATEWAY))
    assert rig.stack.ip.route(far).next_hop == better
    rig.after(8)
    assert connection.info().retries >= 3
    assert rig.stack.ip.route(far).next_hop == GATEWAY
