"""One port of a switch: how frames enter it and leave it.

Knows its VLANs, its counters and its mirrors; which ports a frame goes to is the switch's to say.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, TypeAlias, Unpack

import attrs

from netif.link import Buffer, Hears, LinkCaps, Offload, Port
from netif.wire import ethernet
from tapio.memory import Bounds, MemoryPort
from tapio.switch import vlan
from tapio.switch.copies import Copies
from tapio.switch.vlan import NOT_MEMBER, TAGGED, Membership

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapio.switch.mirror import Mirror
    from tapio.switch.switch import Station, Switch

Ways: TypeAlias = "dict[bytes, tuple[Station, Station, SwitchPort, float]]"
"""By link header: the stations of sender and destination, the port of the latter, after how long it is forgotten."""

_HEADER = Struct("!6s6sH")  # destination, source, ethertype
_LINK = ethernet.HEADER_LENGTH
_TAGGED_HEADER = ethernet.HEADER_LENGTH + vlan.TAG_LENGTH
_VLAN, _DEFAULT = ethernet.VLAN, vlan.DEFAULT


@attrs.frozen
class PortCounters:
    """Frames that came into the switch by a port and left it there, and what became of the others."""

    in_frames: int
    in_bytes: int
    out_frames: int
    out_bytes: int
    dropped: int  # it was full
    malformed: int  # too short, or not to be cut
    not_member: int  # of a VLAN that the port does not take
    reserved: int  # to an address that no bridge passes on (802.1Q 8.6.3)
    filtered: int  # to a station that is nowhere, or isolated from here
    storm: int  # beyond what one port may have sent to all


class SwitchPort(MemoryPort):
    """One port of a `Switch`. Never full to its sender: what finds no room is lost where it was going."""

    def __init__(
        self, switch: Switch, number: int, vlans: Membership, isolated: bool, **bounds: Unpack[Bounds]
    ) -> None:
        super().__init__(**bounds)
        self.switch = switch
        self.number = number
        self.vlans = vlans
        self.isolated = isolated
        self.place = 0  # in the order in which ports were opened
        self.in_frames = self.in_bytes = 0
        self.not_member = self.reserved = self.filtered = self.storm = 0
        self.sent_to: tuple[Mirror, ...] = ()  # that see what it sends
        self.received_to: tuple[Mirror, ...] = ()  # that see what it receives
        self.ways: Ways = {}  # of frames that need no more than to be put where the last of their kind went
        self._now: Callable[[], float] = float
        self._heard: dict[tuple[Hears, bytes | int], None] = {}
        self._storm_since, self._storm_count = 0.0, 0

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        switch = self.switch
        switch.belongs(port.runtime)
        caps = super().open(want, port)
        self._empty()  # what was for whoever had it open before
        self._forget_hearing()
        self._now = port.now
        switch.joined(self)
        return caps

    @property
    def counters(self) -> PortCounters:
        return PortCounters(
            self.in_frames,
            self.in_bytes,
            self.frames,
            self.bytes,
            self.dropped,
            self.malformed,
            self.not_member,
            self.reserved,
            self.filtered,
            self.storm,
        )

    # what its host could use, of what is for many

    def hear_all(self, everything: bool) -> None:
        """False: no more than `hear` names; True: all, as after `open`."""
        if self._port is not None:
            self.switch.hearing.hear_all(self, everything)

    def hear(self, what: Hears, key: bytes | int, add: bool) -> None:
        if add and self._port is not None:
            self._heard[what, key] = None
            self.switch.hearing.add(self, what, key)
        elif not add:
            self._heard.pop((what, key), None)
            self.switch.hearing.remove(self, what, key)

    def _forget_hearing(self) -> None:
        for what, key in self._heard:
            self.switch.hearing.remove(self, what, key)
        self._heard.clear()

    # in

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        frame = b"".join(buffers)
        way = self.ways.get(frame[:_LINK])
        if way is None:
            return self._transmit(buffers, offload)
        sender, station, port, ageing = way
        now = self._now()
        if now - station.seen > ageing or (port._weak and offload is not None):
            return self._transmit((frame,), offload)
        sender.seen = now
        length = len(frame)
        self.in_frames += 1
        self.in_bytes += length
        inbox = port._inbox
        if port._held >= port._queue_bytes or len(inbox) >= port._queue:
            port.dropped += 1
            return True
        port._held += length
        inbox.append((frame, offload))
        if not port._announced:
            port._announce()
        return True

    def _transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        """Any frame, by the tables."""
        port, switch = self._port, self.switch
        if port is None:
            return True
        if len(buffers[0]) < _TAGGED_HEADER:
            buffers = (b"".join(buffers),)
            if len(buffers[0]) < _HEADER.size:
                self.malformed += 1
                return True
        destination, source, ethertype = _HEADER.unpack_from(buffers[0])
        self.in_frames += 1
        for buffer in buffers:
            self.in_bytes += len(buffer)
        for mirror in self.sent_to:
            mirror.deliver(buffers, offload)
        if switch.knows_vlans:
            self._enter(buffers, offload, destination, source, ethertype, port.now())
        else:
            switch.forward(self, destination, source, buffers, offload, _DEFAULT, port.now())
        return True

    def _enter(
        self,
        buffers: tuple[Buffer, ...],
        offload: Offload | None,
        destination: bytes,
        source: bytes,
        ethertype: int,
        now: float,
    ) -> None:
        """Into its VLAN, without a tag (802.1Q 8.6.2)."""
        tci = vid = self.vlans.untagged or 0
        if ethertype == _VLAN:
            if len(buffers[0]) < _TAGGED_HEADER:
                self.malformed += 1
                return
            tci = vlan.tci_of(buffers[0])
            vid = self.vlans.way_in(tci)
            tci = tci & 0xF000 | vid
            buffers, offload = vlan.untag(buffers, offload)
            if self.vlans.is_access and vlan.is_tagged(buffers):
                vid = 0  # a native VLAN further on would take it for one of the inner tag's
        if not vid:
            self.not_member += 1
        elif vid == _DEFAULT:
            self.switch.forward(self, destination, source, buffers, offload, tci, now)
        else:
            key = vid.to_bytes(2, "big")
            self.switch.forward(self, destination + key, source + key, buffers, offload, tci, now)

    # out

    def put(self, copies: Copies) -> None:
        """A frame that is to leave here, if it is of a VLAN of the port's (802.1Q 8.6.4)."""
        caps = self.caps
        if caps is None:
            return
        way = self.vlans.way_out(copies.tci & 0xFFF) if self.switch.knows_vlans else vlan.UNTAGGED
        if way == NOT_MEMBER:
            return
        for mirror in self.received_to:
            if mirror.caps is not None:
                mirror.deliver(*copies.whole(way))
        if copies.offload is None and way != TAGGED:
            self.enqueue((copies.frame,), None)
            return
        pieces = copies.of(way, caps)
        if pieces is None:
            self.malformed += 1
            return
        for piece, left in pieces:
            self.enqueue(piece, left)

    def may_flood(self, now: float, most: int) -> bool:
        """No more than so many a second go from here to all: a loop would never end."""
        if now - self._storm_since >= 1.0:
            self._storm_since, self._storm_count = now, 0
        self._storm_count += 1
        if self._storm_count <= most:
            return True
        self.storm += 1
        return False

    def close(self) -> None:
        super().close()
        self._forget_hearing()
        self.switch.gone(self)

    def __repr__(self) -> str:
        return f"<SwitchPort {self.number}, {len(self._inbox)} waiting, {self.dropped} dropped>"
