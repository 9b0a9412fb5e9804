"""Wires joined at layer 2, and a host of ours among them: `Bridge(["tap0", "packet:veth0"], host=stack, dhcp=True)`.

As esp_netif_br_glue has it: a switch (tapio) that learns who is behind which wire, a patch to each member's driver, and
a port of its own for the host's netif. A member that dies is let go, the others live on, and `reattach` mends it. The
netif's MTU is the least of its members', its link is up while any member is. Frames pass between members whether there
is an address here or not. It speaks no spanning tree: of a loop only the rate is bounded (`storm`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import attrs

from components.patch import End, Patch, State, gate, wire
from netif.errors import InvalidArg, InvalidParams, InvalidState, NetifError, NoMem, NotFound
from netif.netif import LINGER, Netif
from netif.wire import ethernet
from tapio import Switch, SwitchPort

if TYPE_CHECKING:
    from netif.config import Address
    from netif.link import Driver, Runtime
    from stack import Stack

    Told: TypeAlias = Callable[["Member", OSError], None]

logger = logging.getLogger(__name__)

DYNAMIC, STATIC, PORTS = 1024, 256, 64  # entries of the table that were learnt and given; members
STORM = 20_000  # frames a second that one member may send to all


@attrs.frozen
class Entry:
    """Where frames for a station go: to the host's netif ("host"), to members by their names, or nowhere."""

    mac: str
    to: tuple[str, ...]
    is_static: bool
    age: float  # seconds since it was heard; of a static one 0


class Member:
    """One wire of a bridge."""

    def __init__(self, bridge: Bridge, name: str, port: SwitchPort, driver: Driver) -> None:
        self.bridge = bridge
        self.name = name
        self.port = port  # of the bridge's switch
        self.patch = Patch(port, driver, runtime=bridge.runtime, name=name, failed=self._failed)

    @property
    def end(self) -> End:
        """Its driver's, with the counters."""
        return self.patch.other

    @property
    def is_up(self) -> bool:
        return self.end.state is State.OPEN

    def _failed(self, end: End, error: OSError) -> None:
        self.bridge.lost(self, error)

    def reattach(self, driver: Driver | None = None) -> None:
        """Open the driver that failed once more, or `driver` in its place. OSError, ValueError: it stays failed."""
        try:
            self.end.reattach(driver)
        finally:
            self.bridge.settle()

    def __repr__(self) -> str:
        return f"<Member {self.name} of {self.bridge.name}: {self.end!r}>"


