"""RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2.3."""

from __future__ import annotations

import errno

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from netif.wire import ethernet, icmp, ip
from stack.echo import Echo, EchoEndpoint
from stack.limits import Limits
from stack.reports import errno_of
from stack.udp import UdpEndpoint
from tests.stack.rig import PEER, US, Rig, ScriptedWaiter, address, datagram, echo, icmp_error, packet

BROADCAST = address("10.0.0.255")


@pytest.mark.parametrize("size", [0, 1, 2, 55, 56, 1472])
def test_an_echo_request_comes_back_whole(met: Rig, size: int):
    payload = bytes(n * 7 & 0xFF for n in range(size))
    met.gets(echo(payload, ident=0xABCD, sequence=0xFFFF))
    (frame,) = met.frames()
    reply = Ether(frame)
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (0, 0xABCD, 0xFFFF)
    assert bytes(reply[ICMP].payload) == payload
    del reply[ICMP].chksum
    assert bytes(reply) == frame
    assert met.stack.stats["echo_replied"] == 1


@pytest.mark.parametrize("payload", [b"", b"\xf7\xff", b"\xff\xff\xf7\xff", bytes(1000)])
def test_the_checksum_of_a_reply_is_right_at_the_edges_of_the_sum(met: Rig, payload: bytes):
    for ident in (0, 0xF7FF, 0xFFFF):
        met.gets(echo(payload, ident=ident, sequence=0))
        (frame,) = met.frames()
        icmp.parse(frame, 34, len(frame))


def test_an_echo_request_to_a_broadcast_or_group_is_not_answered(met: Rig):
    met.gets(
        echo(dst=BROADCAST, to=ethernet.BROADCAST),
        echo(dst=address("255.255.255.255"), to=ethernet.BROADCAST),
        echo(dst=address("224.0.0.1"), to=bytes.fromhex("01005e000001")),
    )
    met.sends()
    met.drops(icmp_broadcast_echo=3)


def test_an_echo_request_that_is_damaged_is_not_answered(met: Rig):
    frame = bytearray(echo())
    frame[-1] ^= 1
    met.gets(bytes(frame), echo()[:37])
    met.sends()
    met.drops(icmp_checksum=1, ip_total_length=1)


def test_a_header_cut_short_is_counted(met: Rig):
    met.gets(packet(b"\x08\0\0\0", ip.ICMP))
    met.drops(icmp_header_short=1)


@pytest.mark.parametrize("kind", [4, 9, 10, 14, 15, 17, 42])
def test_other_kinds_are_counted_and_not_acted_upon(met: Rig, kind: int):
    met.gets(echo(kind=kind))
    met.sends()
    met.drops(icmp_type=1)


def test_a_datagram_for_nobody_is_reported_with_its_header_and_more(met: Rig):
    offending = datagram(b"hello", 5000, 4242)
    met.gets(offending)
    (frame,) = met.frames()
    report = Ether(frame)
    assert (report[IP].src, report[IP].dst) == ("10.0.0.1", "10.0.0.2")
    assert (report[ICMP].type, report[ICMP].code) == (3, 3)
    assert frame[42:] == offending[14:]
    del report[ICMP].chksum
    assert bytes(report) == frame


def test_a_report_stays_within_576_bytes(met: Rig):
    met.gets(datagram(bytes(1400), 5000, 4242))
    (frame,) = met.frames()
    assert len(frame) == 14 + 576


def test_no_report_about_what_was_sent_to_many_or_by_nobody(met: Rig):
    met.gets(
        datagram(b"x", dst=BROADCAST, to=ethernet.BROADCAST),
        packet(b"x" * 8, 99, dst=BROADCAST, to=ethernet.BROADCAST),
        datagram(b"x", src=bytes(4), dst=b"\xff\xff\xff\xff", to=ethernet.BROADCAST),
    )
    met.sends()


def test_reports_keep_to_a_rate(met: Rig):
    """RFC 1812 4.3.2.8: all of them together."""
    hosts = [bytes((10, 0, 0, 10 + n)) for n in range(30)]
    for host in hosts:
        met.knows_peer(who=host)
    frames = [datagram(b"", 5000, 4242, src=host) for host in hosts for _ in range(50)]
    met.gets(*frames)
    assert len(met.frames()) == 1000
    met.drops(udp_no_socket=1500, icmp_error_rate=500)
    met.after(0.1)
    met.gets(*frames[-200:])
    assert len(met.frames()) == 100


