"""A learning switch within a process: where a frame goes.

It learns source addresses, by VLAN, and forgets them after `ageing` seconds of silence (IEEE 802.1Q 8.7, 8.8); static
entries stay. What is for many goes to those whose hosts could use it (`hearing`). A port is never full to its sender:
what finds no room where it was going is lost there, and counted. With the first port that says anything of VLANs the
switch looks at tags; before, they are payload. It speaks no spanning tree: of a loop only its rate is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from netif.link import Buffer, Offload, Runtime
from netif.wire import ethernet
from tapio.memory import Bounds
from tapio.switch.copies import Copies
from tapio.switch.hearing import Hearing
from tapio.switch.mirror import Mirror
from tapio.switch.port import SwitchPort
from tapio.switch.vlan import DEFAULT, check_vid, membership

STATIONS = 4096  # addresses that a switch remembers; the one learnt first is forgotten first
STORM = 20_000  # frames a second that one port may send to all
_RESERVED = b"\x01\x80\xc2\0\0"  # and a byte below 16: no bridge passes these on (802.1Q table 8-1)


class Station:
    """Where a source address was last seen, and when."""

    __slots__ = ("port", "seen")

    def __init__(self, port: SwitchPort, seen: float) -> None:
        self.port = port
        self.seen = seen


class Switch:
    """`port()` makes a driver. `selective`: heed what hosts say they could use; else what is for many goes to all."""

    def __init__(
        self, *, ageing: float = 300.0, stations: int = STATIONS, storm: int = STORM, selective: bool = True
    ) -> None:
        self.ageing = ageing  # seconds
        self.storm = storm  # frames a second, of each port
        self.selective = selective
        self.knows_vlans = False
        self.runtime: Runtime | None = None  # of the ports that are open
        self.ports: dict[SwitchPort, None] = {}  # those that are open, in order
        self.mirrors: dict[Mirror, None] = {}  # those that are open
        self.stations: dict[bytes, Station] = {}  # by MAC, and two bytes of VLAN where that is not the default
        self.static: dict[bytes, tuple[SwitchPort, ...]] = {}  # likewise; to nobody: nowhere
        self.hearing = Hearing(self.ports)
        self._known: dict[SwitchPort, None] = {}  # ports that have `ways`
        self.forgotten = 0  # stations, for want of room
        self._most = stations
        self._made = self._opened = 0

    def port(
        self,
        *,
        vlan: int | None = None,
        trunk: Iterable[int] | None = None,
        native: int | None = None,
        isolated: bool = False,
        **bounds: Unpack[Bounds],
    ) -> SwitchPort:
        """A new port: an access port of `vlan`; or a trunk that carries the VLANs `trunk` with tags and `native`
        without; of neither: all VLANs, and VLAN 1 without tags. `isolated` ports do not reach each other. ValueError.
        """
        member = membership(vlan, trunk, native)
        if vlan is not None or trunk is not None or native is not None:
            self.knows_vlans = True
            self.unsettle()
        return SwitchPort(self, self.next_number(), member, isolated, **bounds)

    def next_number(self) -> int:
        """Of a port that is made."""
        self._made += 1
        return self._made

    def mirror(self, *ports: SwitchPort, sent: bool = True, received: bool = True, **bounds: Unpack[Bounds]) -> Mirror:
        """A driver that sees what these ports send and receive; without any: all that is sent, each frame once."""
        return Mirror(self, ports, sent, received and bool(ports), **bounds)

    # what is known by hand

    def add_station(self, mac: str | bytes, *ports: SwitchPort, vlan: int = DEFAULT) -> None:
        """Frames to `mac` go to these ports, whatever is learnt; to none of them: nowhere. ValueError."""
        if any(port.switch is not self for port in ports):
            raise ValueError(f"add_station: a port of {self!r} is wanted, made by its port()")
        if len(self.static) >= self._most and key_of(mac, vlan) not in self.static:
            raise ValueError(f"add_station: the table is full with {self._most} stations; make the switch with more")
        self.unsettle()
        self.static[key_of(mac, vlan)] = ports
        self.stations.pop(key_of(mac, vlan), None)

    def remove_station(self, mac: str | bytes, *, vlan: int = DEFAULT) -> bool:
        """Forget `mac`, whether it was learnt or added. False: it was not known."""
        key = key_of(mac, vlan)
        self.unsettle()
        return (self.static.pop(key, None) is not None) | (self.stations.pop(key, None) is not None)

    # where a frame goes

    def forward(
        self,
        source: SwitchPort,
        destination: bytes,
        sender: bytes,
        buffers: tuple[Buffer, ...],
        offload: Offload | None,
        tci: int,
        now: float,
    ) -> None:
        """A frame without its tag, between stations as the tables name them; `tci` names its VLAN and its priority."""
        stations = self.stations
        station = stations.get(sender)
        if station is not None and station.port is source:
            station.seen = now
        else:
            self.learn(sender, source, now)
        if self.static and destination in self.static:
            for port in self.static[destination] or self._nowhere(source):
                self._pass_on(source, port, buffers, offload, tci)
            return
        station = stations.get(destination)
        if station is None:
            self.flood(source, buffers, offload, tci, now)
        elif now - station.seen > self.ageing:
            del stations[destination]
            self.unsettle()
            self.flood(source, buffers, offload, tci, now)
        else:
            self._pass_on(source, station.port, buffers, offload, tci)
            self._settle(source, destination, sender, buffers[0])

    def _settle(self, source: SwitchPort, destination: bytes, sender: bytes, head: Buffer) -> None:
        """From now on frames with this link header go from here to there, until something changes."""
        at, to = self.stations.get(sender), self.stations[destination]
        port = to.port
        if at is None or at.port is not source or port is source or (source.isolated and port.isolated):
            return
        if self.knows_vlans or source.sent_to or port.received_to:
            return
        if len(source.ways) >= self._most:
            source.ways.clear()
        source.ways[bytes(head[: ethernet.HEADER_LENGTH])] = at, to, port, self.ageing
        self._known[source] = None

    def unsettle(self) -> None:
        """Something has changed by which frames may go other ways."""
        for port in self._known:
            port.ways.clear()
        self._known.clear()

    def learn(self, address: bytes, port: SwitchPort, now: float) -> None:
        if address[0] & 1 or address in self.static:
            return  # no station bears a group address
        station = self.stations.get(address)
        if station is not None:
            self.unsettle()
            station.port, station.seen = port, now
            return
        if len(self.stations) >= self._most:
            del self.stations[next(iter(self.stations))]
            self.unsettle()
            self.forgotten += 1
        self.stations[address] = Station(port, now)

    def _nowhere(self, source: SwitchPort) -> tuple[SwitchPort, ...]:
        source.filtered += 1
        return ()

    def _pass_on(
        self, source: SwitchPort, port: SwitchPort, buffers: tuple[Buffer, ...], offload: Offload | None, tci: int
    ) -> None:
        if port is source or (port.isolated and source.isolated):
            source.filtered += 1
        elif self.knows_vlans or port.received_to:
            port.put(Copies(b"".join(buffers), offload, tci))
        else:
            port.deliver(buffers, offload)

    def flood(
        self, source: SwitchPort, buffers: tuple[Buffer, ...], offload: Offload | None, tci: int, now: float
    ) -> None:
        """To every port but the source's whose host could use it."""
        frame = b"".join(buffers)
        if frame[:5] == _RESERVED and frame[5] < 16:
            source.reserved += 1
            return
        if not source.may_flood(now, self.storm):
            return
        copies = Copies(frame, offload, tci)
        for port in self.hearing.of(frame) if self.selective else self.ports:
            if port is not source and not (port.isolated and source.isolated):
                port.put(copies)

    # its ports come and go

    def belongs(self, runtime: Runtime) -> None:
        """ValueError: a port is about to be opened on another runtime than the others."""
        if (self.ports or self.mirrors) and self.runtime is not runtime:
            raise ValueError("all ports of a switch must be on one runtime: give their stacks the same one")
        self.runtime = runtime

    def joined(self, port: SwitchPort) -> None:
        if port not in self.ports:
            self._opened += 1
            port.place = self._opened
            self.ports[port] = None
        self.hearing.hear_all(port, True)
        self._mirror(port)

    def gone(self, port: SwitchPort) -> None:
        if port in self.ports:
            del self.ports[port]
            self.unsettle()
            self.hearing.hear_all(port, False)
            self.forget(port)
            self.left()

    def forget(self, port: SwitchPort) -> None:
        """Whoever was learnt there may be anywhere now."""
        for mac in [mac for mac, station in self.stations.items() if station.port is port]:
            del self.stations[mac]

    def left(self) -> None:
        if not (self.ports or self.mirrors):
            self.runtime = None

    def remirror(self) -> None:
        """Each port knows who sees it, so that who is not seen pays nothing."""
        self.unsettle()
        for port in self.ports:
            self._mirror(port)

    def _mirror(self, port: SwitchPort) -> None:
        port.sent_to = tuple(mirror for mirror in self.mirrors if mirror.sent and mirror.sees(port))
        port.received_to = tuple(mirror for mirror in self.mirrors if mirror.received and mirror.sees(port))

    def __repr__(self) -> str:
        return f"<Switch of {len(self.ports)} ports, {len(self.stations)} stations>"


def key_of(mac: str | bytes, vid: int) -> bytes:
    """Of a station in the tables. ValueError."""
    address = ethernet.parse_mac(mac) if isinstance(mac, str) else mac
    if len(address) != 6:
        raise ValueError(f"{address!r} is not a MAC address: give six bytes, or text as in 02:00:00:00:00:01")
    return address if check_vid("vlan", vid) == DEFAULT else address + vid.to_bytes(2, "big")
