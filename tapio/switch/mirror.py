"""A port that sees what other ports of its switch send and receive, and takes no part: it never learns, nothing is
sent to it, and what it sends goes nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from netif.link import Buffer, LinkCaps, Offload, Port
from tapio.memory import Bounds, MemoryPort

if TYPE_CHECKING:
    from tapio.switch.port import SwitchPort
    from tapio.switch.switch import Switch


class Mirror(MemoryPort):
    """A driver; full, it loses frames and counts them, and the mirrored ports go on."""

    def __init__(
        self, switch: Switch, ports: tuple[SwitchPort, ...], sent: bool, received: bool, **bounds: Unpack[Bounds]
    ) -> None:
        super().__init__(**bounds)
        self.switch = switch
        self.watched = ports  # none: all that there are and will be
        self.sent = sent
        self.received = received

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self.switch.belongs(port.runtime)
        caps = super().open(want, port)
        self.switch.mirrors[self] = None
        self.switch.remirror()
        return caps

    def sees(self, port: SwitchPort) -> bool:
        return not self.watched or port in self.watched

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.dropped += 1
        return True

    def close(self) -> None:
        super().close()
        if self in self.switch.mirrors:
            del self.switch.mirrors[self]
            self.switch.remirror()
            self.switch.left()

    def __repr__(self) -> str:
        whose = ", ".join(str(port.number) for port in self.watched) or "all"
        return f"<Mirror of {whose}, {len(self._inbox)} waiting, {self.dropped} dropped>"
