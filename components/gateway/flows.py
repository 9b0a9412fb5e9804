"""Datagrams between a stack and the kernel: a flow for each sender, until it has been silent for IDLE.

A datagram that one side has no room for is lost and counted, as any may be. Port unreachable on the kernel's side
becomes port unreachable on the Lan (RFC 1122 4.1.3.3); towards the kernel there is no way to say it without root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.gateway.door import Door
from components.gateway.quay import Quay
from netif.link import Alarm
from stack.endpoint import Onlooker
from stack.udp import UdpEndpoint

if TYPE_CHECKING:
    from stack.interface import Interface

IDLE = 60.0  # seconds of silence; RFC 4787 REQ-5 asks for two minutes, of translators that serve more than tests
QUOTED = 64  # bytes of a datagram that are kept, to be quoted when nobody wants it


class Flow(Onlooker):
    """One sender: a socket of the stack that is connected, and whatever `pass_on` sends by to the kernel."""

    __slots__ = ("door", "endpoint", "key", "last", "used")

    def __init__(self, door: Flows, key: object, endpoint: UdpEndpoint) -> None:
        self.key = key
        self.endpoint = endpoint
        self.used = 0.0
        self.door = door
        self.last: tuple[bytes, bytes, Interface] | None = None  # how the last one out began, and its IP header

    def pass_on(self, data: bytes) -> None:
        """To the kernel. OSError."""
        raise NotImplementedError

    def wake(self) -> None:
        """Datagrams from the Lan, or an error about one that went there."""
        endpoint, door = self.endpoint, self.door
        while True:
            try:
                queued = endpoint.take()
            except OSError:
                if endpoint.closed:
                    self.abort()
                    return
                door.stats.count("unreachable")
                continue
            if queued is None:
                self.begin()
                return
            if queued[2] is not None:
                self.last = (queued[0][:QUOTED], *queued[2])
            door.use(self)
            try:
                self.pass_on(queued[0])
            except OSError:
                door.stats.count("undelivered")

    def begin(self) -> None:
        if self.endpoint.readers is None or self not in self.endpoint.readers:
            self.endpoint.wait_readable(self)

    def arrived(self, data: bytes) -> None:
        """From the kernel."""
        self.door.use(self)
        try:
            if self.endpoint.send_to(data) is None:
                self.door.stats.count("undelivered")
        except ConnectionRefusedError:
            self.door.stats.count("unreachable")
        except OSError:
            self.door.stats.count("undelivered")

    def abort(self) -> None:
        self.door.drop(self)


class Flows(Door):
    """The flows of a door, by a key, whoever was silent longest in front."""

    def __init__(self, quay: Quay, most: int) -> None:
        super().__init__(quay, most)
        self.by_key: dict[object, Flow] = {}
        self._alarm: Alarm = quay.runtime.alarm(self._ring)

    def add(self, flow: Flow) -> None:
        """One more; the one that was silent longest makes room for it."""
        if self.is_full():
            self.stats.count("full")
            self._forget(next(iter(self.by_key.values())))
        self.by_key[flow.key] = flow
        self.enter(flow)
        self.use(flow)
        flow.begin()
        if not self._alarm.armed:
            self._alarm.at(flow.used + IDLE)

    def use(self, flow: Flow) -> None:
        if self.by_key.pop(flow.key, None) is flow:
            self.by_key[flow.key] = flow
            flow.used = self.quay.runtime.now()

    def drop(self, flow: Flow) -> None:
        if self.by_key.get(flow.key) is flow:
            del self.by_key[flow.key]
        self.left(flow)
        flow.endpoint.close()

    def _forget(self, flow: Flow) -> None:
        self.stats.count("forgotten")
        flow.abort()

    def _ring(self) -> None:
        now = self.quay.runtime.now()
        while self.by_key:
            flow = next(iter(self.by_key.values()))
            if flow.used + IDLE > now:
                self._alarm.at(flow.used + IDLE)
                return
            self._forget(flow)

    def abort(self) -> None:
        super().abort()
        self._alarm.cancel()
