"""Groups with the kernel: a bridge that snoops IGMP delivers what is joined and nothing else, sockets exchange."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netif import Netif, Stack, Tap, ThreadedRuntime
from tests.host.namespaces import Namespace, namespace, run, wait_until

pytestmark = pytest.mark.host

GROUP, OTHER, PORT = "239.1.2.3", "239.9.9.9", 5007
ONE, TWO, FAR = "192.168.5.101", "192.168.5.102", "192.168.5.9"
QUICK = {  # hundredths of a second
    "mcast_query_interval": 100,
    "mcast_startup_query_interval": 100,
    "mcast_query_response_interval": 20,
    "mcast_last_member_interval": 10,
    "mcast_membership_interval": 400,
}
ADD, DROP, ADD_SOURCE, BLOCK_SOURCE = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP, 39, 38


class Bridge:
    """A namespace with a bridge that is the querier, TAPs on it, and a namespace `far` on another of its ports."""

    def __init__(self, ns: Namespace, far: Namespace, version: int) -> None:
        self.ns, self.far = ns, far
        timers = [word for name, value in QUICK.items() for word in (name, str(value))]
        ns.ip(
            "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_igmp_version", str(version), *timers
        )
        ns.ip("link", "set", "br0", "type", "bridge", "mcast_querier", "1")  # when its timers are what they shall be
        run("ip", "link", "add", "v0", "netns", ns.name, "type", "veth", "peer", "name", "v0", "netns", far.name)
        ns.ip("link", "set", "v0", "master", "br0")
        far.ip("address", "add", f"{FAR}/24", "dev", "v0")
        for side, device in ((ns, "br0"), (ns, "v0"), (far, "v0")):
            side.ip("link", "set", device, "up")

    def tap(self, name: str) -> str:
        self.ns.ip("tuntap", "add", "dev", name, "mode", "tap")
        self.ns.ip("link", "set", name, "master", "br0")
        self.ns.ip("link", "set", name, "up")
        return name

    def members(self) -> set[tuple[str, str]]:
        """(port, group) of what the bridge has learnt."""
        return set(re.findall(r"port (\S+) grp (\S+)", self.ns.exec("bridge", "mdb", "show").stdout))

    def details(self) -> str:
        return self.ns.exec("bridge", "-d", "-s", "mdb", "show").stdout

    def remaining(self, port: str) -> float:
        """Seconds until the bridge forgets this port's membership."""
        found = re.search(rf"port {port} grp {GROUP}.*?(\d+\.\d+)", self.details())
        return float(found[1]) if found else 0.0


@pytest.fixture(params=[2, 3], ids=["IGMPv2", "IGMPv3"])
def bridge(request: pytest.FixtureRequest) -> Iterator[Bridge]:
    with namespace() as ns, namespace() as far:
        yield Bridge(ns, far, request.param)


@pytest.fixture
def host(bridge: Bridge) -> Iterator[Callable[..., Any]]:
    """host(device, ip): one of ours on a TAP of the bridge."""
    with ExitStack() as closing:
        runtime = ThreadedRuntime(strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)

        def on_a_tap(device: str, ip: str) -> Any:
            bridge.tap(device)
            driver = bridge.ns.call(lambda: Tap(device))
            made = closing.enter_context(Stack(device, runtime=runtime))
            closing.enter_context(Netif(driver, stack=made, ip=f"{ip}/24"))
            bridge.ns.settle(device)
            wait_until(lambda: "state forwarding" in bridge.ns.exec("bridge", "link", "show", "dev", device).stdout)
            return made

        yield on_a_tap


def mreq(group: str) -> bytes:
    return socket.inet_aton(group) + bytes(4)


