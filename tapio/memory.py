"""Wires within a process: a pair of ends, and a learning switch.

A frame is joined once into immutable `bytes` and queued at the port it is for; that port's runtime drains it in the
same turn. Nothing is called across, so no host runs inside another's transmit. Ports join stacks of one runtime only.
Inboxes are bounded: a full pair answers False and says `writable` when there is room, a full switch port loses the
frame and counts it. What a port was granted is its own: a frame for one that was granted less is cut and finished.
The switch learns source addresses and forgets them after `ageing` seconds of silence (IEEE 802.1D 7.8, 7.9).
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TypedDict, Unpack

from netif.link import Buffer, LinkCaps, Offload, Port, Runtime
from netif.wire import Malformed
from netif.wire.segment import adapt
from tapio.wire import MTU_MAX, grant

_ADDRESSES = Struct("6s6s")  # of an Ethernet header: destination, source
_STATIONS = 4096  # addresses a switch remembers; the one learnt first is forgotten first

Frame = tuple[bytes, Offload | None]


class Bounds(TypedDict, total=False):
    """What a port in memory may be bounded by: what `open` grants at most, and what may wait in its inbox."""

    mtu: int
    gso_max: int
    tx_checksum: bool
    rx_checksum: bool
    queue: int  # frames
    queue_bytes: int


class MemoryPort:
    """What an end of a pair and a port of a switch have in common: an inbox, and what was granted."""

    def __init__(
        self,
        *,
        mtu: int = MTU_MAX,
        gso_max: int = MTU_MAX,
        tx_checksum: bool = True,
        rx_checksum: bool = True,
        queue: int = 1024,
        queue_bytes: int = 4 << 20,
    ) -> None:
        self.dropped = 0  # frames that found this inbox full, or its port not open
        self.malformed = 0  # frames that could not be cut for this port, or are too short for a switch
        self.caps: LinkCaps | None = None
        self._bounds = (mtu, gso_max, tx_checksum, rx_checksum)
        self._queue = queue
        self._queue_bytes = queue_bytes
        self._port: Port | None = None
        self._inbox: deque[Frame] = deque()
        self._held = 0  # bytes in the inbox
        self._weak = False  # some frame may have to be cut or finished for this port

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        mtu, gso_max, tx_checksum, rx_checksum = self._bounds
        caps = grant(want, mtu=mtu, gso_max=gso_max, tx_checksum=tx_checksum, rx_checksum=rx_checksum)
        self.caps, self._port = caps, port
        self._weak = not caps.rx_checksum or caps.gso_max < MTU_MAX
        return caps

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def advance(self, now: float) -> None:
        pass

    def receive(self) -> Frame | None:
        if not self._inbox:
            return None
        item = self._inbox.popleft()
        self._held -= len(item[0])
        return item

    def close(self) -> None:
        self._port = self.caps = None
        self._inbox.clear()
        self._held = 0

    def deliver(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """Queue a frame for this port, as whole as it may have it."""
        if self._weak and offload is not None and self.caps is not None:
            try:
                pieces = adapt(buffers, offload, self.caps, delivering=True)
            except Malformed:
                self.malformed += 1
                return
            for piece, left in pieces:
                self.enqueue(piece, left)
        else:
            self.enqueue(buffers, offload)

    def enqueue(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """Queue a frame that this port may have as it is."""
        if self._port is None or len(self._inbox) >= self._queue or self._held >= self._queue_bytes:
            self.dropped += 1
            return
        frame = b"".join(buffers)  # one exact `bytes` passes as it is
        self._held += len(frame)
        self._inbox.append((frame, offload))
        self._port.readable()


class PairEnd(MemoryPort):
    """One end of a `pair`. While the other end is not open, frames are lost, as on a cable."""

    _peer: PairEnd
    _refused = False  # the peer was answered False and waits for room here

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        other = self._peer._port
        if other is not None and other.runtime is not port.runtime:
            raise ValueError("both ends of a pair must be on one runtime: give their stacks the same one")
        return super().open(want, port)

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        peer = self._peer
        if len(peer._inbox) >= peer._queue or peer._held >= peer._queue_bytes:
            peer._refused = True
            return False
        peer.deliver(buffers, offload)
        return True

    def receive(self) -> Frame | None:
        item = super().receive()
        if self._refused and len(self._inbox) * 2 <= self._queue and self._held * 2 <= self._queue_bytes:
            self._let_go_on()
        return item

    def close(self) -> None:
        super().close()
        self._let_go_on()  # what the peer sends from now on is lost, but never stuck

    def _let_go_on(self) -> None:
        if self._refused:
            self._refused = False
            if self._peer._port is not None:
                self._peer._port.writable()

    def __repr__(self) -> str:
        return f"<PairEnd {'open' if self._port else 'closed'}, {len(self._inbox)} waiting, {self.dropped} dropped>"


def pair(**bounds: Unpack[Bounds]) -> tuple[PairEnd, PairEnd]:
    """The two ends of a cable, bounded alike."""
    one, other = PairEnd(**bounds), PairEnd(**bounds)
    one._peer, other._peer = other, one
    return one, other


class Station:
    """Where a source address was last seen, and when."""

    __slots__ = ("port", "seen")

    def __init__(self, port: SwitchPort, seen: float) -> None:
        self.port = port
        self.seen = seen


class Switch:
    """A learning switch. `port()` makes a driver; what is lost at a full port is counted there."""

    def __init__(self, *, ageing: float = 300.0) -> None:
        self.ageing = ageing  # seconds
        self.runtime: Runtime | None = None  # of the ports that are open
        self.ports: dict[SwitchPort, None] = {}  # those that are open, in order
        self.stations: dict[bytes, Station] = {}
        self._made = 0

    def port(self, **bounds: Unpack[Bounds]) -> SwitchPort:
        self._made += 1
        return SwitchPort(self, self._made, **bounds)

    def learn(self, address: bytes, port: SwitchPort, now: float) -> None:
        if address[0] & 1:
            return  # no station bears a group address
        station = self.stations.get(address)
        if station is not None:
            station.port, station.seen = port, now
            return
        if len(self.stations) >= _STATIONS:
            del self.stations[next(iter(self.stations))]
        self.stations[address] = Station(port, now)

    def flood(self, source: SwitchPort, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        """To every port but the source's: joined once, and cut once for all that were granted the same."""
        frame = (b"".join(buffers),)
        cuts: dict[tuple[int, bool], list[tuple[tuple[Buffer, ...], Offload | None]]] = {}
        for port in self.ports:
            caps = port.caps
            if port is source or caps is None:
                continue
            if offload is None:
                port.enqueue(frame, None)
                continue
            granted = (caps.gso_max, caps.rx_checksum)
            if granted not in cuts:
                try:
                    cuts[granted] = adapt(frame, offload, caps, delivering=True)
                except Malformed:
                    port.malformed += 1
                    continue
            for piece, left in cuts[granted]:
                port.enqueue(piece, left)

    def __repr__(self) -> str:
        return f"<Switch of {len(self.ports)} ports, {len(self.stations)} stations>"


