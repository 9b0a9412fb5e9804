"""The queue in front of a driver that is full, and what happens to a link."""

from __future__ import annotations

import errno

import pytest

from netif.link import LinkCaps
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, MASK, OUR_MAC, PEER, US, Rig, ScriptedWaiter, echo

REPLY = "10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq %d (4)"


def test_a_frame_that_the_driver_refuses_is_kept_and_nothing_overtakes_it(met: Rig):
    met.netif.room = 1
    met.gets(*(echo(sequence=n) for n in range(1, 4)))
    met.sends(REPLY % 1)
    assert met.interface.blocked
    met.netif.room = 1
    met.interface.writable()
    met.sends(REPLY % 2)
    met.gets(echo(sequence=4))
    met.sends()
    met.netif.room = None
    met.interface.writable()
    assert not met.interface.blocked
    met.sends(REPLY % 3, REPLY % 4)
    met.drops()


@pytest.mark.parametrize(
    ("limits", "size", "kept"),
    [
        (Limits(), 0, 256),
        (Limits(interface_queue_frames=3), 0, 3),
        (Limits(), 1400, 256),
        (Limits(interface_queue_bytes=10_000), 1400, 6),
        (Limits(interface_queue_bytes=100), 1400, 1),  # what the driver refused is always kept
    ],
)
def test_the_queue_is_bounded_in_frames_and_bytes(limits: Limits, size: int, kept: int):
    rig = Rig(limits=limits)
    rig.knows_peer()
    rig.netif.room = 0
    rig.gets(*[echo(bytes(size))] * 300)
    rig.drops(interface_queue_full=300 - kept)
    rig.netif.room = None
    rig.interface.writable()
    assert len(rig.netif.sent) == kept
    rig.gets(echo())
    assert len(rig.netif.sent) == kept + 1


def test_other_interfaces_go_on(met: Rig):
    other_mac = bytes.fromhex("020000000005")
    netif, other = met.link("eth1", other_mac)
    other.set_addresses(bytes((192, 168, 7, 1)), MASK, bytes(4))
    netif.sent.clear()
    met.netif.room = 0
    met.gets(echo())
    socket = UdpEndpoint(met.stack)
    assert socket.send_to(b"x", (bytes((192, 168, 7, 2)), 9)) == 1
    assert len(netif.sent) == 1
    assert socket.send_to(b"x", (PEER, 9)) is None


def test_what_is_sent_while_the_link_is_down_is_counted_and_lost(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.connect(PEER, 9)
    met.interface.link_down()
    assert socket.send_to(b"x") == 1  # the socket lives on: the link may come back
    met.after(5.0)
    met.sends()
    assert met.stack.stats["link_down"] > 0
    met.interface.link_up(LinkCaps(mac=OUR_MAC))
    met.knows_peer()
    with pytest.raises(OSError):
        socket.send_to(b"x")  # ARP had given up meanwhile; told once
    assert socket.send_to(b"y") == 1
    assert len(met.netif.sent) == 1


def test_a_link_that_goes_down_frees_its_queue_and_whoever_waits(met: Rig):
    met.netif.room = 0
    socket = UdpEndpoint(met.stack)
    socket.send_to(b"x", (PEER, 9))
    assert socket.send_to(b"x", (PEER, 9)) is None
    waiter = ScriptedWaiter()
    socket.wait_writable(waiter)
    met.interface.link_down()
    met.flush()
    assert waiter.woken
    met.drops(link_down=1)


def test_a_detached_interface_is_forgotten(met: Rig):
    interface = met.interface
    interface.detach()
    interface.detach()
    assert met.stack.interfaces == []
    assert not met.stack.ip.is_local(US)
    with pytest.raises(OSError) as caught:
        UdpEndpoint(met.stack).send_to(b"x", (PEER, 9))
    assert caught.value.errno == errno.ENETUNREACH
    met.gets(echo())
    met.sends()
    met.drops(ip_not_for_us=1)


def test_an_address_taken_away_is_no_longer_ours(met: Rig):
    met.interface.set_addresses(bytes(4), bytes(4), bytes(4))
    met.gets(echo())
    met.sends()
    met.drops(ip_not_for_us=1)


def test_the_limits_of_the_link_are_what_was_granted():
    rig = Rig(mtu=1400, gso_max=65535, tx_checksum=True)
    route = rig.stack.ip.route(PEER)
    assert (route.mtu, route.gso_max, route.tx_checksum) == (1400, 65535, True)
    rig.interface.set_mtu(1300)
    assert rig.stack.ip.renew(route)
    assert (route.mtu, route.gso_max) == (1300, 65535)
    plain = Rig(mtu=9000, gso_max=9000)
    plain.interface.set_mtu(1500)
    assert plain.stack.ip.route(PEER).gso_max == 1500


@pytest.mark.parametrize(("prefix", "broadcast"), [(24, b"\n\0\0\xff"), (30, b"\n\0\0\3"), (31, b""), (32, b"")])
def test_a_subnet_has_its_broadcast_address(rig: Rig, prefix: int, broadcast: bytes):
    mask = ((1 << 32) - (1 << 32 - prefix)).to_bytes(4, "big")
    rig.interface.set_addresses(US, mask, GATEWAY)
    assert rig.interface.broadcast == broadcast


def test_an_interface_says_what_it_is(rig: Rig):
    assert repr(rig.interface) == "<EthernetInterface eth0 10.0.0.1/24 up>"
    assert repr(rig.stack) == "<Stack us 10.0.0.1>"
    assert repr(rig.stack.ip.route(PEER)) == "<Route to 10.0.0.2 from 10.0.0.1 by eth0>"
