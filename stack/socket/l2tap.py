"""Sockets of raw Ethernet frames: `stack.l2tap(netif, 0x88B5)`, with `recv`, `send`, time-outs and `close` as ever."""

from __future__ import annotations

from socket import SOCK_RAW, AddressFamily
from typing import TYPE_CHECKING, Any

from netif.link import Attachment, Buffer
from netif.wire import ethernet
from stack.l2tap import L2Tap
from stack.socket import resolver
from stack.socket.attempts import Attempts
from stack.socket.blocking import socket

if TYPE_CHECKING:
    from stack.stack import Stack


class Frames(Attempts):
    """One L2Tap's attempts: a frame is read and written whole."""

    __slots__ = ("protocol", "tap")
    kind = SOCK_RAW

    def __init__(self, stack: Stack, where: Attachment | str | int, ethertype: int, any_source: bool) -> None:
        """`where`: a netif, or its name. OSError(ENODEV, EADDRINUSE), ValueError."""
        super().__init__(stack)
        name = where if isinstance(where, (str, int)) else where.if_key
        stack.runtime.enter()
        try:
            self.endpoint = self.tap = L2Tap(stack.interface(name), ethertype, any_source=any_source)
        finally:
            stack.runtime.leave()
        self.protocol = ethertype

    def read(self, count: int) -> bytes | None:
        frame = self.tap.receive()
        return None if frame is None else frame[:count]

    def peek(self, count: int) -> bytes | None:
        first = self.tap.first()
        return None if first is None else first[0][:count]

    def receive_from(self, count: int, peek: bool) -> tuple[bytes, tuple[bytes, int]] | None:
        frame = self.peek(count) if peek else self.read(count)
        return None if frame is None else (frame, (resolver.ANY, 0))

    def write(self, data: Buffer) -> int | None:
        return self.tap.send(data)

    def join(self, mac: str | bytes) -> None:
        self.tap.join(ethernet.parse_mac(mac) if isinstance(mac, str) else mac)

    def close(self) -> None:
        self.tap.close()


class FrameSocket(socket):
    """What `stack.l2tap` answers. `recv(2048)` is a frame from its destination on; `send` takes one."""

    __slots__ = ()

    @property
    def family(self) -> AddressFamily:
        return getattr(AddressFamily, "AF_PACKET", AddressFamily.AF_UNSPEC)

    @property
    def _frames(self) -> Frames:
        assert isinstance(self._core, Frames)
        return self._core

    def getsockname(self) -> Any:
        """(the netif's key, ethertype)"""
        tap = self._frames.tap
        return tap.name, tap.ethertype

    def join(self, mac: str | bytes) -> None:
        """Take frames to this group's MAC too, until `close`. ValueError, OSError(ENETDOWN)."""
        self._once(self._frames.join, mac)
