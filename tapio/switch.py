"""A learning switch within a process: any number of ports, each a driver of its own.

It learns source addresses and forgets them after `ageing` seconds of silence (IEEE 802.1D 7.8, 7.9). A port is never
full to its sender: what finds no room where it was going is lost there, and counted.
"""

from __future__ import annotations

from struct import Struct
from typing import Unpack

from netif.link import Buffer, LinkCaps, Offload, Port, Runtime
from netif.wire import Malformed
from netif.wire.segment import adapt
from tapio.memory import Bounds, MemoryPort

_ADDRESSES = Struct("6s6s")  # of an Ethernet header: destination, source
_STATIONS = 4096  # addresses a switch remembers; the one learnt first is forgotten first


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
