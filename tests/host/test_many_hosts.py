"""Hundreds of hosts behind one TAP, each with a MAC, a page, and an address from dnsmasq: the kernel meets them all."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from components.lan import Host, Lan
from tapio import Tap
from tests.host.namespaces import Namespace, namespace, require, wait_until

pytestmark = pytest.mark.host

GATEWAY, SUBNET, RANGE = "10.7.0.1", "10.7.0.0/16", "10.7.0.10,10.7.15.254"
OFF = 50  # hosts whose power fails
THREADS = 3
PATIENCE = 60.0  # seconds, on a machine that is busy


@pytest.fixture
def crowded() -> Iterator[Namespace]:
    """A namespace whose tap0 is 10.7.0.1/16, with dnsmasq behind it."""
    with namespace() as ns:
        ns.add_tap("tap0", f"{GATEWAY}/16")
        words = "--no-daemon -C /dev/null --port=0 --interface=tap0 --bind-dynamic --no-ping --pid-file= --leasefile-ro"
        ns.start("dnsmasq", *words.split(), f"--dhcp-range={RANGE},255.255.0.0,1h", stderr=subprocess.DEVNULL)
        wait_until(lambda: ":67 " in ns.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")
        yield ns


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


async def serve(host: Host) -> None:
    """One page, to one client after the other: the host's name."""
    page = f"HTTP/1.0 200 OK\r\nContent-Length: {len(host.name) + 1}\r\n\r\n{host.name}\n".encode()
    async with host.aio.listen(("", 80)) as listener:
        while True:
            connection, _peer = await listener.accept()
            async with connection:
                await connection.recv(4096)
                await connection.sendall(page)


class Outside:
    """Programs of the kernel's side."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns

    async def run(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self.ns.command(*words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        said, _ = await process.communicate()
        return said.decode()

    async def pinged(self, addresses: Iterable[str], seconds: int = 10) -> set[str]:
        """Those that answer."""
        each = f'for a; do (ping -q -n -c 1 -W {seconds} "$a" > /dev/null && echo "$a") & done; wait'
        return set((await self.run("sh", "-c", each, "sh", *addresses)).split())

    async def pages(self, addresses: Iterable[str]) -> list[str]:
        words = ["curl", "-s", "--parallel", "--parallel-max", "50", "--max-time", "40"]
        return (await self.run(*words, *(f"http://{address}/" for address in addresses))).split()


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_each_answers_ping_and_curl_and_comes_back_after_a_power_failure(crowded: Namespace, count: int):
    require("curl")
    threads = threading.active_count()
    driver = crowded.call(lambda: Tap("tap0"))
    crowded.settle("tap0")

    async def scene() -> None:
        async with Lan(seed=7, clock="asyncio", subnet=SUBNET, dhcp="uplink", uplink=driver) as lan:
            hosts = [lan.host(f"host{n}") for n in range(count)]
            assert len({host.mac for host in hosts}) == count
            await until(lambda: all(host.netif.ip_info for host in hosts), "every address")
            assert len({host.ip for host in hosts}) == count
            serving: list[Any] = [asyncio.create_task(serve(host)) for host in hosts]
            await meet(Outside(crowded), hosts, threads)
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    asyncio.run(scene())


async def meet(outside: Outside, hosts: list[Host], threads: int) -> None:
    addresses = {host.ip for host in hosts}
    assert await outside.pinged(addresses) == addresses
    assert sorted(await outside.pages(addresses)) == sorted(host.name for host in hosts)
    assert threading.active_count() - threads <= THREADS
    await power_fails(outside, hosts[::2][:OFF], hosts[1])


async def power_fails(outside: Outside, dark: list[Host], lit: Host) -> None:
    addresses = {host.name: host.ip for host in dark}
    for host in dark:
        host.netif.power_off()
    assert await outside.pinged(addresses.values(), 1) == set()
    assert await outside.pinged([lit.ip]) == {lit.ip}
    for host in dark:
        host.netif.reboot()
    await until(lambda: all(host.netif.ip_info for host in dark), "their addresses again")
    assert {host.name: host.ip for host in dark} == addresses
    assert await outside.pinged(addresses.values()) == set(addresses.values())
