"""Firmware on a Python LAN: iPXE, out of QEMU's own ROM, leases an address of ours and fetches pages of ours.

Its console is a serial line, on which it is told what to do. It runs without KVM: what takes time is its own waiting.
"""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from components.http_pages import Answer, text
from components.http_server import visit
from components.lan import Host, Lan
from components.ping import ping
from tests.host.namespaces import end, heard, require, wait_until

pytestmark = pytest.mark.host

QEMU = "qemu-system-x86_64"
MACHINE = "-nodefaults -no-user-config -no-reboot -display none -machine graphics=off -m 64 -accel tcg -serial stdio"
CTRL_B = b"\x02"
SCRIPT = "#!ipxe\nimgfetch http://web/seen?ip=${net0/ip} ||\nsleep 2\nreboot\n"


class Pages:
    """A script for the guest, and what it asked for."""

    def __init__(self, web: Host) -> None:
        self.web = web
        self.asked: list[bytes] = []

    def answer(self, method: bytes, target: bytes, headers: object) -> Answer:
        self.asked.append(target)
        return text(200, SCRIPT.replace("web", self.web.ip) if target == b"/boot.ipxe" else "well\n")


def serve(web: Host, pages: Pages) -> None:
    with web.create_server(("", 80)) as listener:
        while True:
            connection, peer = listener.accept()
            visit(pages, time.monotonic, connection, peer)  # type: ignore[arg-type]


class Console:
    """What the guest says, and what it is told."""

    def __init__(self, args: list[str]) -> None:
        require(QEMU)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([QEMU, *MACHINE.split(), *args], **pipes)
        self.said = b""

    def until(self, words: bytes, patience: float = 40.0) -> None:
        deadline = time.monotonic() + patience
        while words not in self.said:
            assert time.monotonic() < deadline, self.said
            self.said += heard(self.process, patience)
        self.said = self.said.partition(words)[2]

    def tell(self, words: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words)
        self.process.stdin.flush()

    def type(self, line: str) -> None:
        """Key by key, each when the one before has been shown: the firmware keeps sixteen."""
        for key in f"{line}\r".encode():
            self.tell(bytes([key]))
            self.until(bytes([key]))

    def boots(self) -> None:
        """To iPXE's own command line; a key may be overlooked while the machine begins."""
        assert self.process.stdout is not None
        self.until(b"Press Ctrl-B")
        deadline = time.monotonic() + 40.0
        while b"iPXE>" not in self.said:
            assert time.monotonic() < deadline, self.said
            self.tell(CTRL_B)
            while select.select([self.process.stdout], [], [], 0.3)[0]:
                self.said += heard(self.process)
        self.said = b""


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=1, clock="real", dhcp=True) as lan:
        yield lan


def test_firmware_leases_an_address_fetches_pages_and_is_pinged(lan: Lan) -> None:
    web = lan.host("web", ip="10.0.0.80")
    pages = Pages(web)
    web.spawn(partial(serve, web, pages))
    args = lan.qemu_args("firmware", device="e1000")
    console = Console(args)
    try:
        console.boots()
        console.type("ifconf -c dhcp net0")
        console.until(b"ok")
        console.until(b"iPXE>")
        leases = lan.hosts["dhcp"].netif.dhcps_clients_by_mac([lan.guests["firmware"].mac])
        address = str(*leases.values())
        console.type("chain http://10.0.0.80/boot.ipxe")
        wait_until(lambda: len(pages.asked) == 2, 20.0, "the guest's requests")
        assert pages.asked == [b"/boot.ipxe", f"/seen?ip={address}".encode()]
        assert ping(web.stack, address, count=1, timeout=10, say=len).answers
        assert console.process.wait(20) == 0  # it has rebooted, as it was told
        wait_until(lambda: not lan.guests["firmware"].driver.connected, 10.0, "the port, which waits for the next")
    finally:
        end(console.process)
