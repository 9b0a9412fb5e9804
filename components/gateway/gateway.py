"""The kernel's side of one Lan: what was opened, and the host by which published ports lead in, and others out.

That host, "gateway", is made at the first need, with the last address of the subnet, so that no other host has another
address for it; where a server beyond an uplink gives the addresses, it asks for one as they do.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Protocol

from components.gateway import kernel
from components.gateway.door import checked
from components.gateway.internet import Internet, name_server
from components.gateway.kernel import Address, Allowed, Kind, Networks
from components.gateway.outlet import Outlet
from components.gateway.publish import Published
from components.gateway.quay import Quay
from netif.lifecycle import Held

if TYPE_CHECKING:
    from components.lan import Host, Lan

HOST = "gateway"


class Opened(Protocol):
    """What `close` ends, if it is not over."""

    @property
    def is_over(self) -> bool: ...
    def abort(self) -> None: ...


class Gateway:
    """The kernel's side of one Lan."""

    def __init__(self, lan: Lan) -> None:
        """ValueError: kernel programs do not live by a virtual clock."""
        if not lan.runtime.shared:
            raise ValueError('kernel programs live by a real clock: Lan(clock="real") or clock="asyncio"')
        self.lan = lan
        self.runtime: Any = lan.runtime
        with Held(self.runtime):
            self.quay = Quay(self.runtime)
        self.opened: list[Opened] = []
        self.internet: Internet | None = None
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        """By which published ports lead in, and the other hosts out. Who wants it otherwise makes it first."""
        if self._host is None:
            lan = self.lan
            asks = lan.dhcp is not None and "dhcp" not in lan.hosts
            self._host = lan.hosts.get(HOST) or lan.host(HOST, ip=None if asks else self._last_address())
        return self._host

    def _last_address(self) -> str:
        network, taken = self.lan.network, {host.netif.ip_info.ip for host in self.lan}
        last = int(network.broadcast_address) - 1
        free = (IPv4Address(n) for n in range(last, int(network.network_address), -1) if IPv4Address(n) not in taken)
        return str(next(free, IPv4Address(last)))

    def publish(self, to: Host, port: int, bind: str, at: int, kind: Kind, most: int) -> Published:
        if not hasattr(to, "netif"):
            given = f"lan.hosts[{to!r}]" if isinstance(to, str) else "what lan.host(name) answered"
            raise TypeError(f"publish: {to!r} is no host: give {given}")
        address, _ = kernel.parse((bind, 1), "bind")
        via = self.host
        made = Published(self.quay, via, to, port, (address, at), kind, most)
        self.opened = [one for one in self.opened if not one.is_over] + [made]
        return made

    def reach(self, address: str | Address, as_: str, port: int | None, allow: Networks, most: int, **how: Any) -> Host:
        there, number = kernel.parse(address, "reach")
        if not Allowed.parse(allow, "allow").takes(there):
            raise ValueError(f"reach: {there} is beyond this machine's loopback; allow={there!r} allows it")
        here = number if port is None else kernel.parse((there, port), "port")[1]
        checked(most)

        def target(_address: bytes, asked: int) -> Address | None:
            if here is None:
                return there, asked
            return (there, number or here) if asked == here else None

        host = self.lan.host(as_, **how)
        with Held(self.runtime):
            self.opened.append(Outlet(self.quay, host.stack, target, most))
        return host

    def join(self, to: Networks, dns: bool | str, most: int) -> Host:
        """The internet, for every host of the Lan."""
        if self.internet is not None:
            raise ValueError(f"{self.lan!r} has its way out already")
        server = self.lan.hosts.get("dhcp") if self.lan.dhcp is not None else None
        if self.lan.dhcp is not None and server is None:
            raise ValueError("internet: whoever gives the addresses beyond the uplink says where the way out is")
        allowed, names = Allowed.parse(to, "to"), name_server(dns)
        self.internet = Internet(self.quay, self.host, allowed, names, most)
        self.opened.append(self.internet)
        if server is not None:
            self.internet.lead_askers(server)
        for host in list(self.lan):
            self.internet.lead(host)
        return self.host

    def close(self) -> None:
        """RST for all that is still open. Idempotent."""
        opened, self.opened = self.opened, []
        for one in opened:
            one.abort()
        with Held(self.runtime):
            self.quay.close()
