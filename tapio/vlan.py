"""One VLAN of a wire: `Vlan(driver, id=10)` puts the tag on what goes out, and takes it off what comes in.

Frames of other VLANs, and those without a tag, are not for us: counted, and lost. What an Offload says moves with the
tag; super-frames pass whole where the driver inside takes them. A tag within a tag is a Vlan around a Vlan (the outer
one is that of the inner driver). A driver is opened once: for several VLANs over one there is `components.trunk`.
IEEE 802.1Q 6.9, 9.6; table 9-2: an id of 0 is for the priority alone.
"""

from __future__ import annotations

from struct import Struct

import attrs

from netif.link import Buffer, Driver, LinkCaps, Medium, Offload, Port
from netif.wire import ethernet
from tapio.switch.vlan import TAG_LENGTH, moved
from tapio.wire import MTU_MAX
from tapio.wrapper import Wrapper

_AT = 12  # where a tag stands: behind both addresses
_BEHIND = _AT + TAG_LENGTH
_TAG = Struct("!HH")
_VID, _PRIORITY_AT = 0xFFF, 13  # the TCI's bits: 3 of priority, 1 to drop it sooner, 12 of VID
_PULLED = 64  # frames taken from the driver inside at one go, while none is ours


class Vlan(Wrapper):
    """`id` from 1 to 4094; 0: frames without a VLAN, and tags for their `priority` (0 to 7) alone. ValueError."""

    def __init__(self, driver: Driver, id: int, priority: int = 0) -> None:
        super().__init__(driver)
        if isinstance(id, bool) or not isinstance(id, int) or not 0 <= id < _VID:
            raise ValueError(f"id: {id!r} is no VLAN; give a number from 1 to 4094, or 0 for the priority alone")
        if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority < 8:
            raise ValueError(f"priority: {priority!r} is none; give a number from 0 to 7")
        if self.medium is not Medium.ETHERNET:
            raise ValueError(f"a VLAN wants an Ethernet wire, and {driver!r} carries {self.medium.value} packets")
        self.id = id
        self.other_vlan = 0  # frames of other VLANs that came
        self.untagged = 0  # that came without a tag
        self.malformed = 0  # too short, either way
        self._tag = _TAG.pack(ethernet.VLAN, priority << _PRIORITY_AT | id)
        self._port: Port | None = None

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        more = TAG_LENGTH if is_tagged(self.driver) else 0  # a link has room for one tag beyond its MTU
        asked = min(want.mtu + more, MTU_MAX)
        granted = self.driver.open(attrs.evolve(want, mtu=asked, gso_max=max(asked, want.gso_max)), port)
        self._port = port
        mtu = min(want.mtu, granted.mtu - more)
        return attrs.evolve(granted, mtu=mtu, gso_max=max(mtu, min(want.gso_max, granted.gso_max - TAG_LENGTH)))

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        head, *rest = buffers
        if len(head) < ethernet.HEADER_LENGTH:
            head, rest = b"".join(buffers), []
            if len(head) < ethernet.HEADER_LENGTH:
                self.malformed += 1
                return True
        whole = b"".join((head[:_AT], self._tag, head[_AT:]))  # a stack's first buffer is its headers
        return self.driver.transmit((whole, *rest), moved(offload, TAG_LENGTH))

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        for _ in range(_PULLED):
            item = self.driver.receive()
            if item is None:
                return None
            frame, offload = item
            if len(frame) < ethernet.HEADER_LENGTH:
                self.malformed += 1
            elif frame[_AT] != 0x81 or frame[_AT + 1]:
                if not self.id:
                    return item
                self.untagged += 1
            elif self._is_ours(frame):
                return b"".join((frame[:_AT], memoryview(frame)[_BEHIND:])), moved(offload, -TAG_LENGTH)
        if self._port is not None:
            self._port.readable()
        return None

    def _is_ours(self, frame: Buffer) -> bool:
        if len(frame) < ethernet.HEADER_LENGTH + TAG_LENGTH:
            self.malformed += 1
            return False
        if (frame[_AT + 2] << 8 | frame[_AT + 3]) & _VID != self.id:
            self.other_vlan += 1
            return False
        return True

    def close(self) -> None:
        self._port = None
        super().close()

    def __repr__(self) -> str:
        return f"<Vlan {self.id}, {self.other_vlan} of others, {self.driver!r}>"


def is_tagged(driver: Driver) -> bool:
    """Whether there is a VLAN within."""
    while isinstance(driver, Wrapper):
        if isinstance(driver, Vlan):
            return True
        driver = driver.driver
    return False
