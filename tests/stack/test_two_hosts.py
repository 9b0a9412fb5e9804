"""Whole hosts, joined by a pair or a switch, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from netif.wire import icmp
from stack.echo import EchoEndpoint
from stack.stack import Stack
from stack.udp import UdpEndpoint
from tapio import Switch, pair
from tests.stack.rig import address


@pytest.fixture
def runtime() -> Iterator[VirtualRuntime]:
    runtime = VirtualRuntime(seed=1)
    yield runtime
    runtime.check()
    runtime.close()


def test_a_ping_and_a_datagram_cross_a_pair(runtime: VirtualRuntime):
    left_end, right_end = pair()
    with (
        Stack("left", runtime=runtime) as left,
        Stack("right", runtime=runtime) as right,
        Netif(left_end, stack=left, ip="10.0.0.1/24"),
        Netif(right_end, stack=right, ip="10.0.0.2/24"),
    ):
        runtime.enter()
        ping, asking, answering = EchoEndpoint(left), UdpEndpoint(left), UdpEndpoint(right)
        answering.bind(bytes(4), 7)
        ping.send_echo(1, b"x" * 1000, address("10.0.0.2"))
        asking.send_to(b"hello", (address("10.0.0.2"), 7))
        runtime.leave()
        runtime.run_until(lambda: ping.readable() and answering.readable())
        reply, datagram = ping.receive(), answering.receive()
        assert reply is not None
        assert datagram is not None
        assert (reply.kind, reply.payload) == (icmp.ECHO_REPLY, b"x" * 1000)
        assert datagram[0] == b"hello"
        assert left.stats.drops() == {"arp_not_for_us": 1}  # the announcement of the one that came later
        assert right.stats.drops() == {}


def test_whoever_is_not_there_is_reported_after_three_seconds(runtime: VirtualRuntime):
    end, _ = pair()
    with Stack("alone", runtime=runtime) as alone, Netif(end, stack=alone, ip="10.0.0.1/24"):
        runtime.enter()
        ping = EchoEndpoint(alone)
        began = runtime.now()
        ping.send_echo(1, b"", address("10.0.0.9"))
        runtime.leave()
        runtime.run_until(ping.readable)
        assert runtime.now() - began == pytest.approx(3.0)
        with pytest.raises(OSError, match="No route to host"):
            ping.receive()


def test_twenty_hosts_on_a_switch_all_hear_a_broadcast_and_one_hears_each_answer(runtime: VirtualRuntime):
    switch = Switch()
    stacks = [Stack(f"host{n}", runtime=runtime) for n in range(20)]
    netifs = [Netif(switch.port(), stack=stack, ip=f"10.0.0.{n}/24") for n, stack in enumerate(stacks, 1)]
    try:
        runtime.enter()
        sockets = [UdpEndpoint(stack) for stack in stacks]
        for socket in sockets:
            socket.bind(bytes(4), 7)
        sockets[0].broadcast = True
        sockets[0].send_to(b"who is there?", (b"\xff" * 4, 7))
        runtime.leave()
        runtime.run_until(lambda: all(socket.readable() for socket in sockets[1:]))
        runtime.enter()
        for n, socket in enumerate(sockets[1:]):
            datagram = socket.receive()
            assert datagram is not None
            socket.send_to(b"%d" % n, datagram[1])
        runtime.leave()
        heard: list[bytes] = []

        def all_heard() -> bool:
            while (datagram := sockets[0].receive()) is not None:
                heard.append(datagram[0])
            return len(heard) == 19

        runtime.run_until(all_heard)
        assert sorted(map(int, heard)) == list(range(19))
        assert all(stack.stats["internal_error"] == 0 for stack in stacks)
    finally:
        for netif in netifs:
            netif.close()
        for stack in stacks:
            stack.close()


def test_a_host_that_leaves_takes_its_timers_along(runtime: VirtualRuntime):
    left_end, right_end = pair()
    with Stack("left", runtime=runtime) as left, Netif(left_end, stack=left, ip="10.0.0.1/24"):
        with Stack("right", runtime=runtime) as right, Netif(right_end, stack=right, ip="10.0.0.2/24"):
            runtime.enter()
            UdpEndpoint(left).send_to(b"x", (address("10.0.0.2"), 7))
            runtime.leave()
            runtime.run_for(0.1)
            assert right.stats.drops() == {"udp_no_socket": 1}
        assert right.next_deadline() is None
        assert not right.pending()
