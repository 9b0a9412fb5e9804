"""Drivers of another shape: handles that push their frames, and transmit functions that want finished ones.

A handle without `receive` is wrapped into a `link.Driver` with a bounded inbox: its owner calls `netif_receive` from
any thread, which enqueues and pokes and never takes the gate. It gets one contiguous `bytes` per wire segment,
checksums complete. The handle stays its owner's: it is never closed here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any

import attrs

from netif.errors import InvalidParams, NetifError
from netif.link import Buffer, Driver, LinkCaps, Offload, Port
from netif.wire import Malformed, segment

INBOX_FRAMES = 256
LONGEST_HEADER = 18  # bytes: Ethernet with a VLAN tag

Transmit = Callable[[tuple[Buffer, ...], Offload | None], bool]


def takes_offload(transmit: Callable[..., Any]) -> bool:
    """Whether it has the shape of tapio_output, (handle, buffers, offload), and not (handle, frame)."""
    try:
        parameters = signature(transmit).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [each for each in parameters if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return len(places) > 2 or any(each.name == "offload" for each in parameters)


class Finished:
    """`transmit(handle, frame: bytes)` as a driver's transmit: what comes is cut, finished and joined first."""

    def __init__(self, transmit: Callable[[Any, bytes], Any], handle: object) -> None:
        self.transmit = transmit
        self.handle = handle
        self.dropped = 0

    def __call__(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        """Always True: a full driver of this shape has no way to say when there is room again, so its frames go."""
        try:
            for frame in (b"".join(buffers),) if offload is None else segment.cut(buffers, offload):
                if self.transmit(self.handle, frame) is False:
                    self.dropped += 1
        except (NetifError, Malformed):
            self.dropped += 1
        return True


def plain(want: LinkCaps) -> LinkCaps:
    """`want` without super-frames and without checksum offload."""
    return attrs.evolve(want, gso_max=want.mtu, tx_checksum=False, rx_checksum=False)


def bind(handle: Any, transmit: Callable[..., Any] | None) -> tuple[Driver, Transmit, bool]:
    """(driver, its transmit, whether that one wants finished frames)."""
    if not hasattr(handle, "receive"):
        pusher = PushDriver(handle, transmit)
        return pusher, pusher.transmit, True
    driver: Driver = handle
    if transmit is None:
        return driver, driver.transmit, False
    if takes_offload(transmit):
        return driver, partial(transmit, handle), False
    return driver, Finished(transmit, handle), True


def close_handle(handle: Any) -> None:
    """Close a Driver; any other handle stays its owner's."""
    if hasattr(handle, "receive"):
        handle.close()


class PushDriver:
    """A `link.Driver` around a handle that pushes."""

    shared_wire = True  # who else is on it, nobody knows

    def __init__(self, handle: object, transmit: Callable[[Any, bytes], Any] | None) -> None:
        if transmit is None:
            raise InvalidParams(f"DriverIfconfig.transmit: {handle!r} is no Driver (no receive), so give transmit= too")
        self.handle = handle
        self.transmit: Transmit = Finished(transmit, handle)
        self._inbox: deque[bytes] = deque()
        self._longest = 0  # bytes of a frame
        self._port: Port | None = None
        self.dropped = 0  # frames too long, or that found the inbox full or nobody to take them

    def push(self, frame: Buffer) -> bool:
        """One frame came in; from any thread. False: dropped."""
        port = self._port
        if port is None or len(self._inbox) >= INBOX_FRAMES or len(frame) > self._longest:
            self.dropped += 1
            return False
        self._inbox.append(bytes(frame))
        port.poke()
        return True

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        self._longest = want.mtu + LONGEST_HEADER
        return plain(want)

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        return (self._inbox.popleft(), None) if self._inbox else None

    def advance(self, now: float) -> None:
        """Nothing to do: it asks for no time."""

    def close(self) -> None:
        self._port = None
        self._inbox.clear()
