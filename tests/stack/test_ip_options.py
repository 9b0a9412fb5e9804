"""RFC 1122 3.2.1.8, 3.2.2.5, 3.2.2.6; RFC 7126 (source routes)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from netif.wire import ethernet, icmp, ip, ip_options
from stack.udp import UdpEndpoint
from tests.stack.rig import OUR_MAC, PEER, PEER_MAC, US, Rig, address, datagram, echo, packet

LINK = ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP)


def with_options(frame: bytes, options: bytes, *, field: int = 0, dst: bytes = US) -> bytes:
    """The same packet with these options."""
    body = frame[34:]
    return LINK + ip.emit(PEER, dst, frame[23], len(body), ident=1, options=options, fragment=field) + body


@pytest.mark.parametrize(
    "options",
    [
        b"\1\1\1\1",
        b"\0\0\0\0",
        b"\0\xff\xff\xff",  # whatever follows the end
        b"\x94\4\0\0",  # router alert
        b"\x82\x0b" + bytes(9) + b"\0",  # security
        b"\x88\4\0\7",  # stream identifier, obsolete
        b"\x1e\4ab",  # an experiment
    ],
)
def test_what_means_nothing_to_us_is_ignored(met: Rig, options: bytes):
    met.gets(with_options(echo(), options))
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")
    met.drops()


@pytest.mark.parametrize("kind", [0x83, 0x89])
@pytest.mark.parametrize("pointer", [4, 8])
def test_a_source_route_is_refused_without_a_word(met: Rig, kind: int, pointer: int):
    """Also at its end: who asks for the way back by it wants to seem to be somebody else."""
    met.gets(with_options(echo(), bytes((kind, 7, pointer)) + address("10.0.0.66") + b"\0"))
    met.sends()
    met.drops(ip_source_route=1)


def test_what_cannot_be_read_is_reported_with_the_place(met: Rig):
    frame = with_options(datagram(b"hello", dport=7), b"\x94\4\0\0\7\x0b\3\0" + bytes(8))
    met.gets(frame)
    (report,) = met.frames()
    assert (Ether(report)[ICMP].type, Ether(report)[ICMP].code, Ether(report)[ICMP].ptr) == (12, 0, 26)
    assert report[42:] == frame[14:]  # the options are quoted as they are
    met.drops(ip_option=1)


def test_no_report_about_what_nobody_may_answer(met: Rig):
    """RFC 1122 3.2.2"""
    bad = b"\7\x0b\3\0" + bytes(8)
    broadcast = with_options(datagram(b"x"), bad, dst=address("10.0.0.255"))
    met.gets(ethernet.BROADCAST + broadcast[6:])
    met.gets(with_options(datagram(b"x"), bad, field=5), with_options(echo(kind=3), bad))
    met.sends()
    met.drops(ip_option=3)


def test_reports_about_options_keep_to_the_rate(met: Rig):
    met.gets(*[with_options(datagram(b"x"), b"\7\x0b\3\0" + bytes(8))] * 300)
    assert len(met.frames()) == 100


def test_an_echo_reply_bears_the_route_and_the_times_with_ours(met: Rig):
    """RFC 1122 3.2.2.6"""
    options = b"\7\x0b\x08" + PEER + bytes(4) + b"\x44\x0c\5\1" + bytes(8) + b"\0"
    met.gets(with_options(echo(), options))
    (frame,) = met.frames()
    reply = Ether(frame)
    assert reply[ICMP].type == 0
    route, stamp = (option.data for option in ip_options.walk(frame[34 : 14 + reply[IP].ihl * 4]))
    assert route == b"\7\x0b\x0c" + PEER + US
    assert stamp[:8] == b"\x44\x0c\x0d\1" + US
    assert stamp[8] & 0x80  # not the time of day (RFC 791)
    del reply[IP].chksum
    assert bytes(reply) == frame


def test_a_large_echo_reply_bears_them_in_its_first_fragment(met: Rig):
    met.gets(with_options(echo(bytes(1400)), b"\7\x27\4" + bytes(36) + b"\0"))
    met.interface.set_mtu(576)
    met.gets(with_options(echo(bytes(1400)), b"\7\x27\4" + bytes(36) + b"\0"))
    lengths = [(frame[14] & 15) * 4 for frame in met.frames()]
    assert lengths == [60, 60, 20, 20]


def test_a_request_that_asks_for_nothing_is_answered_without_options(met: Rig):
    met.gets(with_options(echo(), b"\x94\4\0\0"))
    (frame,) = met.frames()
    assert frame[14] == 0x45


@pytest.mark.parametrize("tos", [0, 0x10, 0xB8])
def test_an_echo_reply_has_the_type_of_service_of_the_request(met: Rig, tos: int):
    """RFC 1349 5.1"""
    body = echo()[34:]
    met.gets(LINK + ip.emit(PEER, US, ip.ICMP, len(body), ident=1, tos=tos) + body)
    (frame,) = met.frames()
    assert frame[15] == tos


def test_an_application_has_its_options_sent(met: Rig):
    """RFC 1122 4.1.3.2"""
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 4000)
    socket.options = b"\x94\4\0\0"
    socket.send_to(b"hello", (PEER, 9))
    socket.send_to(bytes(2000), (PEER, 9))
    frames = met.frames()
    assert [frame[14] for frame in frames] == [0x46] * 3
    assert all(frame[34:38] == b"\x94\4\0\0" for frame in frames)
    assert bytes(Ether(frames[0])[UDP].payload) == b"hello"


def test_an_answer_about_the_time_bears_them_too(met: Rig):
    """RFC 1122 3.2.2.8"""
    request = packet(icmp.emit(icmp.TIMESTAMP, 0, 1, bytes(12)), ip.ICMP)
    met.gets(with_options(request, b"\7\x0b\4" + bytes(8) + b"\0"))
    (frame,) = met.frames()
    assert frame[34:46] == b"\7\x0b\x08" + US + bytes(4) + b"\0"