def test_reports_to_one_host_keep_to_a_rate_of_their_own(met: Rig):
    other = address("10.0.0.3")
    met.knows_peer(who=other)
    met.gets(*[datagram(b"", 5000, 4242)] * 500)
    assert len(met.frames()) == 100
    met.gets(datagram(b"", 5000, 4242, src=other))
    assert len(met.frames()) == 1  # what one host does is not another's loss
    met.after(0.1)
    met.gets(*[datagram(b"", 5000, 4242)] * 500)
    assert len(met.frames()) == 10


def test_the_rate_may_be_zero():
    rig = Rig(limits=Limits(icmp_errors=0))
    rig.knows_peer()
    rig.gets(datagram(b"", 5000, 4242))
    rig.sends()


def test_a_time_exceeded_can_be_sent_but_never_about_an_error(met: Rig):
    met.stack.icmp.time_exceeded(met.interface, icmp.TTL_EXCEEDED, PEER, US, datagram(b"x"), 14)
    (frame,) = met.frames()
    assert (Ether(frame)[ICMP].type, Ether(frame)[ICMP].code) == (11, 0)
    about_error = icmp_error(3, 3, datagram(b"x"))
    met.stack.icmp.time_exceeded(met.interface, icmp.TTL_EXCEEDED, PEER, US, about_error, 14)
    later_fragment = datagram(b"x", fragment=100)
    met.stack.icmp.time_exceeded(met.interface, icmp.TTL_EXCEEDED, PEER, US, later_fragment, 14)
    met.sends()


@pytest.mark.parametrize(
    ("kind", "code", "number"),
    [
        (3, 0, errno.ENETUNREACH),
        (3, 1, errno.EHOSTUNREACH),
        (3, 2, errno.ENOPROTOOPT),
        (3, 3, errno.ECONNREFUSED),
        (3, 4, errno.EMSGSIZE),
        (3, 13, errno.EHOSTUNREACH),
        (11, 0, errno.EHOSTUNREACH),
        (12, 0, errno.EPROTO),
    ],
)
def test_an_error_reaches_the_connected_socket_that_it_is_about_once(met: Rig, kind: int, code: int, number: int):
    socket = UdpEndpoint(met.stack)
    socket.connect(PEER, 9)
    socket.send_to(b"x")
    met.gets(icmp_error(kind, code, met.frames()[0]))
    with pytest.raises(OSError) as caught:
        socket.receive()
    assert caught.value.errno == number == errno_of(kind, code)
    assert socket.receive() is None


