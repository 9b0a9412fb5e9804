"""A patch between a kernel's TAP and a switch of ours, and between two kernels: super-frames, and what dies."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from components.lan import Lan
from components.patch import Patch, State
from netif import ThreadedRuntime
from tapio import Sniff, Switch, Tap
from tests.host.namespaces import Namespace, namespace, wait_until

pytestmark = pytest.mark.host

TOTAL = 8 << 20  # bytes


class Longest:
    """A sink that keeps how long frames were, by direction."""

    def __init__(self) -> None:
        self.of = {"in": 0, "out": 0}

    def frame(self, direction: str, when: float, buffers: Any, offload: Any, interface: str) -> None:
        self.of[direction] = max(self.of[direction], sum(map(len, buffers)))


@pytest.fixture
def lan(ns: Namespace) -> Iterator[tuple[Lan, Longest]]:
    longest = Longest()
    driver = Sniff(ns.call(lambda: Tap("tap0")), longest)
    ns.settle("tap0")
    with Lan(seed=1, clock="real", subnet="192.168.5.0/24", uplink=driver) as made:
        yield made, longest


def taken(connection: Any) -> str:
    digest = hashlib.sha256()
    with connection:
        while data := connection.recv(1 << 18):
            digest.update(data)
    return digest.hexdigest()


@pytest.mark.parametrize("sender", ["kernel", "host"])
def test_super_frames_pass_whole_between_a_host_and_the_kernel(lan: tuple[Lan, Longest], ns: Namespace, sender: str):
    network, longest = lan
    host = network.host("inside", ip="192.168.5.100")
    data = os.urandom(TOTAL)
    if sender == "kernel":
        with host.create_server(("", 7)) as listener:
            digest = host.spawn(lambda: taken(listener.accept()[0]))
            with ns.connect((host.ip, 7)) as s:
                s.sendall(data)
            assert digest.result(30) == hashlib.sha256(data).hexdigest()
    else:
        listener = ns.listen(port=7)
        with listener:
            found: list[str] = []
            thread = threading.Thread(target=lambda: found.append(taken(listener.accept()[0])))
            thread.start()
            with host.create_connection(("192.168.5.1", 7)) as s:
                s.sendall(data)
            thread.join(30)
            assert found == [hashlib.sha256(data).hexdigest()]
    assert longest.of["in" if sender == "kernel" else "out"] > 20_000
    patch = network.uplink
    assert patch is not None
    assert patch.one.malformed + patch.other.malformed + patch.one.too_long + patch.other.too_long == 0


@pytest.fixture
def runtime() -> Iterator[ThreadedRuntime]:
    with ExitStack() as closing:
        made = ThreadedRuntime(strict=True)
        closing.callback(made.close)
        closing.callback(made.check)
        yield made


def test_two_kernels_are_joined_and_one_that_loses_its_device_is_joined_anew(runtime: ThreadedRuntime):
    with namespace() as near, namespace() as far:
        near.add_tap("tap0", "10.9.0.1/24")
        far.add_tap("tap0", "10.9.0.2/24")
        died: list[int | None] = []
        one, other = near.call(lambda: Tap("tap0")), far.call(lambda: Tap("tap0"))
        with Patch(one, other, runtime=runtime, failed=lambda end, error: died.append(error.errno)) as patch:
            near.settle("tap0"), far.settle("tap0")
            near.exec("ping", "-q", "-n", "-c", "1", "-W", "10", "10.9.0.2")
            far.ip("link", "delete", "tap0")
            wait_until(lambda: died, what="the patch's hearing of it")
            assert died[0] in (errno.ENODEV, errno.ENETDOWN)
            assert (patch.one.state, patch.other.state) == (State.OPEN, State.FAILED)
            far.add_tap("tap0", "10.9.0.2/24")
            patch.other.reattach(far.call(lambda: Tap("tap0")))
            far.settle("tap0")
            near.ip("neigh", "flush", "dev", "tap0")  # it has another MAC now
            near.exec("ping", "-q", "-n", "-c", "1", "-W", "10", "10.9.0.2")
        assert one.fileno() is None


def test_a_loop_through_the_kernels_bridge_ends_in_a_count(ns: Namespace, runtime: ThreadedRuntime):
    """Two TAPs in one bridge of the kernel's, both patched to one switch."""
    ns.ip("link", "add", "br0", "type", "bridge")
    ns.exec("ip", "tuntap", "add", "dev", "tap1", "mode", "tap")
    switch = Switch(storm=50)
    patches = []
    for name in ("tap0", "tap1"):
        ns.ip("link", "set", name, "master", "br0")
        ns.ip("link", "set", name, "up")
        driver = ns.call(lambda name=name: Tap(name))
        patches.append(Patch(switch.port(), driver, runtime=runtime))
        ns.settle(name)
    ns.ip("address", "add", "10.9.0.1/24", "dev", "br0")
    ns.ip("link", "set", "br0", "up")
    ns.exec("ping", "-q", "-n", "-c", "1", "-W", "1", "10.9.0.2", check=False)
    wait_until(lambda: sum(patch.one.driver.counters.storm for patch in patches), what="the storm's end")
    assert len(switch.stations) < 10
    for patch in patches:
        patch.close()
