"""Raw sockets, as Linux's raw(7) has them; RFC 1122 3.4."""

from __future__ import annotations

import errno

import pytest
from scapy.layers.inet import IP

from netif.wire import ethernet, icmp, ip
from stack.limits import Limits
from stack.raw import RAW, RawEndpoint
from stack.udp import UdpEndpoint
from tests.stack.rig import PEER, US, Rig, ScriptedWaiter, address, datagram, echo, icmp_error, packet

OTHER = address("10.0.0.3")


def fails(number: int, call: object, *arguments: object) -> None:
    with pytest.raises(OSError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.errno == number


def test_a_copy_of_each_packet_comes_with_its_header_and_is_taken_from_nobody(met: Rig):
    raw, second = RawEndpoint(met.stack, ip.UDP), RawEndpoint(met.stack, ip.UDP)
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 7)
    waiter = ScriptedWaiter()
    raw.wait_readable(waiter)
    frame = datagram(b"hello")
    met.gets(frame + bytes(9))  # padding is no part of it
    assert waiter.woken
    assert raw.peek() == raw.receive() == second.receive() == (frame[14:], PEER)
    assert raw.receive() is None
    assert socket.receive() == (b"hello", (PEER, 5000))


def test_who_listens_speaks_the_protocol(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    met.gets(packet(b"12345678", 99))
    met.sends()
    assert raw.receive() is not None
    raw.connect(OTHER)
    met.gets(packet(b"12345678", 99))  # not for him
    met.sends("10.0.0.1 > 10.0.0.2: icmp protocol unreachable [10.0.0.2 > 10.0.0.1: proto 99]")
    raw.close()
    raw.close()
    met.gets(packet(b"12345678", 99))
    assert len(met.frames()) == 1
    met.drops(ip_protocol=2)


def test_protocols_that_we_speak_go_on_after_the_last_has_closed(met: Rig):
    one, two = RawEndpoint(met.stack, ip.ICMP), RawEndpoint(met.stack, ip.ICMP)
    for raw in (one, two):
        met.gets(echo())
        met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")
        raw.close()
    met.gets(echo())
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")


def test_addresses_choose(met: Rig):
    bound, connected = RawEndpoint(met.stack, 99), RawEndpoint(met.stack, 99)
    bound.bind(US)
    connected.connect(PEER)
    met.gets(packet(b"12345678", 99, src=OTHER))
    assert bound.receive() is not None
    assert connected.receive() is None
    met.gets(packet(b"12345678", 99, dst=address("10.0.0.255"), to=ethernet.BROADCAST))
    assert bound.receive() is None
    assert connected.receive() is not None
    bound.bind(bytes(4))
    met.gets(packet(b"12345678", 99, dst=address("10.0.0.255"), to=ethernet.BROADCAST))
    assert bound.receive() is not None


def test_what_came_in_fragments_is_one_packet(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    met.gets(packet(b"1" * 16, 99, fragment=ip.MF), packet(b"2" * 9, 99, fragment=2))
    got = raw.receive()
    assert got is not None
    assert ip.parse(got[0], 0)[1:4] == (45, 1, 0)
    assert got[0][20:] == b"1" * 16 + b"2" * 9


def test_the_queue_is_bounded(met: Rig):
    rig = Rig(limits=Limits(udp_queue_bytes=1000))
    raw = RawEndpoint(rig.stack, 99)
    rig.gets(*[packet(b"12345678", 99)] * 5)
    rig.drops(raw_queue_full=2)
    raw.receive()
    rig.gets(packet(b"12345678", 99))
    rig.drops(raw_queue_full=2)


def test_a_filter_for_kinds_of_icmp(met: Rig):
    raw = RawEndpoint(met.stack, ip.ICMP)
    raw.icmp_filter = ~(1 << icmp.ECHO_REPLY) & 0xFFFFFFFF
    met.gets(echo(), echo(kind=icmp.ECHO_REPLY), echo(kind=42))
    kinds = []
    while (got := raw.receive()) is not None:
        kinds.append(got[0][20])
    assert kinds == [icmp.ECHO_REPLY, 42]


def test_a_payload_goes_under_a_header_of_ours(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    raw.ttl, raw.tos = 3, 0x10
    assert raw.send_to(b"12345678", PEER) == 8
    (frame,) = met.frames()
    assert ip.parse(frame, 14)[3:] == (ip.DF, 3, 99, US, PEER, 0x10)
    assert frame[34:] == b"12345678"
    raw.send_to(b"", PEER)
    assert len(met.frames()[0]) == 34
    raw.send_to(bytes(3000), PEER)
    assert len(met.frames()) == 3
    raw.options = b"\x94\4\0\0"
    raw.send_to(b"x", PEER)
    assert met.frames()[0][14] == 0x46


def test_a_header_of_the_applications_own(met: Rig):
    raw = RawEndpoint(met.stack, RAW)
    assert raw.header_included
    wanted = IP(src="10.0.0.77", dst="10.0.0.2", id=0x1234, ttl=5, proto=123, flags="DF") / b"payload"
    raw.send_to(bytes(wanted), PEER)
    (frame,) = met.frames()
    assert frame[14:] == bytes(wanted)


def test_what_the_application_left_open_is_filled_in(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    raw.header_included = True
    raw.send_to(bytes(IP(src="0.0.0.0", dst="10.0.0.2", id=0, len=5, chksum=0, proto=123)) + b"payload", PEER)
    (frame,) = met.frames()
    _, total_len, ident, _, _, protocol, src, _, _ = ip.parse(frame, 14)  # its checksum is right
    assert (total_len, protocol, src) == (27, 123, US)
    assert ident


def test_what_cannot_be_is_said(met: Rig):
    raw = RawEndpoint(met.stack, RAW)
    fails(errno.EDESTADDRREQ, raw.send_to, b"x")
    fails(errno.EINVAL, raw.send_to, b"", PEER)
    fails(errno.EINVAL, raw.send_to, b"\x44" + bytes(30), PEER)
    fails(errno.EINVAL, raw.send_to, b"\x4f" + bytes(30), PEER)
    fails(errno.EMSGSIZE, raw.send_to, b"\x45" + bytes(1500), PEER)
    fails(errno.EADDRNOTAVAIL, raw.bind, PEER)
    plain = RawEndpoint(met.stack, 99)
    fails(errno.EMSGSIZE, plain.send_to, bytes(65516), PEER)
    fails(errno.EACCES, plain.send_to, b"x", address("10.0.0.255"))
    met.sends()
    plain.broadcast = True
    plain.send_to(b"x", address("10.0.0.255"))
    met.sends("10.0.0.1 > 10.0.0.255: proto 99 (1)")
    plain.close()
    fails(errno.EBADF, plain.receive)


def test_an_error_reaches_a_connected_one_and_narrows_the_path_for_all(met: Rig):
    raw, free = RawEndpoint(met.stack, 99), RawEndpoint(met.stack, 99)
    raw.connect(PEER)
    raw.send_to(bytes(1400))
    (sent,) = met.frames()
    met.gets(icmp_error(3, 1, sent))
    fails(errno.EHOSTUNREACH, raw.receive)
    assert raw.receive() is None
    met.gets(icmp_error(3, 4, sent, rest=1000))
    fails(errno.EMSGSIZE, raw.receive)
    assert free.receive() is None
    assert raw.path_mtu() == met.stack.ip.route(PEER).mtu == 1000
    assert free.path_mtu() is None


def test_a_full_driver_makes_it_wait(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    met.netif.room = 0
    raw.send_to(b"one", PEER)
    assert raw.send_to(b"two", PEER) is None
    waiter = ScriptedWaiter()
    raw.wait_writable(waiter)
    met.netif.room = None
    met.interface.writable()
    met.flush()
    assert waiter.woken
    assert raw.send_to(b"two", PEER) == 3


def test_the_stack_takes_them_along(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    met.stack.close()
    fails(errno.ENETDOWN, raw.receive)
    assert not met.stack.raw.listeners


def test_loopback(met: Rig):
    raw = RawEndpoint(met.stack, 99)
    raw.send_to(b"hello", US)
    met.flush()
    got = raw.receive()
    assert got is not None
    assert (got[0][20:], got[1]) == (b"hello", US)