def test_an_error_does_not_reach_an_unconnected_socket(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.send_to(b"x", (PEER, 9))
    met.gets(icmp_error(3, 3, met.frames()[0]))
    assert socket.receive() is None
    met.drops(icmp_quote_not_ours=1)


def test_an_error_about_what_we_never_sent_is_counted(met: Rig):
    met.gets(
        icmp_error(3, 3, datagram(b"x")),  # from the peer to us
        icmp_error(3, 3, datagram(b"x", src=US, dst=PEER)),  # nobody's ports
        icmp_error(3, 3, packet(b"12345678", 99, src=US, dst=PEER)),
        icmp_error(3, 3, echo(src=US, dst=PEER)),
    )
    met.sends()
    met.drops(icmp_quote_not_ours=4)


@pytest.mark.parametrize("quote", [b"", bytes(27), b"\x4f" + bytes(40), b"\x65" + bytes(40), b"\x40" + bytes(40)])
def test_a_quote_that_cannot_be_read_is_counted(met: Rig, quote: bytes):
    met.gets(packet(icmp.emit(3, 3, 0, quote), ip.ICMP))
    met.drops(icmp_quote=1)


def test_a_ping_is_answered_to_the_socket_that_sent_it(met: Rig):
    ping, other = EchoEndpoint(met.stack), EchoEndpoint(met.stack)
    ping.bind(ident=77)
    other.bind(ident=78)
    ping.send_echo(3, b"hello", PEER)
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo request id 77 seq 3 (5)")
    waiter = ScriptedWaiter()
    ping.wait_readable(waiter)
    met.gets(echo(b"hello", ident=77, sequence=3, kind=icmp.ECHO_REPLY, ttl=61))
    assert waiter.woken
    assert ping.receive() == Echo(icmp.ECHO_REPLY, 0, PEER, 3, b"hello", 61, 1000.0)
    assert ping.receive() is None
    assert other.receive() is None


def test_a_ping_hears_from_whoever_cannot_deliver_it(met: Rig):
    ping = EchoEndpoint(met.stack)
    ping.connect(address("8.8.8.8"))
    met.knows_peer(who=address("10.0.0.254"))
    ping.send_echo(9, b"x")
    met.gets(icmp_error(11, 0, met.frames()[0]))
    answer = ping.receive()
    assert answer is not None
    assert (answer.kind, answer.code, answer.address, answer.sequence) == (11, 0, PEER, 9)


def test_a_connected_ping_hears_its_peer_alone(met: Rig):
    ping = EchoEndpoint(met.stack)
    ping.bind(ident=77)
    ping.connect(PEER)
    met.gets(echo(ident=77, kind=icmp.ECHO_REPLY, src=address("10.0.0.3")))
    assert ping.receive() is None
    met.drops(icmp_echo_unknown=1)


def test_a_reply_that_nobody_waits_for_is_counted(met: Rig):
    met.gets(echo(kind=icmp.ECHO_REPLY))
    met.sends()
    met.drops(icmp_echo_unknown=1)


def test_idents_are_kept_apart_and_given_back(rig: Rig):
    one, other = EchoEndpoint(rig.stack), EchoEndpoint(rig.stack)
    one.bind(ident=5)
    with pytest.raises(OSError) as caught:
        other.bind(ident=5)
    assert caught.value.errno == errno.EADDRINUSE
    one.close()
    other.bind(ident=5)
    with pytest.raises(OSError) as caught:
        one.send_echo(1, b"", PEER)
    assert caught.value.errno == errno.EBADF
    free = EchoEndpoint(rig.stack)
    free.bind()
    assert free.ident not in (0, 5)


def test_a_ping_socket_says_what_is_wrong(met: Rig):
    ping = EchoEndpoint(met.stack)
    for call, number in (
        (lambda: ping.bind(address("10.0.0.9")), errno.EADDRNOTAVAIL),
        (lambda: ping.bind(ident=70000), errno.EINVAL),
        (lambda: ping.send_echo(1), errno.EDESTADDRREQ),
        (lambda: ping.send_echo(1, bytes(65508), PEER), errno.EMSGSIZE),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == number
    met.sends()


def test_replies_that_nobody_reads_are_bounded(met: Rig):
    ping = EchoEndpoint(met.stack)
    ping.bind(ident=77)
    met.gets(*[echo(ident=77, kind=icmp.ECHO_REPLY)] * 300)
    met.drops(echo_queue_full=44)


def test_a_reply_that_finds_no_way_back_is_counted(met: Rig):
    met.gets(echo(bytes(1400)))
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (1400)")
    met.interface.set_addresses(US, b"\xff\xff\xff\0", bytes(4))
    met.gets(echo(src=address("8.8.8.8")))
    met.sends()
    met.drops(icmp_no_route=1)


def test_a_timestamp_request_is_answered_with_a_time_that_says_it_is_not_of_the_day(met: Rig):
    """RFC 792, RFC 1122 3.2.2.8"""
    message = icmp.emit(icmp.TIMESTAMP, 0, 0x00070001, bytes.fromhex("0000100000000000 00000000"))
    met.gets(packet(message, ip.ICMP))
    (frame,) = met.frames()
    reply = Ether(frame)[ICMP]
    assert (reply.type, reply.id, reply.seq, reply.ts_ori) == (14, 7, 1, 0x1000)
    assert reply.ts_rx == reply.ts_tx >= 1 << 31
    met.after(1.5)
    met.gets(packet(message, ip.ICMP), packet(message, ip.ICMP, dst=BROADCAST, to=ethernet.BROADCAST))
    (later,) = met.frames()
    assert Ether(later)[ICMP].ts_rx - reply.ts_rx == 1500


def test_a_timestamp_request_cut_short_is_counted(met: Rig):
    met.gets(packet(icmp.emit(icmp.TIMESTAMP, 0, 1, bytes(8)), ip.ICMP))
    met.sends()
    met.drops(icmp_type=1)


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12, 42, 255])
def test_no_report_about_an_icmp_error_nor_about_what_may_be_one(met: Rig, kind: int):
    """RFC 1122 3.2.2"""
    met.stack.icmp.parameter_problem(met.interface, 20, PEER, US, packet(icmp.emit(kind, 0, 0, bytes(28)), 1), 14)
    met.sends()
    met.stack.icmp.parameter_problem(met.interface, 20, PEER, US, echo(), 14)
    (frame,) = met.frames()
    assert (Ether(frame)[ICMP].type, Ether(frame)[ICMP].ptr) == (12, 20)


def test_a_report_has_no_type_of_service(met: Rig):
    """RFC 1122 3.2.2: but its precedence says that it keeps the network going (RFC 1812 4.3.2.5)."""
    met.gets(datagram(b"x", 5000, 4242))
    (frame,) = met.frames()
    assert frame[15] == 0xC0
