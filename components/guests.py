"""A machine in QEMU as a guest of a Lan: a port of the switch that waits for it, and the words that start it there.

Knows QEMU's command line (qemu(1), -netdev stream) and nothing of what runs inside.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from typing import TYPE_CHECKING

import attrs

from components.patch import Patch
from tapio import QemuStream

if TYPE_CHECKING:
    from netif.link import Driver, Runtime

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,30}")  # an id of QEMU's


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for QEMU: a letter, then at most 30 of letters, digits, '.', '_', '-'")


@attrs.define
class Guest:
    """A place for one guest: it may be started again and again."""

    name: str
    mac: str
    patch: Patch
    driver: QemuStream
    directory: str

    def args(self, device: str) -> list[str]:
        """The words for `qemu-system-...`."""
        path = self.driver.address.replace(",", ",,")
        return [
            *("-netdev", f"stream,id={self.name},server=off,addr.type=unix,addr.path={path}"),
            *("-device", f"{device},netdev={self.name},mac={self.mac}"),
        ]

    def close(self) -> None:
        self.patch.close()
        with contextlib.suppress(OSError):
            os.rmdir(self.directory)


def make_guest(port: Driver, runtime: Runtime, name: str, mac: str) -> Guest:
    """A patch from `port` to a socket in a directory of its own. OSError."""
    directory = tempfile.mkdtemp(prefix="netif-")
    try:
        driver = QemuStream(os.path.join(directory, name), listen=True)
        return Guest(name, mac, Patch(port, driver, runtime=runtime, name=name), driver, directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.rmdir(directory)
        raise