class Bridge:
    """Members are drivers, or wires by their names (docs/wires.md): its own from here on. With `host` it has a netif.

    `ip`, `gateway`, `dhcp`, `mac` and `mtu` are the netif's; without a MAC it has one that is the same at each start.
    """

    def __init__(
        self,
        members: Iterable[Driver | str] = (),
        *,
        host: Stack | None = None,
        ip: Address | None = None,
        gateway: Address | None = None,
        dhcp: bool = False,
        mac: str | bytes | None = None,
        mtu: int | None = None,
        name: str = "BR0",
        ageing: float = 300.0,
        dynamic: int = DYNAMIC,
        static: int = STATIC,
        ports: int = PORTS,
        storm: int = STORM,
        runtime: Runtime | None = None,
        failed: Told | None = None,
    ) -> None:
        """`ageing` in seconds, `storm` in frames a second; `dynamic`, `static`, `ports`: the most of each. `failed` is
        called with a member and its error, the gate free. Raises what the drivers and `Netif` do; all is closed then.
        """
        given = list(members)
        try:
            for word, value in (("dynamic", dynamic), ("static", static), ("ports", ports), ("storm", storm)):
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    raise InvalidParams(f"Bridge: {word}={value!r} is no count; give a number from 1 on")
            if host is None and (ip is not None or dhcp):
                raise InvalidParams("Bridge: an address is a host's: give host=Stack() too, or leave ip= and dhcp= out")
            if host is not None:
                runtime = host.runtime
            elif runtime is None:
                from netif.runtime import default_runtime

                runtime = default_runtime()
        except BaseException:
            close_drivers(given)
            raise
        self.name = name
        self.runtime: Runtime = runtime
        self.switch = Switch(ageing=ageing, stations=max(dynamic, static), storm=storm)
        self.host_port = self.switch.port()  # for a netif
        self.members: dict[str, Member] = {}
        self.netif: Netif | None = None
        self._most_static, self._most_members = static, ports
        self._told = failed
        self._closed = False
        try:
            while given:
                self.add(given.pop(0))
            if host is not None:
                self.bear(
                    Netif(self.host_port, stack=host, ip=ip, gateway=gateway, dhcp=dhcp, mac=mac, mtu=mtu, if_key=name)
                )
        except BaseException:
            close_drivers(given)
            self.close(0)
            raise

    # members

    def add(self, driver: Driver | str, name: str | None = None) -> Member:
        """One more wire. InvalidState, InvalidParams, NoMem; and what opening it raises: it is closed then."""
        try:
            name = self._free_name(name)
            opened = wire(driver)
        except BaseException:
            close_drivers((driver,))
            raise
        member = self.members[name] = Member(self, name, self.switch.port(), opened)
        self.settle()
        return member

    def _free_name(self, name: str | None) -> str:
        if self._closed:
            raise InvalidState(f"{self!r} is closed: make another")
        if len(self.members) >= self._most_members:
            raise NoMem(f"{self.name} has {len(self.members)} members, and that is the most; make it with more ports=")
        if name is None:
            name = next(free for n in range(1, len(self.members) + 2) if (free := f"port{n}") not in self.members)
        if name in self.members or name == "host":
            raise InvalidParams(f"{self.name} has a member {name!r} already; give another name")
        return name

    def remove(self, member: Member) -> None:
        """Close its driver; static entries lead there no longer. NotFound."""
        if self.members.get(member.name) is not member:
            raise NotFound(f"{member!r} is no member of {self.name}")
        with gate(self.runtime):
            del self.members[member.name]
            static = self.switch.static
            for mac, ports in list(static.items()):
                if member.port in ports:
                    static[mac] = tuple(port for port in ports if port is not member.port)
        member.patch.close()
        self.settle()

    def lost(self, member: Member, error: OSError) -> None:
        """From its patch: its driver is dead."""
        with gate(self.runtime):
            self.switch.forget(member.port)
        self.settle()
        if self._told is not None:
            self._told(member, error)

    # the table (esp_netif_bridge_fdb_add, _remove)

    def fdb_add(self, mac: str | bytes, *to: Member | Netif) -> None:
        """Frames to `mac` go to these members, or to the bridge's netif, whatever is learnt; to none: nowhere.
        InvalidParams; InvalidArg; NoMem."""
        ports = tuple(self._port_of(one) for one in to)
        with gate(self.runtime):
            if len(self.switch.static) >= self._most_static and not self._is_static(mac):
                raise NoMem(f"{self.name} has {self._most_static} static entries; make it with more static=")
            try:
                self.switch.add_station(mac, *ports)
            except ValueError as error:
                raise InvalidParams(f"{self.name}: {error}") from None

    def _is_static(self, mac: str | bytes) -> bool:
        try:
            return (ethernet.parse_mac(mac) if isinstance(mac, str) else mac) in self.switch.static
        except ValueError:
            return True  # what it is will be told by the switch

    def _port_of(self, to: Member | Netif) -> SwitchPort:
        if to is self.netif and to is not None:
            return self.host_port
        if isinstance(to, Member) and self.members.get(to.name) is to:
            return to.port
        raise InvalidArg(f"{to!r} is neither a member of {self.name} nor its netif")

    def fdb_remove(self, mac: str | bytes) -> None:
        """An entry that was given, or learnt. NotFound, InvalidParams."""
        with gate(self.runtime):
            try:
                found = self.switch.remove_station(mac)
            except ValueError as error:
                raise InvalidParams(f"{self.name}: {error}") from None
        if not found:
            raise NotFound(f"{self.name} knows no station {mac if isinstance(mac, str) else ethernet.format_mac(mac)}")

    @property
    def fdb(self) -> list[Entry]:
        """What is known of stations, static entries first. Those that have aged are left out."""
        with gate(self.runtime):
            now, switch = self.runtime.now(), self.switch
            names = {member.port: member.name for member in self.members.values()}
            names[self.host_port] = "host"
            rows = [
                Entry(ethernet.format_mac(mac), tuple(names[port] for port in ports), True, 0.0)
                for mac, ports in switch.static.items()
            ]
            return rows + [
                Entry(ethernet.format_mac(mac), (names[station.port],), False, now - station.seen)
                for mac, station in switch.stations.items()
                if now - station.seen <= switch.ageing and station.port in names
            ]

    # its netif

    def bear(self, netif: Netif) -> None:
        """`netif` lives on `host_port`: its MTU and its link follow the members from here on."""
        self.netif = netif
        self._widest = netif.mtu
        self.settle()

    @property
    def mtu(self) -> int:
        """Bytes of an IP packet: the least of the members that are up, and of what the netif asked for."""
        widths = [member.end.mtu for member in self.members.values() if member.is_up]
        return min(widths + ([] if self.netif is None else [self._widest]), default=0)

    def settle(self) -> None:
        """A member has come or gone. Gate free."""
        netif = self.netif
        if netif is None or self._closed or netif.interface is None:
            return
        try:
            if any(member.is_up for member in self.members.values()):
                if netif.mtu != self.mtu:
                    netif.set_mtu(self.mtu)
                netif.connected()
            elif netif.is_up:
                netif.unplug()
        except NetifError as error:  # it is being closed by somebody else
            logger.info("%s: %s", self.name, error)

    def close(self, linger: float = LINGER) -> None:
        """The netif in order (within `linger` seconds), then the members. Idempotent."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as steps:
            for member in self.members.values():
                steps.callback(member.patch.close)
            steps.callback(self.host_port.close)
            if self.netif is not None:
                steps.callback(partial(self.netif.close, linger))

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close(LINGER if error is None else 0)

    def __repr__(self) -> str:
        members = ", ".join(f"{name} {member.end.state.value}" for name, member in self.members.items())
        return f"<Bridge {self.name}: {members or 'no members'}>"


def close_drivers(drivers: Iterable[Driver | str]) -> None:
    """Those that were opened by whoever gave them, and cannot be had."""
    for driver in drivers:
        if not isinstance(driver, str):
            driver.close()
