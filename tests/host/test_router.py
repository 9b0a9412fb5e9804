"""A router of ours between the kernel, on a TAP, and simulated hosts on a switch. RFC 1812, RFC 3022."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from components.http_server import http_server
from netif import Netif, Stack, Switch, Tap, ThreadedRuntime
from tests.host.conftest import KERNEL_IP, OUR_IP, TAP
from tests.host.namespaces import Namespace, wait_until

pytestmark = pytest.mark.host

BULK = 16 << 20  # bytes
BEHIND = "10.9.0"


class Scene:
    """The kernel at 192.168.5.1, the router at 192.168.5.100 and 10.9.0.1, hosts behind it."""

    def __init__(self, ns: Namespace, closing: ExitStack, *, napt: bool, offload: bool = True) -> None:
        self.ns = ns
        self.runtime = ThreadedRuntime(strict=True)
        closing.callback(self.runtime.close)
        closing.callback(self.runtime.check)
        self.closing = closing
        self.switch = Switch()
        self.router = closing.enter_context(Stack("router", runtime=self.runtime, forwarding=not napt))
        tap = ns.call(lambda: Tap(TAP, offload=offload))
        self.outside = closing.enter_context(
            Netif(tap, stack=self.router, if_key="outside", ip=f"{OUR_IP}/24", gateway=KERNEL_IP, route_prio=1)
        )
        self.inside = closing.enter_context(
            Netif(self.switch.port(), stack=self.router, if_key="inside", ip=f"{BEHIND}.1/24")
        )
        assert self.router.registry is not None
        self.router.registry.set_default(self.outside)
        self.inside.napt_enable(napt)
        ns.settle(TAP)

    def host(self, last: int) -> Stack:
        stack = self.closing.enter_context(Stack(f"host{last}", runtime=self.runtime))
        self.closing.enter_context(
            Netif(self.switch.port(), stack=stack, ip=f"{BEHIND}.{last}/24", gateway=f"{BEHIND}.1")
        )
        return stack

    def spawn(self, act: Callable[[], Any]) -> Any:
        def run() -> None:
            with suppress(OSError):  # its stack is closed
                act()

        return self.runtime.spawn(run)


@pytest.fixture
def scene(ns: Namespace) -> Iterator[Callable[..., Scene]]:
    with ExitStack() as closing:

        def make(*, napt: bool, **options: Any) -> Scene:
            if not napt:
                ns.ip("route", "add", f"{BEHIND}.0/24", "via", OUR_IP)
            return Scene(ns, closing, napt=napt, **options)

        yield make


def test_the_kernel_pings_traces_and_fetches_through_it(scene, ns):
    made = scene(napt=False)
    host = made.host(2)
    made.spawn(lambda: http_server(host))
    assert " 3 received" in ns.exec("ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "3000", f"{BEHIND}.2").stdout
    hops = ns.exec("traceroute", "-n", "-q", "1", "-w", "2", f"{BEHIND}.2").stdout.splitlines()[1:]
    assert [line.split()[1] for line in hops] == [OUR_IP, f"{BEHIND}.2"]
    hops = ns.exec("traceroute", "-I", "-n", "-q", "1", "-w", "2", f"{BEHIND}.2").stdout.splitlines()[1:]
    assert [line.split()[1] for line in hops] == [OUR_IP, f"{BEHIND}.2"]
    page = ns.exec("curl", "--silent", "--show-error", "--max-time", "10", f"http://{BEHIND}.2/").stdout
    assert page
    unknown = ns.exec("ping", "-c", "1", "-W", "5", f"{BEHIND}.77", check=False).stdout
    assert "Destination Host Unreachable" in unknown


@pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
def test_bulk_crosses_whole_both_ways(scene, ns, seed, offload):
    made = scene(napt=False, offload=offload)
    host = made.host(2)
    data = random.Random(seed).randbytes(BULK)
    made.spawn(lambda: echo(host))
    compare(ns.connect((f"{BEHIND}.2", 7)), data, made.runtime)
    if offload:
        assert made.router.stats["forwarded"] < BULK / 1448  # in super-frames
    assert made.router.stats["icmp_sent"] == 0


def echo(host: Stack) -> None:
    """To one client."""
    with host.create_server(("", 7)) as listener:
        connection, _ = listener.accept()
        with connection:
            while part := connection.recv(1 << 18):
                connection.sendall(part)


def compare(connection: Any, data: bytes, runtime: ThreadedRuntime) -> None:
    """Send it, and have it all back."""
    with connection:
        sending = runtime.spawn(lambda: connection.sendall(data))
        got = bytearray()
        while len(got) < len(data) and (part := connection.recv(1 << 18)):
            got += part
        sending.result(10)
    assert got == data


def test_hosts_behind_it_reach_the_kernel_under_its_address(scene, ns, tmp_path, seed):
    """The kernel knows no way to them."""
    made = scene(napt=True)
    one, other = made.host(2), made.host(3)
    page = random.Random(seed).randbytes(2_000_000)
    (tmp_path / "page").write_bytes(page)
    log = tmp_path / "log"
    with log.open("w") as said:
        words = ("-u", "-m", "http.server", "8000", "--directory", str(tmp_path))
        ns.start(sys.executable, *words, stdout=subprocess.DEVNULL, stderr=said)
        wait_until(lambda: ":8000 " in ns.exec("ss", "-Htln").stdout, what="http.server's start")
        for host in (one, other):
            with host.create_connection((KERNEL_IP, 8000), 10, ("", 5000)) as s:
                s.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                answer = b""
                while part := s.recv(65536):
                    answer += part
            assert answer.endswith(page)
    assert {line.split()[0] for line in log.read_text().splitlines()} == {OUR_IP}
    rows = [row for row in made.inside.napt_table() if row.protocol == "tcp"]
    assert [row.inside for row in rows] == [f"{BEHIND}.2:5000", f"{BEHIND}.3:5000"]
    assert rows[0].outside == f"{OUR_IP}:5000" != rows[1].outside


@pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
def test_the_kernel_reaches_a_mapped_port_and_bulk_crosses_translated(scene, ns, seed, offload):
    made = scene(napt=True, offload=offload)
    host = made.host(2)
    made.inside.portmap_add("tcp", 80, f"{BEHIND}.2")
    made.inside.portmap_add("tcp", 8007, f"{BEHIND}.2", 7)
    made.spawn(lambda: http_server(host))
    assert ns.exec("curl", "--silent", "--show-error", "--max-time", "10", f"http://{OUR_IP}/").stdout
    made.spawn(lambda: echo(host))
    compare(ns.connect((OUR_IP, 8007)), random.Random(seed).randbytes(BULK), made.runtime)


def test_a_ping_and_a_refusal_come_back_through_the_translation(scene, ns):
    from stack.echo import EchoEndpoint

    made = scene(napt=True)
    host = made.host(2)
    made.runtime.enter()
    ping = EchoEndpoint(host)
    ping.send_echo(1, b"x" * 3000, bytes((192, 168, 5, 1)))
    made.runtime.leave()
    wait_until(lambda: ping.readable(), what="the kernel's reply")
    reply = ping.receive()
    assert reply is not None
    assert reply.payload == b"x" * 3000
    with pytest.raises(ConnectionRefusedError):
        host.create_connection((KERNEL_IP, 9), 5)
    with host.socket(-1, 2) as s:
        s.settimeout(5)
        s.connect((KERNEL_IP, 9))
        s.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            s.recv(10)
