"""RFC 1191, RFC 5927 7; Linux's ip_rt_min_pmtu."""

from __future__ import annotations

import errno

import pytest

from netif.wire import icmp, ip, udp
from stack.echo import EchoEndpoint
from stack.ip_config import IpConfig
from stack.limits import Limits
from stack.path_mtu import DO, DONT, LIFETIME, MINIMUM, PROBE, WANT
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, PEER, US, Rig, address, datagram, packet

FAR = address("8.8.8.8")
ROUTER = address("192.0.2.1")


@pytest.fixture
def far(met: Rig) -> Rig:
    """The gateway is known; what is far goes by it."""
    met.knows_peer(who=GATEWAY)
    return met


def talking(rig: Rig, to: bytes = FAR, discover: int = WANT) -> UdpEndpoint:
    socket = UdpEndpoint(rig.stack)
    socket.discover = discover
    socket.bind(bytes(4), 4000)
    socket.connect(to, 9)
    return socket


def too_big(mtu: int, *, length: int = 1500, dst: bytes = FAR, sport: int = 4000, df: int = ip.DF) -> bytes:
    """A router on the way has dropped a datagram of ours, of this total length."""
    quoted = ip.emit(US, dst, ip.UDP, length - 20, ident=0, fragment=df) + udp.HEADER.pack(sport, 9, length - 20, 0)
    return packet(icmp.emit(icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtu, quoted), ip.ICMP, src=ROUTER)


def lengths(rig: Rig) -> list[tuple[int, bool]]:
    """Of each packet sent: its total length, and whether it may not be fragmented. ARP does not count."""
    headers = [ip.parse(frame, 14) for frame in rig.frames() if frame[12:14] == b"\x08\x00"]
    return [(header[1], bool(header[3] & ip.DF)) for header in headers]


def told(socket: UdpEndpoint) -> int | None:
    try:
        socket.receive()
    except OSError as error:
        return error.errno
    return None


def test_a_datagram_too_large_for_the_path_is_told_once_and_then_goes_in_fragments(far: Rig):
    """RFC 1191 3, RFC 1122 4.1.3.3"""
    socket = talking(far)
    socket.send_to(bytes(1472))
    assert lengths(far) == [(1500, True)]
    far.gets(too_big(1280))
    assert told(socket) == errno.EMSGSIZE
    assert told(socket) is None
    socket.send_to(bytes(1472))
    assert lengths(far) == [(1276, False), (244, False)]
    socket.send_to(bytes(1252))
    assert lengths(far) == [(1280, True)]


def test_an_unconnected_socket_is_not_told_and_adapts_all_the_same(far: Rig):
    socket = UdpEndpoint(far.stack)
    socket.bind(bytes(4), 4000)
    far.gets(too_big(1280))
    assert told(socket) is None
    socket.send_to(bytes(1400), (FAR, 9))
    assert len(lengths(far)) == 2


def test_only_the_path_in_question_is_narrower(far: Rig):
    socket = talking(far)
    far.gets(too_big(1280))
    other = UdpEndpoint(far.stack)
    other.send_to(bytes(1472), (address("8.8.4.4"), 9))
    assert lengths(far) == [(1500, True)]
    assert far.stack.ip.route(FAR).mtu == 1280
    assert socket.remote is not None


@pytest.mark.parametrize(
    ("sent", "expected"), [(1500, 1492), (1492, 1006), (4352, 1492), (1006, MINIMUM), (65535, 1492)]
)
def test_a_router_that_does_not_say_gets_the_next_plateau(far: Rig, sent: int, expected: int):
    """RFC 1191 7.1"""
    talking(far)
    far.gets(too_big(0, length=sent))
    assert far.stack.ip.route(FAR).mtu == expected


@pytest.mark.parametrize("claimed", [1500, 1501, 9000, 65535])
def test_a_claim_that_would_have_let_it_through_is_not_believed(far: Rig, claimed: int):
    """RFC 1191 3: never an increase."""
    talking(far)
    far.gets(too_big(claimed))
    assert far.stack.ip.route(FAR).mtu == 1500
    far.drops(icmp_mtu=1)


def test_a_claim_about_what_is_small_already_is_not_believed(far: Rig):
    talking(far)
    far.gets(too_big(576, length=576))
    assert far.stack.ip.route(FAR).mtu == 1500


def test_a_wider_claim_does_not_widen_what_is_known(far: Rig):
    talking(far)
    far.gets(too_big(1000), too_big(1400))
    assert far.stack.ip.route(FAR).mtu == 1000
    far.gets(too_big(900))
    assert far.stack.ip.route(FAR).mtu == 900