def listener(made: Any, group: str = "", port: int = PORT) -> Any:
    """A socket at the port, in the group if there is one."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", port))
    made.settimeout(10)
    if group:
        made.setsockopt(socket.IPPROTO_IP, ADD, mreq(group))
    return made


def udp(stack: Any) -> Any:
    return stack.socket(socket.AF_INET, socket.SOCK_DGRAM)


def arriving(stack: Any) -> list[str]:
    """The destinations of all IP packets that come to this host's port from now on, for it or not."""
    seen: list[str] = []

    def look(interface: object, frame: Any, offload: object) -> bool:
        if frame[12:14] == b"\x08\0":
            seen.append(socket.inet_ntoa(bytes(frame[30:34])))
        return False

    stack.forward = look
    return seen


def snooping(speaker: socket.socket, *stacks: Any) -> None:
    """Until the bridge keeps to what it has learnt: it does once it has been the querier for a while."""
    speaker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(FAR))

    def holds() -> bool:
        seen = [arriving(stack) for stack in stacks]
        speaker.sendto(b"is anybody there?", ("239.77.77.77", 7))
        settled(speaker, *stacks)
        return not any("239.77.77.77" in each for each in seen)

    wait_until(holds, 20.0, "snooping")


def settled(speaker: socket.socket, *stacks: Any) -> None:
    """Until all that `speaker` has sent so far is where it belongs: a broadcast follows it everywhere."""
    before = [stack.stats["udp_no_socket"] for stack in stacks]
    speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    speaker.sendto(b"that was all", ("192.168.5.255", 9))
    wait_until(lambda: all(stack.stats["udp_no_socket"] > n for stack, n in zip(stacks, before, strict=True)))


def test_the_bridge_delivers_a_group_to_those_who_joined(bridge, host):
    one, two = host("tap1", ONE), host("tap2", TWO)
    with bridge.far.socket(socket.SOCK_DGRAM) as theirs, listener(udp(one), GROUP) as ours, listener(udp(two)) as deaf:
        wait_until(lambda: ("tap1", GROUP) in bridge.members())
        assert ("tap2", GROUP) not in bridge.members()
        snooping(theirs, one, two)
        seen = arriving(two)
        for n in range(50):
            theirs.sendto(b"%d" % n, (GROUP, PORT))
            assert ours.recvfrom(100) == (b"%d" % n, (FAR, theirs.getsockname()[1]))
        settled(theirs, two)
        assert GROUP not in seen  # it did not even come to its port
        deaf.settimeout(0)
        with pytest.raises(BlockingIOError):
            deaf.recv(100)


def test_who_leaves_is_forgotten_by_the_bridge_and_who_stays_is_not(bridge, host):
    one, two = host("tap1", ONE), host("tap2", TWO)
    with listener(udp(one), GROUP) as leaving, listener(udp(two), GROUP):
        wait_until(lambda: {("tap1", GROUP), ("tap2", GROUP)} <= bridge.members())
        leaving.setsockopt(socket.IPPROTO_IP, DROP, mreq(GROUP))
        wait_until(lambda: ("tap1", GROUP) not in bridge.members(), 10.0)
        assert ("tap2", GROUP) in bridge.members()


def test_a_socket_that_closes_leaves_and_so_does_a_netif(bridge, host):
    one = host("tap1", ONE)
    with listener(udp(one), GROUP):
        wait_until(lambda: ("tap1", GROUP) in bridge.members())
    wait_until(lambda: ("tap1", GROUP) not in bridge.members(), 10.0)
    held = listener(udp(one), OTHER)
    wait_until(lambda: ("tap1", OTHER) in bridge.members())
    one.close()
    wait_until(lambda: ("tap1", OTHER) not in bridge.members(), 10.0)
    held.close()


def test_the_bridges_queries_are_answered(bridge, host):
    """It forgets who has not answered for 4 s; each answer starts that anew."""
    with listener(udp(host("tap1", ONE)), GROUP):
        wait_until(lambda: bridge.remaining("tap1") > 0)
        for _ in range(3):
            low = bridge.remaining("tap1")
            wait_until(lambda low=low: bridge.remaining("tap1") < low, what="the membership's timer")
            wait_until(lambda: bridge.remaining("tap1") > 3.5, what="an answer to a query")


