"""Where a runtime looks at kernel sockets: one selector, whose descriptor it polls as it polls a wire's.

So what happens to them happens in the runtime's turns, under the gate, on a threaded runtime as on an asyncio one, and
no thread is needed. A selector without a descriptor (where there is neither epoll nor kqueue) is asked every TICK.
Knows no protocol: whoever watches a socket is called with what it is ready for.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, TypeAlias

from components.gateway.kernel import KernelSocket
from netif.bare import BareStack
from netif.link import Buffer, Hears, LinkCaps, Offload, Port

READ, WRITE = EVENT_READ, EVENT_WRITE
TICK = 0.005  # seconds
Told: TypeAlias = Callable[[int], None]


class Ready:
    """The selector, as a driver that has no frames."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.selector = selectors.DefaultSelector()
        self.watched: dict[KernelSocket, int] = {}
        self.port: Port | None = None

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self.port = port
        if self.fileno() is None:
            port.call_at(port.now() + TICK)
        return want

    def fileno(self) -> int | None:
        number: int | None = self.selector.fileno() if hasattr(self.selector, "fileno") else None
        return number

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        """Tell everybody who is ready; there is never a frame."""
        for key, events in self.selector.select(0):
            told: Told = key.data
            if self.watched.get(key.fileobj, 0) & events:  # type: ignore[call-overload]
                try:
                    told(events)
                except Exception as error:  # a mistake of ours: the others go on
                    self.runtime.caught(error)
        return None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        return True

    def advance(self, now: float) -> None:
        if self.port is not None:
            self.receive()
            self.port.call_at(now + TICK)

    def close(self) -> None:
        self.port = None
        self.selector.close()


class Quay:
    """Made, used and closed with the gate held."""

    if_key = "quay"
    mac = b""
    mtu = 0
    route_prio = 0

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.driver = Ready(runtime)
        try:
            self._stack = BareStack("quay", runtime)
            self.driver.open(LinkCaps(mac=b"", mtu=0), runtime.add(self._stack, self))
        except BaseException:
            self.driver.close()
            raise

    def watch(self, sock: KernelSocket, events: int, told: Told) -> None:
        """From now on call `told` while `sock` is ready for one of `events`; 0: never."""
        watched, selector = self.driver.watched, self.driver.selector
        before = watched.get(sock, 0)
        if events == before:
            return
        if not events:
            selector.unregister(sock)
            del watched[sock]
            return
        if before:
            selector.modify(sock, events, told)
        else:
            selector.register(sock, events, told)
        watched[sock] = events

    def forget(self, sock: KernelSocket) -> None:
        """Before it is closed."""
        self.watch(sock, 0, _nobody)

    def close(self) -> None:
        self.runtime.remove_stack(self._stack)
        self.driver.close()

    # what an Attachment is asked, and where there are no frames

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        return True

    def receive(self, frame: Buffer, offload: Offload | None) -> None:
        """None comes."""

    def writable(self) -> None:
        """Nothing waits."""

    def failed(self, error: OSError) -> None:
        """It has no link to lose."""

    def mac_filter(self, mac: bytes, add: bool) -> None:
        """It has none."""

    def hears_all(self, everything: bool) -> None:
        """It hears nothing."""

    def hears(self, what: Hears, key: bytes | int, add: bool) -> None:
        """It hears nothing."""

    def yielded(self) -> None:
        """It has no address."""


def _nobody(events: int) -> None:
    """Of a socket that is not watched."""
