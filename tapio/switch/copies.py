"""One frame for many ports: joined once, and tagged and cut once for all that take it in the same shape."""

from __future__ import annotations

from netif.link import LinkCaps, Offload
from netif.wire import Malformed
from netif.wire.segment import adapt
from tapio.switch.vlan import TAGGED, Frame, tag


class Copies:
    """`frame` has no tag; `tci` is that which it bears where it needs one."""

    def __init__(self, frame: bytes, offload: Offload | None, tci: int) -> None:
        self.frame = frame
        self.offload = offload
        self.tci = tci
        self._tagged: Frame | None = None
        self._cut: dict[tuple[int, int, bool], list[Frame] | None] = {}

    def of(self, way: int, caps: LinkCaps) -> list[Frame] | None:
        """The frames for a port that was granted `caps`, with a tag or without; None: it cannot be cut for it."""
        granted = (way, caps.gso_max, caps.rx_checksum)
        if granted not in self._cut:
            buffers, offload = self.whole(way)
            try:
                self._cut[granted] = adapt(buffers, offload, caps, delivering=True)
            except Malformed:
                self._cut[granted] = None
        return self._cut[granted]

    def whole(self, way: int) -> Frame:
        """Uncut, with a tag or without."""
        if way != TAGGED:
            return (self.frame,), self.offload
        if self._tagged is None:
            buffers, offload = tag(self.frame, self.offload, self.tci)
            self._tagged = (b"".join(buffers),), offload
        return self._tagged
