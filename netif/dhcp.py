"""What DHCP is to an interface: a lease as a value, and how a netif meets the machines that obtain and give leases.

Only shapes, as in `netif.link`: the stack's machines know the protocol (stack/dhcp), a Netif decides what a lease
changes. Everything here is called with the gate held.
"""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv4Network
from math import inf
from typing import Protocol

import attrs

from netif.config import IpInfo


class DhcpStatus(enum.Enum):
    """As esp_netif has them, of a client and of a server."""

    INIT = 0  # starts by itself when the interface is connected
    STARTED = 1
    STOPPED = 2  # on purpose: only a `start` begins anew


@attrs.frozen(kw_only=True)
class Lease:
    """What a server gave. Times are seconds of the runtime's clock; option numbers are RFC 2132's."""

    ip_info: IpInfo  # 50, 1 and the first of 3; a router that is not on the subnet is left out
    server: IPv4Address  # 54
    obtained: float  # when it was acknowledged
    lease_time: float = inf  # 51, seconds
    renewal_time: float = inf  # 58 (T1), seconds from `obtained`
    rebinding_time: float = inf  # 59 (T2)
    dns: tuple[IPv4Address, ...] = ()  # 6
    hostname: str = ""  # 12
    domain: str = ""  # 15
    search: tuple[str, ...] = ()  # 119
    mtu: int | None = None  # 26
    broadcast: IPv4Address | None = None  # 28
    routes: tuple[tuple[IPv4Network, IPv4Address], ...] = ()  # 121, else 249, else 33
    ntp: tuple[IPv4Address, ...] = ()  # 42
    vendor_specific: bytes = b""  # 43
    captive_portal: str = ""  # 114


class LeaseHolder(Protocol):
    """Whom a DHCP client tells: the netif."""

    def leased(self, lease: Lease) -> None:
        """Obtained, renewed, or found to be good still."""

    def lease_lost(self, reason: str) -> None:
        """Expired, refused, or another host has the address. The client goes on by itself."""

    def dhcp_state(self, old: str, new: str) -> None:
        """Of the client, by RFC 2131's names."""


class DhcpClient(Protocol):
    """One interface's client, made by its stack. It sends and hears by itself while the link is up."""

    @property
    def state(self) -> str:
        """RFC 2131's name: "INIT", "SELECTING", "BOUND" ..."""

    def start(self, previous: Lease | None = None) -> None:
        """With `previous`, ask for that one again first (INIT-REBOOT)."""

    def stop(self, *, release: bool = True) -> None:
        """`release`: tell the server that the lease is given back; else fall silent. The holder is not told."""

    def link_up(self) -> None:
        """The link has come back: make sure that the lease is good here."""

    def link_down(self) -> None: ...


class AddressGiver(Protocol):
    """Whom a DHCP server tells: the netif."""

    def assigned(self, mac: bytes, ip: IPv4Address, hostname: str) -> None: ...


class DhcpServer(Protocol):
    """One interface's server, made by its stack."""

    def start(self) -> None:
        """NetifError where its pool cannot be served from the interface's address."""

    def stop(self) -> None:
        """Leases are kept, for the next start."""

    def client_address(self, mac: bytes) -> IPv4Address | None:
        """Leased to `mac` now."""
