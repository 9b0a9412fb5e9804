"""Raw Ethernet by ethertype, as ESP-IDF's L2TAP: who gets which frame, and what may be sent."""

from __future__ import annotations

import asyncio
import errno

import pytest

from netif import Lan, Netif, Stack, VirtualRuntime, pair
from netif.link import PARTIAL, Offload
from netif.wire import ethernet
from netif.wire.checksum import fold, partial_sum
from stack.l2tap import L2Tap
from stack.limits import Limits
from tests.stack.rig import OUR_MAC, PEER_MAC, Rig, ScriptedWaiter, datagram, echo

TEST, OTHER = 0x88B5, 0x88B6  # IEEE 802, local experimental ethertypes


def frame(payload: bytes = b"hello", ethertype: int = TEST, dst: bytes = OUR_MAC, src: bytes = PEER_MAC) -> bytes:
    return ethernet.emit(dst, src, ethertype) + payload


def fails(number: int, call: object, *arguments: object) -> str:
    with pytest.raises(OSError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.errno == number
    return str(caught.value)


def test_frames_of_its_ethertype_come_whole_and_go_to_nobody_else(met: Rig):
    tap = L2Tap(met.interface, TEST)
    waiter = ScriptedWaiter()
    tap.wait_readable(waiter)
    met.gets(frame(), frame(ethertype=OTHER))
    assert waiter.woken
    assert tap.receive() == frame()
    assert tap.receive() is None
    met.drops(ethernet_type=1)


def test_it_hears_its_own_mac_everybodys_and_groups_that_it_joined(met: Rig):
    tap = L2Tap(met.interface, TEST)
    ptp = bytes.fromhex("011b19000000")
    for dst in (b"\xff" * 6, ptp, PEER_MAC):
        met.gets(frame(dst=dst))
    assert tap.receive() == frame(dst=b"\xff" * 6)
    assert tap.receive() is None
    tap.join(ptp)
    tap.join(ptp)
    met.gets(frame(dst=ptp))
    assert tap.receive() == frame(dst=ptp)
    tap.close()
    met.gets(frame(dst=ptp))
    met.drops(ethernet_other_host=3)


def test_0_is_all_frames_with_a_length(met: Rig):
    """IEEE 802.3 3.2.6: up to 1500 it is a length, from 1536 on a type."""
    tap = L2Tap(met.interface, 0)
    met.gets(*(frame(ethertype=field) for field in (0, 5, 1500, 1501, 1535, TEST)))
    assert [tap.receive() for _ in range(4)] == [*(frame(ethertype=field) for field in (0, 5, 1500)), None]
    met.drops(ethernet_type=3)
    assert tap.send(frame(ethertype=38, src=OUR_MAC, dst=PEER_MAC)) == 19


def test_its_stack_wants_all_broadcasts_while_it_is_there_and_ends_it(met: Rig):
    tap, second = L2Tap(met.interface, TEST), L2Tap(met.interface, OTHER)
    assert met.stack.overhearing
    tap.close()
    assert met.stack.overhearing
    second.close()
    assert not met.stack.overhearing
    left = L2Tap(met.interface, TEST)
    met.stack.close(0)
    fails(errno.ENETDOWN, left.receive)
    assert left.closed


def test_an_ethertype_of_an_interface_is_had_once(met: Rig):
    tap = L2Tap(met.interface, TEST)
    L2Tap(met.interface, OTHER)
    says = fails(errno.EADDRINUSE, L2Tap, met.interface, TEST)
    assert "ethertype 0x88b5 of eth0 is taken" in says
    tap.close()
    tap.close()
    L2Tap(met.interface, TEST)


@pytest.mark.parametrize(
    ("ethertype", "says"),
    [
        (0x0800, "ethertype 0x0800 is the stack's own"),
        (0x0806, "ethertype 0x0806 is the stack's own"),
        (5, "5 is no ethertype: give one from 0x600 to 0xffff"),
        (0x10000, "65536 is no ethertype"),
        (-1, "-1 is no ethertype"),
        (True, "True is no ethertype"),
        ("0x88B5", "'0x88B5' is no ethertype"),
    ],
)
def test_what_is_none_to_be_had_is_said(met: Rig, ethertype: int, says: str):
    with pytest.raises(ValueError, match=says.replace("(", ".")):
        L2Tap(met.interface, ethertype)
    assert not met.stack.l2taps


def test_what_is_sent_is_the_users_own_frame(met: Rig):
    tap = L2Tap(met.interface, TEST)
    sent = frame(src=OUR_MAC, dst=PEER_MAC)
    assert tap.send(sent) == len(sent)
    assert met.frames()[-1] == sent


def test_what_may_not_be_sent_is_refused_in_words(met: Rig):
    tap = L2Tap(met.interface, TEST)
    assert "end in 0x88b5" in fails(errno.EBADMSG, tap.send, frame(ethertype=OTHER, src=OUR_MAC))
    fails(errno.EBADMSG, tap.send, frame()[:13])
    assert "the source of a frame of eth0 is" in fails(errno.EADDRNOTAVAIL, tap.send, frame())
    fails(errno.EMSGSIZE, tap.send, frame(bytes(1501), src=OUR_MAC))
    assert tap.send(frame(bytes(1500), src=OUR_MAC)) == 1514
    tap.close()
    fails(errno.EBADF, tap.send, frame(src=OUR_MAC))


def test_another_source_is_allowed_to_who_asked(met: Rig):
    tap = L2Tap(met.interface, TEST, any_source=True)
    assert tap.send(frame(dst=OUR_MAC)) == len(frame())


def test_a_driver_that_is_full_makes_it_wait(met: Rig):
    tap = L2Tap(met.interface, TEST)
    met.netif.room = 0
    assert tap.send(frame(src=OUR_MAC)) == len(frame())  # kept in the interface's queue
    assert tap.send(frame(src=OUR_MAC)) is None
    assert not tap.writable()
    waiter = ScriptedWaiter()
    tap.wait_writable(waiter)
    met.netif.room = None
    met.interface.writable()
    met.flush()
    assert waiter.woken
    assert tap.send(frame(src=OUR_MAC)) == len(frame())


def test_its_queue_is_bounded_and_the_last_are_dropped():
    rig = Rig(limits=Limits(udp_queue_bytes=3 * (256 + 19)))
    tap = L2Tap(rig.interface, TEST)
    rig.gets(*(frame(b"%05d" % n) for n in range(5)))
    assert [tap.receive() for _ in range(4)] == [*(frame(b"%05d" % n) for n in range(3)), None]
    rig.drops(l2tap_queue_full=2)


def test_an_unfinished_frame_is_finished_for_it(met: Rig):
    """Frames of other protocols that bear IP, such as 802.1Q's: as they would be on a cable."""
    tap = L2Tap(met.interface, ethernet.VLAN)
    whole = datagram(b"x" * 300)
    tagged = whole[:12] + b"\x81\x00\x00\x0a" + whole[12:]
    pseudo = partial_sum(whole[26:34]) + 17 + 308
    unfinished = tagged[:44] + fold(pseudo).to_bytes(2, "big") + tagged[46:]
    met.gets(unfinished, offload=Offload(PARTIAL, 38, 6))
    assert tap.receive() == tagged
    met.gets(unfinished, offload=Offload(PARTIAL, 38, 6, 100))
    assert [len(tap.receive() or b"") for _ in range(4)] == [146, 146, 146, 0]
    met.gets(tagged[:30], offload=Offload(PARTIAL, 38, 6))
    met.drops(gso_format=1)


def test_ip_and_arp_go_their_way(met: Rig):
    L2Tap(met.interface, TEST)
    met.gets(echo())
    met.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")


def test_without_a_link_nothing_is_sent(met: Rig):
    tap = L2Tap(met.interface, TEST)
    met.interface.link_down()
    assert "eth0 is down" in fails(errno.ENETDOWN, tap.send, frame(src=OUR_MAC))


# as sockets


def test_two_hosts_on_a_lan_talk_without_ip():
    with Lan(seed=1) as lan:
        one, other, third = lan.host("one"), lan.host("other"), lan.host("third")
        with one.stack.l2tap(one.netif, TEST) as s, other.stack.l2tap(other.netif, TEST) as t:
            served = other.spawn(lambda: echo_once(t, other.netif.mac))
            s.send(frame(b"for all", dst=b"\xff" * 6, src=one.netif.mac))
            lan.run_until(served.done)
            answer = frame(b"FOR ALL", dst=one.netif.mac, src=other.netif.mac)
            assert s.recv(2000) == answer
            assert s.getsockname() == (one.netif.if_key, TEST)
            t.settimeout(0)
            with pytest.raises(BlockingIOError):
                t.recv(2000)
        assert third.stack.stats["ethernet_type"] == 0  # the switch knows who wants such broadcasts


def echo_once(t, mac):
    got = t.recv(2000)
    t.send(got[6:12] + mac + got[12:14] + got[14:].upper())


def test_it_can_be_awaited():
    async def scene():
        async with Lan(seed=1, clock="asyncio") as lan:
            one, other = lan.host("one"), lan.host("other")
            async with one.stack.aio.l2tap(one.netif, TEST) as s, other.stack.aio.l2tap(other.netif, TEST) as t:
                sent = frame(dst=other.netif.mac, src=one.netif.mac)
                await s.send(sent)
                return await asyncio.wait_for(t.recv(2000), 5) == sent

    assert asyncio.run(scene())


def test_a_socket_times_out_and_outlives_a_restart_with_its_groups():
    runtime = VirtualRuntime(seed=1)
    near, far = pair()
    group = "01:1b:19:00:00:00"
    with Stack("a", runtime=runtime) as a, Stack("b", runtime=runtime) as b:
        Netif(near, stack=a, ip="10.0.0.1/24", if_key="LEFT")
        netif = Netif(far, stack=b, ip="10.0.0.2/24", if_key="RIGHT")
        with a.l2tap("LEFT", TEST, any_source=True) as s, b.l2tap(netif, TEST) as t:
            t.settimeout(2)
            t.join(group)
            assert timed_out(runtime, t)
            assert runtime.now() == 2
            netif.stop()
            netif.start()
            netif.connected()
            s.send(frame(dst=ethernet.parse_mac(group)))
            runtime.run_for(0.1)
            assert t.recv(2000) == frame(dst=ethernet.parse_mac(group))
        with pytest.raises(OSError, match="No such device"):
            a.l2tap("NONE", TEST)
        assert fails(errno.EBADF, s.recv, 10)


def timed_out(runtime, t):
    def ask():
        with pytest.raises(TimeoutError):
            t.recv(10)
        return True

    asked = runtime.spawn(ask)
    runtime.run_until(asked.done)
    return asked.result()
