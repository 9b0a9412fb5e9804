"""802.1Q tags: which VLANs a port is in, and a frame with its tag put in or taken out.

Knows the tag's four bytes behind the addresses, and that what an Offload says moves with them. IEEE 802.1Q 6.9 (VIDs of
frames), 8.6 (ingress and egress), 9.6 (the tag).
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import TypeAlias

import attrs

from netif.link import PARTIAL, Buffer, Offload
from netif.wire import ethernet

DEFAULT = 1  # the VLAN of a port of which nothing is said
NOT_MEMBER, UNTAGGED, TAGGED = 0, 1, 2  # how a VLAN's frames leave a port

TAG_LENGTH = 4  # bytes
_AT = 12  # where a tag stands: behind both addresses
_VID = 0xFFF
_VLAN = ethernet.VLAN.to_bytes(2, "big")
_TAG = Struct("!HH")  # ethertype 0x8100; priority, drop eligible, VID
_TCI = Struct("!H")

Frame: TypeAlias = "tuple[tuple[Buffer, ...], Offload | None]"


def check_vid(name: str, vid: int) -> int:
    """ValueError: 0 and 4095 name no VLAN (802.1Q table 9-2)."""
    if isinstance(vid, bool) or not isinstance(vid, int) or not 0 < vid < _VID:
        raise ValueError(f"{name}: {vid!r} is no VLAN; give a number from 1 to 4094")
    return vid


@attrs.frozen
class Membership:
    """Which VLANs a port is in. `untagged`: that of frames without a tag; None: they are not taken. `tagged`: those
    whose frames bear one; None: all."""

    untagged: int | None = DEFAULT
    tagged: frozenset[int] | None = None

    @property
    def is_access(self) -> bool:
        return self.tagged == frozenset()

    def way_out(self, vid: int) -> int:
        if vid == self.untagged:
            return UNTAGGED
        return TAGGED if self.tagged is None or vid in self.tagged else NOT_MEMBER

    def way_in(self, tci: int) -> int:
        """The VLAN of a frame with this tag; 0: it is not taken. A VID of 0 is for the priority alone."""
        vid = tci & _VID
        if not vid:
            return self.untagged or 0
        return vid if vid != _VID and self.way_out(vid) else 0


def membership(vlan: int | None, trunk: Iterable[int] | None, native: int | None) -> Membership:
    """Of an access port of `vlan`; or of a trunk that carries the VLANs `trunk`, and `native` without tags; of nothing:
    all VLANs, and the default one without tags. ValueError."""
    if vlan is not None:
        if trunk is not None or native is not None:
            raise ValueError(f"vlan: a port is an access port of VLAN {vlan}, or a trunk (trunk=, native=), not both")
        return Membership(check_vid("vlan", vlan), frozenset())
    if native is not None:
        check_vid("native", native)
    if trunk is None:
        return Membership(DEFAULT if native is None else native)
    return Membership(native, frozenset(check_vid("trunk", vid) for vid in trunk))


def tci_of(head: Buffer) -> int:
    """What the tag says; the frame is known to have one, and to be long enough."""
    tci: int = _TCI.unpack_from(head, _AT + 2)[0]
    return tci


def is_tagged(buffers: tuple[Buffer, ...]) -> bool:
    """Of a frame that `untag` has answered with: there was another tag behind that."""
    return buffers[1][:2] == _VLAN


def untag(buffers: tuple[Buffer, ...], offload: Offload | None) -> Frame:
    """The frame without its tag; what is behind the addresses is not copied."""
    head = buffers[0]
    return (head[:_AT], memoryview(head)[_AT + TAG_LENGTH :], *buffers[1:]), moved(offload, -TAG_LENGTH)


def tag(frame: Buffer, offload: Offload | None, tci: int) -> Frame:
    """A contiguous frame with a tag."""
    header = bytes(frame[:_AT]) + _TAG.pack(ethernet.VLAN, tci)
    return (header, memoryview(frame)[_AT:]), moved(offload, TAG_LENGTH)


def moved(offload: Offload | None, by: int) -> Offload | None:
    """What is said of a frame whose headers have become longer by so many bytes."""
    if offload is None or offload.checksum != PARTIAL:
        return offload
    return offload._replace(start=offload.start + by)
