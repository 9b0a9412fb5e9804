"""The kernel as a peer: a namespace with a TAP for one test, our host on it, and a veth pair for reference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.components.commands import Running
from tests.host.namespaces import Namespace, namespace, veth, wait_until

KERNEL_IP, OUR_IP, TAP = "192.168.5.1", "192.168.5.100", "tap0"
LEASED_IP = "192.168.5.77"  # what `leases` gives
Join: TypeAlias = Callable[..., Any]


@pytest.fixture
def ns() -> Iterator[Namespace]:
    """A namespace whose `tap0` is 192.168.5.1/24 on the kernel's side."""
    with namespace() as made:
        made.add_tap(TAP, f"{KERNEL_IP}/24")
        yield made


@pytest.fixture
def kernels() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces joined by a veth pair, 10.77.0.1 and 10.77.0.2: the kernel beside itself."""
    with veth() as both:
        yield both


@pytest.fixture
def ends(kernels: tuple[Namespace, Namespace]) -> tuple[Namespace, Namespace]:
    """The same, but that our end of `v0` has no address: the kernel is 10.77.0.2 at the other."""
    kernels[0].ip("address", "flush", "dev", "v0")
    return kernels


@pytest.fixture
def join(ns: Namespace) -> Iterator[Join]:
    """`join(offload=True, ip=...)` puts a host of ours on the TAP; what the crank caught fails the test."""
    from netif import Netif, Stack, Tap, ThreadedRuntime

    with ExitStack() as closing:

        def on_the_tap(*, offload: bool = True, ip: str = f"{OUR_IP}/24", device: str = TAP, **options: Any) -> Any:
            runtime = ThreadedRuntime(strict=True)
            closing.callback(runtime.close)
            closing.callback(runtime.check)
            driver = ns.call(lambda: Tap(device, offload=offload))
            host = closing.enter_context(Stack("ours", runtime=runtime))
            closing.enter_context(Netif(driver, stack=host, ip=ip, gateway=KERNEL_IP, **options))
            ns.settle(device)
            return host

        yield on_the_tap


@pytest.fixture(params=[True, False], ids=["offload", "plain"])
def host(request: pytest.FixtureRequest, join: Join) -> Any:
    """Our host at 192.168.5.100, on the TAP with offload and without."""
    return join(offload=request.param)


@pytest.fixture
def netif(ns: Namespace) -> Iterator[Callable[..., Running]]:
    """netif(*words): a command of ours in the namespace, on its TAP; ended with the test."""
    running: list[Running] = []

    def start(*words: str, wire: str = TAP) -> Running:
        running.append(Running(ns.command(sys.executable, "-u", "-m", "netif", *words, "-i", wire)))
        return running[-1]

    yield start
    for one in running:
        one.end()


@pytest.fixture
def leases(ns: Namespace, tmp_path: Path) -> Path:
    """dnsmasq gives one address, 192.168.5.77, and answers for web.test; the file tells of whom it gave it to."""
    path = tmp_path / "leases"
    words = "--no-daemon -C /dev/null --interface=tap0 --bind-dynamic --no-ping --pid-file= --no-resolv --no-hosts"
    more = f"--dhcp-range={LEASED_IP},{LEASED_IP},2m --dhcp-leasefile={path} --address=/web.test/{KERNEL_IP}"
    ns.start("dnsmasq", *words.split(), *more.split(), stderr=subprocess.DEVNULL)
    wait_until(lambda: ":67 " in ns.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")
    return path
