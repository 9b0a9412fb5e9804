"""How frames of a Lan come into its captures: once each, from their sender; with what became of them, if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.witness import Witness
from tapio import Sniff, SwitchPort

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netif.link import Buffer, Driver, Hears, Offload
    from stack import Stack
    from tapio.capture import Comments


class SentFrames:
    """A sink that takes each frame once, from its sender: what a tap on the cable sees, lost frames too."""

    def __init__(self, sink: Any) -> None:
        self.sink = sink

    def frame(self, direction: str, *what: Any) -> None:
        if direction == "out":
            self.sink.frame(direction, *what)

    def flush(self) -> None:
        self.sink.flush()

    def __repr__(self) -> str:
        return repr(self.sink)


class Cable(Sniff):
    """Around a host's port where all sinks are SentFrames: the switch may leave out what the host could not use."""

    witness: Witness | None = None

    def watch(self, stack: Stack, comments: Comments) -> None:
        """From now on the host says in the comments what becomes of the frames."""
        self.witness = Witness(comments, stack, self.name, self.medium)
        self.witness.listen(self.driver)

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        item = self.driver.receive()
        if self.witness is not None:
            self.witness.arrived(None if item is None else item[0])
        return item

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        sent = super().transmit(buffers, offload)
        if sent and self.witness is not None:
            self.witness.sent(b"".join(buffers))
        return sent

    def hear_all(self, everything: bool) -> None:
        if isinstance(self.driver, SwitchPort):
            self.driver.hear_all(everything)

    def hear(self, what: Hears, key: bytes | int, add: bool) -> None:
        if isinstance(self.driver, SwitchPort):
            self.driver.hear(what, key, add)


def cable(driver: Driver, sinks: Iterable[Any], name: str) -> Sniff:
    """`driver` with these sinks around it."""
    sinks = tuple(sinks)
    around = Cable if all(isinstance(sink, SentFrames) for sink in sinks) else Sniff
    return around(driver, *sinks, name=name)