def test_a_claim_must_quote_a_socket_of_ours(far: Rig):
    """RFC 5927 4"""
    talking(far)
    far.gets(too_big(1280, sport=4001))
    foreign = packet(icmp.emit(3, 4, 1280, datagram(bytes(1400), src=PEER, dst=FAR)[14:]), ip.ICMP, src=ROUTER)
    far.gets(foreign)
    assert far.stack.ip.route(FAR).mtu == 1500
    far.drops(icmp_quote_not_ours=2)


@pytest.mark.parametrize("claimed", [1, 67, 68, 296, 551])
def test_under_the_minimum_fragments_are_allowed_instead(far: Rig, claimed: int):
    """Linux's guard: nobody makes us send headers alone. RFC 1191 3: never below 68."""
    socket = talking(far)
    far.gets(too_big(claimed))
    told(socket)
    route = far.stack.ip.route(FAR)
    assert (route.mtu, route.df) == (MINIMUM, False)
    socket.send_to(bytes(500))
    assert lengths(far) == [(528, False)]


def test_what_was_learned_is_forgotten_after_ten_minutes(far: Rig):
    """RFC 1191 6.3"""
    socket = talking(far)
    far.gets(too_big(1280))
    told(socket)
    far.after(LIFETIME - 1)
    far.knows_peer(who=GATEWAY)
    socket.send_to(bytes(1472))
    assert len(lengths(far)) == 2
    far.after(2)
    socket.send_to(bytes(1472))
    assert lengths(far) == [(1500, True)]
    assert not len(far.stack.ip.paths)


def test_nothing_is_learned_where_nothing_may_be_kept():
    rig = Rig(limits=Limits(path_mtus=0))
    rig.knows_peer(who=GATEWAY)
    UdpEndpoint(rig.stack).bind(bytes(4), 4000)
    rig.gets(too_big(1280))
    assert rig.stack.ip.route(FAR).mtu == 1500
    assert rig.stack.stats["path_mtus_full"] == 1


def test_what_is_known_of_paths_is_bounded():
    rig = Rig(limits=Limits(path_mtus=10))
    rig.knows_peer(who=GATEWAY)
    UdpEndpoint(rig.stack).bind(bytes(4), 4000)
    for last in range(30):
        rig.gets(too_big(1280, dst=bytes((8, 8, 4, last))))
    assert len(rig.stack.ip.paths) == 10
    assert rig.stack.stats["path_mtus_full"] == 20


def test_other_links_begin_anew(far: Rig):
    talking(far)
    far.gets(too_big(1280))
    far.interface.set_mtu(1400)
    assert far.stack.ip.route(FAR).mtu == 1400


class TestDiscover:
    """IP_MTU_DISCOVER, with Linux's meanings."""

    def test_dont(self, far: Rig):
        socket = talking(far, discover=DONT)
        socket.send_to(bytes(100))
        assert lengths(far) == [(128, False)]
        far.gets(too_big(1280, df=0))
        assert told(socket) is None

    def test_do(self, far: Rig):
        socket = talking(far, discover=DO)
        with pytest.raises(OSError) as caught:
            socket.send_to(bytes(1473))
        assert caught.value.errno == errno.EMSGSIZE
        far.gets(too_big(1280))
        assert told(socket) == errno.EMSGSIZE
        with pytest.raises(OSError):
            socket.send_to(bytes(1253))
        socket.send_to(bytes(1252))
        assert lengths(far) == [(1280, True)]

    def test_probe(self, far: Rig):
        socket = talking(far, discover=PROBE)
        far.gets(too_big(1280))
        told(socket)
        socket.send_to(bytes(1472))
        assert lengths(far) == [(1500, True)]
        with pytest.raises(OSError):
            socket.send_to(bytes(1473))


def test_a_stack_may_do_without(far: Rig):
    rig = Rig(ip=IpConfig(path_mtu_discovery=False))
    rig.knows_peer(who=GATEWAY)
    socket = talking(rig)
    socket.send_to(bytes(1472))
    assert lengths(rig) == [(1500, False)]
    rig.gets(too_big(1280, df=0))
    assert rig.stack.ip.route(FAR).mtu == 1500


def test_a_ping_learns_of_its_path(far: Rig):
    ping = EchoEndpoint(far.stack)
    ping.bind(ident=7)
    ping.send_echo(1, bytes(1472), FAR)
    (request,) = far.frames()
    far.gets(packet(icmp.emit(3, 4, 1280, request[14:56]), ip.ICMP, src=ROUTER))
    answer = ping.receive()
    assert answer is not None
    assert (answer.kind, answer.code, answer.address) == (3, 4, ROUTER)
    ping.send_echo(2, bytes(1472), FAR)
    assert [length for length, _ in lengths(far)] == [1276, 244]
