"""Looking at a wire: `Sniff` around any driver, which hands what passes to sinks.

A frame is noted as it passes, with what its wire said of it: PARTIAL checksums and super-frames are written as they
are (and said to be so in a comment) unless asked to finish them, which costs 110 us for 64 KiB. Times are the port's.
A sink that fails is given up with one warning; the wire goes on.
"""

from __future__ import annotations

import logging
from typing import Protocol

from netif.link import PARTIAL, VALID, Buffer, Driver, LinkCaps, Offload, Port
from netif.wire import Malformed
from netif.wire.segment import finish
from tapio.script import Direction
from tapio.wrapper import Wrapper

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What a Sniff hands frames to. May have `flush()` too, which is called when a wire is closed, and
    `opened(interface, medium)`, which tells what the frames of an interface are from now on."""

    def frame(
        self, direction: Direction, when: float, buffers: tuple[Buffer, ...], offload: Offload | None, interface: str, /
    ) -> None:
        """One frame that passed; whoever keeps it copies it."""


class Sniff(Wrapper):
    """Hands what passes to sinks. What the driver inside refuses is not noted until it is taken."""

    def __init__(self, driver: Driver, *sinks: Sink, name: str = "netif", finish: bool = False) -> None:
        super().__init__(driver)
        self.name = name
        self.sinks = list(sinks)
        self._finish = finish
        self._port: Port | None = None

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        granted = self.driver.open(want, port)
        for sink in self.sinks:
            opened = getattr(sink, "opened", None)
            if opened is not None:
                opened(self.name, granted.medium)
        return granted

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        item = self.driver.receive()
        if item is not None:
            self._note("in", (item[0],), item[1])
        return item

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        sent = self.driver.transmit(buffers, offload)
        if sent:
            self._note("out", buffers, offload)
        return sent

    def _note(self, direction: Direction, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        if self._port is None:
            return
        when = self._port.now()
        if self._finish and offload is not None and offload.checksum == PARTIAL:
            try:
                buffers, offload = (finish(buffers, offload),), Offload(VALID, 0, 0, offload.gso_size)
            except Malformed:
                pass  # noted as it is
        for sink in tuple(self.sinks):
            try:
                sink.frame(direction, when, buffers, offload, self.name)
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self.sinks.remove(sink)
                logger.warning("%s: %r is given up: %s", self.name, sink, error)

    def close(self) -> None:
        self._port = None
        self.driver.close()
        for sink in tuple(self.sinks):
            flush = getattr(sink, "flush", None)
            if flush is not None:
                try:
                    flush()
                except (OSError, ValueError) as error:
                    self.sinks.remove(sink)
                    logger.warning("%s: %r is given up: %s", self.name, sink, error)
