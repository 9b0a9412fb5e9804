"""What passes through an interface: frames to and from its driver, counted. The hot path of the netif.

Knows whether frames may pass, and the two functions they pass to, bound while the link is up. Refuses to look into a
frame. Gate held throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import attrs

from netif.link import Buffer, Driver, Offload, Port, StackInterface
from netif.push import Transmit
from netif.value import Value


@attrs.frozen(eq=False, repr=False)
class Counters(Value):
    """What came to an interface from either side, and what of it was dropped there: the link was down, or a driver of
    another shape had no room. `traffic_untold`: TxRx events that were too many for whoever handles them."""

    rx_frames: int
    rx_bytes: int
    rx_dropped: int
    tx_frames: int
    tx_bytes: int
    tx_dropped: int
    traffic_untold: int = 0


class Frames:
    """One interface's way between driver and stack. Slots, since a Netif has more attributes than a fast dict holds."""

    __slots__ = (
        "_driver_transmit",
        "_input",
        "_input_fn",
        "_tells_traffic",
        "_transmit",
        "driver",
        "interface",
        "port",
        "rx_bytes",
        "rx_dropped",
        "rx_frames",
        "traffic_untold",
        "tx_bytes",
        "tx_dropped",
        "tx_frames",
    )

    def __init__(self) -> None:
        self.driver: Driver = cast(Driver, None)
        self.interface: StackInterface | None = None
        self.port: Port | None = None
        self.rx_frames = self.rx_bytes = self.rx_dropped = 0
        self.tx_frames = self.tx_bytes = self.tx_dropped = 0
        self.traffic_untold = 0
        self._tells_traffic = False
        self._input_fn: Callable[[Any, Buffer, Offload | None], Any] = self._no_input
        self._input: Callable[[Any, Buffer, Offload | None], Any] = self._no_input
        self._transmit: Transmit = self._no_transmit
        self._driver_transmit: Transmit = self._no_transmit  # what `_transmit` is while the link is up

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        """From the stack. False: the driver is full, and says `writable` when there is room."""
        try:
            if not self._transmit(buffers, offload):
                return False
        except OSError as error:
            self.tx_dropped += 1
            if self.port is not None:
                self.port.failed(error)
            return True
        for buffer in buffers:
            self.tx_bytes += len(buffer)
        self.tx_frames += 1
        return True

    def receive(self, frame: Buffer, offload: Offload | None) -> None:
        """From the driver, by way of the runtime."""
        self.rx_frames += 1
        self.rx_bytes += len(frame)
        self._input(self.interface, frame, offload)

    def receive_batch(
        self, batch: Sequence[tuple[Buffer, Offload | None]], size: int, caught: Callable[[Exception], None]
    ) -> None:
        """Several frames, of `size` bytes in all."""
        self.rx_frames += len(batch)
        self.rx_bytes += size
        for frame, offload in batch:
            try:
                self._input(self.interface, frame, offload)
            except Exception as error:
                caught(error)

    def writable(self) -> None:
        """The driver has room again."""
        if self.interface is not None:
            self.interface.writable()

    @property
    def counters(self) -> Counters:
        rx_dropped = self.rx_dropped + getattr(self.driver, "dropped", 0)
        tx_dropped = self.tx_dropped + getattr(self._driver_transmit, "dropped", 0)
        return Counters(
            self.rx_frames,
            self.rx_bytes,
            rx_dropped,
            self.tx_frames,
            self.tx_bytes,
            tx_dropped,
            self.traffic_untold,
        )

    def _pass_frames(self, input_fn: Callable[[Any, Buffer, Offload | None], Any]) -> None:
        self._input_fn = input_fn
        self._bind_frames()

    def _bind_frames(self) -> None:
        """Who wants no TxRx pays nothing for them."""
        if self._tells_traffic:
            self._input, self._transmit = self._told_input, self._told_transmit
        else:
            self._input, self._transmit = self._input_fn, self._driver_transmit

    def _drop_frames(self) -> None:
        self._input, self._transmit = self._no_input, self._no_transmit

    def _told_input(self, interface: object, frame: Buffer, offload: Offload | None) -> None:
        self._tell_traffic(len(frame), sent=False)
        self._input_fn(interface, frame, offload)

    def _told_transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if not self._driver_transmit(buffers, offload):
            return False
        self._tell_traffic(sum(map(len, buffers)), sent=True)
        return True

    def _tell_traffic(self, length: int, *, sent: bool) -> None:
        """A frame has passed."""
        raise NotImplementedError

    def _no_input(self, _interface: object, _frame: Buffer, _offload: Offload | None) -> None:
        self.rx_dropped += 1

    def _no_transmit(self, _buffers: tuple[Buffer, ...], _offload: Offload | None) -> bool:
        self.tx_dropped += 1
        return True
