"""Three kernels joined by a bridge of ours over TAPs and a veth end, with a host of ours among them."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from components.bridge import Bridge
from netif import Packet, Stack, Tap, ThreadedRuntime
from netif.link import Driver
from tests.host.dhcp_servers import dnsmasq
from tests.host.namespaces import Namespace, namespace, wait_until
from tests.host.test_patch_host import taken

pytestmark = pytest.mark.host

TOTAL = 8 << 20  # bytes
KERNELS = ("192.168.5.1", "192.168.5.2", "192.168.5.3")
OUR_IP = "192.168.5.9"


class Scene:
    """Kernels on tap0, on tap0 without offload and behind a veth pair: (namespace, driver) each."""

    def __init__(self, steps: ExitStack) -> None:
        self.spaces = [steps.enter_context(namespace()) for _ in KERNELS]
        first, second, third = self.spaces
        for space, address in ((first, KERNELS[0]), (second, KERNELS[1])):
            space.add_tap("tap0", f"{address}/24")
        third.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        third.ip("address", "add", f"{KERNELS[2]}/24", "dev", "v0")
        for name in ("v0", "v1"):
            third.ip("link", "set", name, "up")
        self.drivers: list[Driver] = [
            steps.enter_context(closing(driver))
            for driver in (
                Tap("tap0", netns=first.name),
                Tap("tap0", netns=second.name, offload=False),
                Packet("v1", netns=third.name),
            )
        ]
        for space in self.spaces[:2]:
            space.settle("tap0")


@pytest.fixture
def runtime() -> Iterator[ThreadedRuntime]:
    with closing(ThreadedRuntime()) as made:
        yield made


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as steps:
        yield Scene(steps)


def send(listener: socket.socket, data: bytes) -> None:
    with listener.accept()[0] as connection:
        connection.sendall(data)


def bulk(server: Namespace, client: Namespace, address: str) -> None:
    """As many bytes from the server as fill super-frames, the right ones."""
    data = os.urandom(TOTAL)
    with server.listen(port=7) as listener:
        thread = threading.Thread(target=send, args=(listener, data))
        thread.start()
        assert taken(client.connect((address, 7))) == hashlib.sha256(data).hexdigest()
        thread.join(10)


def test_kernels_reach_each_other_across_the_bridge(scene: Scene, runtime: ThreadedRuntime):
    with Bridge(scene.drivers, runtime=runtime) as bridge:
        for asker in scene.spaces:
            for address in KERNELS:
                asker.exec("ping", "-c", "1", "-W", "2", "-s", "1472", "-M", "do", address)
        for n in range(3):
            bulk(scene.spaces[n], scene.spaces[n - 1], KERNELS[n])  # each sends, and each receives
        ends = [member.end for member in bridge.members.values()]
        assert [(end.malformed, end.too_long) for end in ends] == [(0, 0)] * 3
        known = {entry.mac: entry.to for entry in bridge.fdb}
        assert known[scene.spaces[0].mac("tap0")] == ("port1",)
        assert known[scene.spaces[2].mac("v0")] == ("port3",)


def test_arp_for_nobody_is_heard_by_all(scene: Scene, runtime: ThreadedRuntime):
    with ExitStack() as steps:
        steps.enter_context(Bridge(scene.drivers, runtime=runtime))
        heard = []
        for space, device in zip(scene.spaces[1:], ("tap0", "v0"), strict=True):
            raw = space.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)))
            heard.append(steps.enter_context(raw))
            raw.bind((device, 0x0806))
            raw.settimeout(5)
        scene.spaces[0].exec("ping", "-c", "1", "-W", "1", "192.168.5.77", check=False)
        for raw in heard:
            while (frame := raw.recv(2000))[38:42] != socket.inet_aton("192.168.5.77"):
                pass
            assert frame[:6] == b"\xff" * 6


def test_the_host_on_the_bridge_has_its_address_from_a_server_behind_a_member(
    scene: Scene, runtime: ThreadedRuntime, tmp_path: Path
):
    dnsmasq(scene.spaces[0], tmp_path, 120)
    with Stack("bridge", runtime=runtime) as host, Bridge(scene.drivers, host=host, dhcp=True) as bridge:
        assert bridge.netif is not None
        netif = bridge.netif
        wait_until(lambda: netif.ip_info, 10, "a lease")
        ours = str(netif.ip_info.ip)
        for space in scene.spaces:
            space.exec("ping", "-c", "1", "-W", "2", ours)
        data = os.urandom(TOTAL)
        with host.create_server(("", 7)) as listener:
            for space in scene.spaces[1:]:
                digest = runtime.spawn(lambda: taken(listener.accept()[0]))
                with space.connect((ours, 7)) as s:
                    s.sendall(data)
                assert digest.result(20) == hashlib.sha256(data).hexdigest()


def test_a_tap_that_is_taken_away_takes_only_itself_out(scene: Scene, runtime: ThreadedRuntime):
    gone = threading.Event()
    with (
        Stack("bridge", runtime=runtime) as host,
        Bridge(scene.drivers, host=host, ip=f"{OUR_IP}/24", failed=lambda member, error: gone.set()) as bridge,
    ):
        first, second, third = scene.spaces
        first.ip("link", "delete", "tap0")
        assert gone.wait(5)
        assert [member.is_up for member in bridge.members.values()] == [False, True, True]
        second.exec("ping", "-c", "1", "-W", "2", KERNELS[2])
        third.exec("ping", "-c", "1", "-W", "2", OUR_IP)
        first.add_tap("tap0", f"{KERNELS[0]}/24")
        bridge.members["port1"].reattach(Tap("tap0", netns=first.name))
        first.settle("tap0")
        first.exec("ping", "-c", "1", "-W", "2", KERNELS[2])


def test_a_static_entry_leads_nowhere(scene: Scene, runtime: ThreadedRuntime):
    first, second, third = scene.spaces
    with Bridge(scene.drivers, runtime=runtime) as bridge:
        first.exec("ping", "-c", "1", "-W", "2", KERNELS[1])
        bridge.fdb_add(second.mac("tap0"))
        assert first.exec("ping", "-c", "1", "-W", "1", KERNELS[1], check=False).returncode == 1
        first.exec("ping", "-c", "1", "-W", "2", KERNELS[2])
        bridge.fdb_remove(second.mac("tap0"))
        first.exec("ping", "-c", "1", "-W", "2", KERNELS[1])
        third.exec("ping", "-c", "1", "-W", "2", KERNELS[1])