def test_a_link_that_comes_back_is_a_member_again(bridge, host):
    one = host("tap1", ONE)
    (netif,) = one.registry
    with listener(udp(one), GROUP):
        wait_until(lambda: ("tap1", GROUP) in bridge.members())
        netif.disconnected()
        bridge.ns.exec("bridge", "mdb", "del", "dev", "br0", "port", "tap1", "grp", GROUP, check=False)
        wait_until(lambda: ("tap1", GROUP) not in bridge.members(), 10.0)
        netif.connected()
        wait_until(lambda: ("tap1", GROUP) in bridge.members())


def test_multicasts_go_both_ways_between_the_kernels_sockets_and_ours(bridge, host):
    one = host("tap1", ONE)
    theirs = listener(bridge.far.socket(socket.SOCK_DGRAM))
    with theirs, listener(udp(one), GROUP) as ours:
        theirs.setsockopt(socket.IPPROTO_IP, ADD, socket.inet_aton(GROUP) + socket.inet_aton(FAR))
        theirs.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(FAR))
        wait_until(lambda: {("tap1", GROUP), ("v0", GROUP)} <= bridge.members())
        for size in (0, 1, 1000, 1472, 5000, 60000):
            ours.sendto(b"o" * size, (GROUP, PORT))
            for who in (theirs, ours):  # who sends hears itself
                assert who.recvfrom(65536) == (b"o" * size, (ONE, PORT))
            theirs.sendto(b"t" * size, (GROUP, PORT))
            for who in (theirs, ours):
                assert who.recvfrom(65536) == (b"t" * size, (FAR, PORT))


@pytest.mark.parametrize("bridge", [3], indirect=True)
def test_the_bridge_learns_our_source_filters(bridge, host):
    """IGMPv3: the bridge keeps away what is not wanted."""
    one = host("tap1", ONE)
    alone = struct.pack("4s4s4s", socket.inet_aton(GROUP), bytes(4), socket.inet_aton(FAR))
    with listener(udp(one)) as ours, bridge.far.socket(socket.SOCK_DGRAM) as theirs:
        ours.setsockopt(socket.IPPROTO_IP, ADD_SOURCE, alone)
        learnt = rf"port tap1 grp {GROUP} .*filter_mode include source_list {FAR}"
        wait_until(lambda: re.search(learnt, bridge.details()))
        snooping(theirs, one)
        theirs.sendto(b"wanted", (GROUP, PORT))
        assert ours.recv(100) == b"wanted"
        bridge.far.ip("address", "add", "192.168.5.8/24", "dev", "v0")
        seen = arriving(one)
        with bridge.far.socket(socket.SOCK_DGRAM) as stranger:
            stranger.bind(("192.168.5.8", 0))
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.5.8"))
            stranger.sendto(b"unwanted", (GROUP, PORT))
            settled(stranger, one)
        assert GROUP not in seen
        theirs.sendto(b"the last", (GROUP, PORT))
        assert ours.recv(100) == b"the last"


@pytest.mark.parametrize("bridge", [3], indirect=True)
def test_two_hundred_groups_are_all_learnt(bridge, host):
    one = host("tap1", ONE)
    groups = [f"239.2.{n >> 5}.{n & 31}" for n in range(200)]
    with ExitStack() as closing:
        for at in range(0, 200, 20):  # as many as a socket may have
            made = closing.enter_context(udp(one))
            for group in groups[at : at + 20]:
                made.setsockopt(socket.IPPROTO_IP, ADD, mreq(group))
        wait_until(lambda: {("tap1", group) for group in groups} <= bridge.members())
    wait_until(lambda: not any(port == "tap1" for port, _ in bridge.members()), 10.0)
