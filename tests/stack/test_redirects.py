"""RFC 792 (redirect), RFC 1122 3.2.2.2, 3.3.1.2 to 3.3.1.5."""

from __future__ import annotations

import pytest

from netif.wire import icmp, ip
from stack.ip_config import IpConfig
from stack.limits import Limits
from stack.redirects import LIFETIME
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, PEER, US, Rig, address, packet

FAR, BETTER = address("8.8.8.8"), address("10.0.0.253")


def talking(rig: Rig) -> UdpEndpoint:
    rig.knows_peer(who=GATEWAY)
    rig.knows_peer(who=BETTER)
    socket = UdpEndpoint(rig.stack)
    socket.bind(bytes(4), 4000)
    socket.connect(FAR, 9)
    return socket


def redirect(rig: Rig, gateway: bytes = BETTER, *, src: bytes = GATEWAY, port: int = 4000, dst: bytes = FAR) -> bytes:
    quoted = ip.emit(US, dst, ip.UDP, 8, ident=0) + port.to_bytes(2, "big") + b"\0\x09\0\x08\0\0"
    return packet(icmp.emit(icmp.REDIRECT, 1, int.from_bytes(gateway, "big"), quoted), ip.ICMP, src=src)


def test_the_next_datagram_goes_by_the_better_gateway(rig: Rig):
    socket = talking(rig)
    rig.gets(redirect(rig))
    assert rig.stack.ip.route(FAR).next_hop == BETTER
    assert socket.receive() is None  # it is no error
    assert rig.stack.ip.route(address("8.8.4.4")).next_hop == GATEWAY
    socket.send_to(b"x")
    rig.sends("10.0.0.1.4000 > 8.8.8.8.9: udp (1)")
    assert rig.stack.stats["redirected"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"src": PEER},  # not the gateway in use
        {"gateway": address("192.168.1.1")},  # no neighbour
        {"gateway": US},
        {"gateway": address("10.0.0.255")},
        {"gateway": GATEWAY},
        {"gateway": bytes(4)},
        {"gateway": address("224.0.0.1")},
    ],
)
def test_from_others_or_to_nowhere_it_is_not_followed(rig: Rig, wrong: dict[str, bytes]):
    talking(rig)
    rig.gets(redirect(rig, **wrong))
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY
    rig.drops(icmp_redirect=1)


def test_it_must_quote_what_we_have_sent(rig: Rig):
    talking(rig)
    rig.gets(redirect(rig, port=4001))
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY
    rig.drops(icmp_quote_not_ours=1)


def test_a_neighbour_is_not_redirected(rig: Rig):
    UdpEndpoint(rig.stack).bind(bytes(4), 4000)
    rig.gets(redirect(rig, src=PEER, dst=PEER))
    rig.drops(icmp_redirect=1)
    assert rig.stack.ip.route(PEER).next_hop == PEER


def test_it_may_be_switched_off(rig: Rig):
    rig = Rig(ip=IpConfig(accept_redirects=False))
    talking(rig)
    rig.gets(redirect(rig))
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY
    rig.drops(icmp_redirect=1)


def test_a_second_one_comes_from_the_new_gateway(rig: Rig):
    talking(rig)
    rig.gets(redirect(rig), redirect(rig, PEER))  # from the former one it is stale
    assert rig.stack.ip.route(FAR).next_hop == BETTER
    rig.gets(redirect(rig, GATEWAY, src=BETTER))
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY


def test_a_gateway_that_does_not_answer_is_left(rig: Rig):
    """RFC 1122 3.3.1.4"""
    socket = talking(rig)
    rig.gets(redirect(rig, PEER))
    socket.send_to(b"x")
    rig.after(5)
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY


def test_it_holds_for_ten_minutes_and_while_the_link_is_the_same(rig: Rig):
    talking(rig)
    rig.gets(redirect(rig))
    rig.after(LIFETIME - 1)
    assert rig.stack.ip.route(FAR).next_hop == BETTER
    rig.after(2)
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY
    rig.gets(redirect(rig))
    rig.interface.set_addresses(US, b"\xff\xff\0\0", GATEWAY)
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY


def test_none_is_kept_where_none_may_be():
    rig = Rig(limits=Limits(redirects=0))
    talking(rig)
    rig.gets(redirect(rig))
    assert rig.stack.ip.route(FAR).next_hop == GATEWAY
    assert rig.stack.stats["redirects_full"] == 1


def test_they_are_bounded():
    rig = Rig(limits=Limits(redirects=10))
    rig.knows_peer(who=GATEWAY)
    UdpEndpoint(rig.stack).bind(bytes(4), 4000)
    for last in range(30):
        rig.gets(redirect(rig, dst=bytes((8, 8, 4, last))))
    assert len(rig.stack.ip.redirects) == 10
    assert rig.stack.stats["redirects_full"] == 20
