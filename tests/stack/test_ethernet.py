from __future__ import annotations

from contextlib import suppress

import pytest

from netif.errors import NoMem
from netif.link import LinkCaps, Medium
from netif.wire import ethernet
from stack.ethernet import group_mac
from stack.limits import Limits
from tests.stack.rig import OTHER_MAC, OUR_MAC, PEER, PEER_MAC, US, Rig, address, asks, datagram, echo

GROUP = address("239.129.2.3")


def test_a_frame_to_our_mac_is_taken(met: Rig):
    met.gets(echo())
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")


def test_a_frame_for_another_host_is_counted_and_never_answered(met: Rig):
    met.gets(echo(to=OTHER_MAC))
    met.sends()
    met.drops(ethernet_other_host=1)


def test_a_frame_to_a_group_that_nobody_joined_is_for_others(met: Rig):
    met.gets(datagram(b"x", dst=GROUP, to=group_mac(GROUP)))
    met.drops(ethernet_other_host=1)


def test_a_group_has_the_mac_of_its_low_23_bits():
    assert group_mac(GROUP) == bytes.fromhex("01005e010203")  # RFC 1112 6.4


def test_a_joined_group_is_heard_until_it_is_left_as_often(met: Rig):
    met.interface.join(GROUP)
    met.interface.join(GROUP)
    met.interface.leave(GROUP)
    met.gets(datagram(b"x", dst=GROUP, to=group_mac(GROUP)))
    met.interface.leave(GROUP)
    met.gets(datagram(b"x", dst=GROUP, to=group_mac(GROUP)))
    met.drops(udp_no_socket=1, ethernet_other_host=1)


def test_groups_that_share_a_mac_do_not_leave_for_each_other(met: Rig):
    twin = address("238.1.2.3")
    assert group_mac(twin) == group_mac(GROUP)
    met.interface.join(GROUP)
    met.interface.join(twin)
    met.interface.leave(twin)
    met.gets(datagram(b"x", dst=GROUP, to=group_mac(GROUP)))
    met.drops(udp_no_socket=1)


def test_groups_are_bounded():
    rig = Rig(limits=Limits(groups=3))
    for last in range(5):
        with suppress(NoMem):
            rig.interface.join(bytes((239, 0, 0, last)))
    assert len(rig.interface.groups) == 3
    assert rig.stack.stats["groups_full"] == 3


@pytest.mark.parametrize("ethertype", [ethernet.IPV6, ethernet.VLAN, 0x88CC, 0x0003])
def test_other_ethertypes_are_counted(rig: Rig, ethertype: int):
    rig.gets(ethernet.emit(OUR_MAC, PEER_MAC, ethertype) + bytes(50))
    rig.sends()
    rig.drops(ethernet_type=1)


def test_a_frame_shorter_than_its_header_is_counted(rig: Rig):
    rig.gets(b"", bytes(13))
    rig.drops(ethernet_header_short=2)


def test_frames_may_come_as_any_buffer(met: Rig):
    met.gets(bytearray(echo()), memoryview(bytearray(echo())))
    assert len(met.netif.sent) == 2


def test_a_new_mac_is_told_and_used(met: Rig):
    met.interface.set_mac(OTHER_MAC)
    (announcement,) = met.frames()
    assert announcement[6:12] == OTHER_MAC
    met.gets(echo(), echo(to=OTHER_MAC))
    met.drops(ethernet_other_host=1)
    met.sends("who-has 10.0.0.2 tell 10.0.0.1")


def test_a_driver_of_another_medium_is_refused(rig: Rig):
    with pytest.raises(ValueError, match="eth0 speaks ethernet, its driver offers point-to-point"):
        rig.interface.link_up(LinkCaps(mac=b"", medium=Medium.POINT_TO_POINT))


def test_the_forwarding_hook_sees_every_frame_before_any_check(met: Rig):
    taken: list[bytes] = []

    def forward(interface: object, frame: object, offload: object) -> bool:
        taken.append(bytes(frame))  # type: ignore[call-overload]
        return frame[:6] != OUR_MAC  # type: ignore[index]

    met.stack.forward = forward
    stranger, ours = echo(to=OTHER_MAC, dst=address("10.9.9.9")), echo()
    met.gets(stranger, ours, asks(PEER, US))
    assert taken == [stranger, ours, asks(PEER, US)]
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")
    met.drops()
