"""VLANs of ours with the kernel in between: its bridge carries frames with tags, cuts and finishes them for a port that
takes no offload, and a packet socket says which tags it sees."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from components.trunk import VlanTrunk
from netif import Netif, Packet, Stack, Tap, ThreadedRuntime
from netif.link import Driver
from tapio import Sniff, Vlan
from tests.host.namespaces import Namespace, namespace
from tests.host.test_patch_host import Longest, taken

pytestmark = pytest.mark.host

TOTAL = 4 << 20  # bytes
SOL_PACKET, PACKET_AUXDATA = 263, 8


@pytest.fixture(scope="module")
def hub() -> Iterator[Namespace]:
    """A bridge with the ports tap0, tap1 and a veth whose other end is v0."""
    with namespace() as made:
        made.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        made.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        for name in ("tap0", "tap1"):
            made.exec("ip", "tuntap", "add", "dev", name, "mode", "tap")
        for name in ("tap0", "tap1", "v1"):
            made.ip("link", "set", name, "txqueuelen", "10000", "master", "br0", "up")
        for name in ("br0", "v0"):
            made.ip("link", "set", name, "up")
        yield made


WIRES: dict[str, Callable[[str], Driver]] = {
    "tap0": lambda ns: Tap("tap0", netns=ns),
    "tap1": lambda ns: Tap("tap1", netns=ns),
    "plain tap1": lambda ns: Tap("tap1", netns=ns, offload=False),
    "v0": lambda ns: Packet("v0", netns=ns),
}


def opened(hub: Namespace, *names: str) -> list[Driver]:
    drivers = [WIRES[name](hub.name) for name in names]
    for name in names:
        if "tap" in name:
            hub.settle(name.split()[-1])
    hub.settle_bridge(len({*names} - {"v0"}) + 1)
    return drivers


def bulk(sender: Stack, receiver: Stack, runtime: ThreadedRuntime) -> None:
    data = os.urandom(TOTAL)
    with receiver.create_server(("", 7)) as listener:
        digest = runtime.spawn(lambda: taken(listener.accept()[0]))
        with sender.create_connection(("10.0.0.2", 7), 10) as s:
            s.sendall(data)
        assert digest.result(30) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("near", "far"), [("tap0", "tap1"), ("tap0", "plain tap1"), ("plain tap1", "tap0"), ("v0", "tap1"), ("tap0", "v0")]
)
@pytest.mark.parametrize("depth", [1, 2])
def test_frames_with_tags_pass_the_kernel_whole_and_right(hub: Namespace, near: str, far: str, depth: int):
    longest = Longest()
    inner, other = opened(hub, near, far)
    one: Driver = Sniff(inner, longest)
    for vid in (100, 10)[-depth:]:
        one, other = Vlan(one, vid, priority=3), Vlan(other, vid)
    with (
        closing(ThreadedRuntime()) as runtime,
        Stack("near", runtime=runtime) as sender,
        Stack("far", runtime=runtime) as receiver,
        Netif(one, stack=sender, ip="10.0.0.1/24") as netif,
        Netif(other, stack=receiver, ip="10.0.0.2/24"),
    ):
        assert netif.mtu == (1500 if depth == 1 else 1496)
        bulk(sender, receiver, runtime)
        drops = {**sender.stats.drops(), **receiver.stats.drops()}
        assert not {reason for reason in drops if "checksum" in reason or "header" in reason}
        if not near.startswith("plain"):
            assert longest.of["out"] > 20_000
    assert getattr(inner, "refused", 0) == 0


def test_several_vlans_share_one_tap(hub: Namespace):
    near, far = opened(hub, "tap0", "tap1")
    with ExitStack() as steps:
        runtime = steps.enter_context(closing(ThreadedRuntime()))
        trunks = [steps.enter_context(VlanTrunk(driver, runtime=runtime)) for driver in (near, far)]
        for vid in (10, 20):
            ends = []
            for n, trunk in enumerate(trunks, 1):
                stack = steps.enter_context(Stack(f"{n} on {vid}", runtime=runtime))
                steps.enter_context(Netif(trunk.vlan(vid), stack=stack, ip=f"10.0.0.{n}/24"))
                ends.append(stack)
            bulk(*ends, runtime)
        for trunk in trunks:
            assert trunk.patch.other.malformed + trunk.patch.other.too_long == 0


def test_tags_within_tags_are_what_a_packet_socket_sees(hub: Namespace):
    """The kernel takes the outer tag off what it shows, and says it beside (packet(7), PACKET_AUXDATA)."""
    seen: Any = hub.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    with seen, closing(ThreadedRuntime()) as runtime, Stack(runtime=runtime) as stack:
        seen.bind(("v1", 3))
        seen.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        seen.settimeout(5)
        driver = Vlan(Vlan(Packet("v0", netns=hub.name), 100, priority=1), 7)
        with Netif(driver, stack=stack, ip="10.9.9.9/24"):  # tells its address
            tci = None
            while tci != 0x2064:
                frame, said, _, _ = seen.recvmsg(2000, 200)
                for level, kind, data in said:
                    if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                        tci = int.from_bytes(data[16:18], "little")
    assert frame[:6] == b"\xff" * 6
    assert frame[12:18] == bytes.fromhex("810000070806")


def test_a_frame_of_the_kernels_packet_socket_is_taken_by_its_tag(hub: Namespace):
    raw: Any = hub.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    (driver,) = opened(hub, "tap0")
    with raw, closing(ThreadedRuntime()) as runtime, Stack(runtime=runtime) as stack:
        raw.bind(("v0", 3))
        raw.settimeout(5)
        vlan = Vlan(driver, 10)
        with Netif(vlan, stack=stack, ip="10.0.0.1/24", mac="02:00:00:00:00:10"):
            ask = bytes.fromhex("00010800060400010200000000990a0000020000000000000a000001")
            for tag in ("8100000b", "8100600a"):
                raw.send(b"\xff" * 6 + bytes.fromhex("020000000099" + tag + "0806") + ask)
            while True:
                frame = raw.recv(2000)
                if frame[:6] == bytes.fromhex("020000000099"):
                    break
    assert frame[6:12] == bytes.fromhex("020000000010")
    assert vlan.other_vlan >= 1