class SwitchPort(MemoryPort):
    """One port of a `Switch`. Never full to its sender: what finds no room is lost where it was going."""

    def __init__(self, switch: Switch, number: int, **bounds: Unpack[Bounds]) -> None:
        super().__init__(**bounds)
        self.switch = switch
        self.number = number

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        switch = self.switch
        if switch.ports and switch.runtime is not port.runtime:
            raise ValueError("all ports of a switch must be on one runtime: give their stacks the same one")
        caps = super().open(want, port)
        switch.runtime = port.runtime
        switch.ports[self] = None
        return caps

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        port, switch = self._port, self.switch
        if port is None:
            return True
        if len(buffers[0]) < _ADDRESSES.size:
            buffers = (b"".join(buffers),)
            if len(buffers[0]) < _ADDRESSES.size:
                self.malformed += 1
                return True
        destination, source = _ADDRESSES.unpack_from(buffers[0])
        now = port.now()
        station = switch.stations.get(source)
        if station is not None and station.port is self:
            station.seen = now
        else:
            switch.learn(source, self, now)
        station = switch.stations.get(destination)
        if station is None:
            switch.flood(self, buffers, offload)
        elif now - station.seen > switch.ageing:
            del switch.stations[destination]
            switch.flood(self, buffers, offload)
        elif station.port is not self:
            station.port.deliver(buffers, offload)
        return True

    def close(self) -> None:
        super().close()
        switch = self.switch
        if self in switch.ports:
            del switch.ports[self]
            switch.stations = {mac: station for mac, station in switch.stations.items() if station.port is not self}
        if not switch.ports:
            switch.runtime = None

    def __repr__(self) -> str:
        return f"<SwitchPort {self.number}, {len(self._inbox)} waiting, {self.dropped} dropped>"
