"""Packets to ourselves. RFC 1122 3.2.1.3 (g)."""

from __future__ import annotations

import pytest

from stack.echo import EchoEndpoint
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.rig import PEER, US, Rig, ScriptedWaiter, address, datagram

HOME = address("127.0.0.1")


def bound(rig: Rig, port: int, where: bytes = bytes(4)) -> UdpEndpoint:
    endpoint = UdpEndpoint(rig.stack)
    endpoint.bind(where, port)
    return endpoint


@pytest.mark.parametrize("dst", ["127.0.0.1", "127.255.0.3", "10.0.0.1"])
def test_what_we_send_to_ourselves_arrives_with_the_flush_and_leaves_no_wire(rig: Rig, dst: str):
    asking, answering = bound(rig, 9), bound(rig, 7)
    asking.send_to(b"hello", (address(dst), 7))
    assert answering.receive() is None
    assert rig.stack in rig.runtime.touched
    rig.flush()
    src = US if dst == "10.0.0.1" else HOME
    assert answering.receive() == (b"hello", (src, 9))
    rig.sends()
    rig.drops()


def test_a_reader_is_woken_by_the_same_flush(rig: Rig):
    socket = bound(rig, 7, HOME)
    waiter = ScriptedWaiter()
    socket.wait_readable(waiter)
    bound(rig, 9).send_to(b"x", (HOME, 7))
    rig.flush()
    assert waiter.woken


def test_the_largest_datagram_fits(rig: Rig):
    socket = bound(rig, 7)
    payload = bytes(range(256)) * 255
    bound(rig, 9).send_to(payload, (US, 7))
    rig.flush()
    assert socket.receive() == (payload, (US, 9))


def test_we_answer_our_own_ping_and_report_our_own_mistakes(rig: Rig):
    ping = EchoEndpoint(rig.stack)
    ping.send_echo(1, b"x", HOME)
    rig.flush()
    answer = ping.receive()
    assert answer is not None
    assert (answer.address, answer.payload) == (HOME, b"x")
    socket = UdpEndpoint(rig.stack)
    socket.connect(US, 4242)
    socket.send_to(b"nobody there")
    rig.flush()
    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        socket.receive()


def test_a_socket_at_a_loopback_address_is_not_heard_from_outside(met: Rig):
    socket = bound(met, 7, HOME)
    met.gets(datagram(b"x"))
    assert socket.receive() is None
    met.drops(udp_no_socket=1)


def test_it_works_without_any_link():
    rig = Rig(addressed=False)
    rig.interface.detach()
    socket = bound(rig, 7)
    bound(rig, 9).send_to(b"x", (HOME, 7))
    rig.flush()
    assert socket.receive() == (b"x", (HOME, 9))


def test_a_full_loopback_blocks_who_asks_and_drops_what_does_not():
    rig = Rig(limits=Limits(interface_queue_frames=4))
    sender, receiver = bound(rig, 9), bound(rig, 7)
    accepted = 0
    while sender.send_to(b"x", (HOME, 7)) is not None:
        accepted += 1
    assert accepted == 4
    waiter = ScriptedWaiter()
    sender.wait_writable(waiter)
    route = rig.stack.ip.route(HOME)
    for _ in range(10):
        rig.stack.ip.send(route, 99, b"12345678", (), 8)
    rig.flush()
    assert waiter.woken
    assert rig.stack.stats["loopback_queue_full"] == 6
    assert sender.send_to(b"x", (HOME, 7)) == 1
    rig.flush()
    assert sum(receiver.receive() is not None for _ in range(10)) == 5


def test_two_that_answer_each_other_for_ever_do_not_hold_up_the_turn(rig: Rig):
    class Echoing(UdpEndpoint):
        __slots__ = ("heard",)

        def flush(self, now: float) -> None:
            while (datagram := self.receive()) is not None:
                self.heard += 1
                self.send_to(*datagram)

    ends = [Echoing(rig.stack) for _ in range(2)]
    for port, end in enumerate(ends, 7):
        end.heard = 0
        end.bind(HOME, port)
    ends[0].send_to(b"x", (HOME, 8))
    rig.flush()
    assert sum(end.heard for end in ends) <= rig.stack.limits.flush_rounds
    assert rig.stack.stats["flush_deferred"] == 1
    assert rig.stack in rig.runtime.touched  # the rest is for the next turn
    before = ends[0].heard
    rig.flush()
    assert ends[0].heard > before


def test_packets_for_others_do_not_go_round_in_circles(rig: Rig):
    bound(rig, 9).send_to(b"x", (PEER, 7))
    rig.flush()
    assert len(rig.netif.sent) == 1
