"""Wires over sockets, for ordinary users: between processes (`unix:PATH`), and with QEMU and passt (`qemu:`)."""

from __future__ import annotations

from tapio.stream.dgram import QemuDgram
from tapio.stream.qemu import QemuStream
from tapio.stream.unix import UnixWire

__all__ = ["QemuDgram", "QemuStream", "UnixWire"]
