"""Addresses and routes of devices: what is there, and the operations that put and remove them (rtnetlink(7)).

Knows every field that `ip` prints of an address or of a route with one next hop, so that what is moved comes back as it
was. IPv4 and IPv6 are alike here. What the kernel makes by itself from an address is not listed.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Callable
from typing import Any

import attrs

from components.host.kernel import Host, content_with, ip

ENOENT, ESRCH, EEXIST, ENODEV, EADDRNOTAVAIL = 2, 3, 17, 19, 99
FOREVER = 0xFFFFFFFF  # a lifetime
MAIN, LOCAL = 254, 255  # tables
KERNEL = 2  # RTPROT_KERNEL
LINK_SCOPE = 253
SCOPES = {0: "global", 253: "link", 254: "host"}
PROXY = 8  # NTF_PROXY
ONLINK = 4  # RTNH_F_ONLINK
NOPREFIXROUTE = 0x200
KEPT_FLAGS = {0x02: "nodad", 0x10: "home", 0x100: "mngtmpaddr", NOPREFIXROUTE: "noprefixroute", 0x400: "autojoin"}


def family(text: str) -> int:
    return 10 if ":" in text else 2


@attrs.frozen(kw_only=True)
class AddressFields:
    dev: str
    address: str  # "10.0.0.2/24"
    peer: str = ""
    broadcast: str = ""
    label: str = ""
    scope: int = 0
    flags: int = 0  # of KEPT_FLAGS
    metric: int = 0
    valid: int = FOREVER  # seconds
    preferred: int = FOREVER

    def words(self) -> str:
        local, _, length = self.address.partition("/")
        text = f"{local} peer {self.peer}/{length}" if self.peer else self.address
        text += f" broadcast {self.broadcast}" if self.broadcast else ""
        text += f" scope {SCOPES.get(self.scope, self.scope)}" if self.scope else ""
        text += f" label {self.label}" if self.label else ""
        text += f" metric {self.metric}" if self.metric else ""
        text += "".join(f" {word}" for flag, word in KEPT_FLAGS.items() if self.flags & flag)
        if self.valid != FOREVER:
            text += f" valid_lft {self.valid} preferred_lft {self.preferred}"
        return f"{text} dev {self.dev}"

    def request(self, index: int) -> dict[str, Any]:
        local, _, length = self.address.partition("/")
        fields: dict[str, Any] = {"index": index, "family": family(local), "prefixlen": int(length)}
        fields |= {"local": local, "address": self.peer or local, "scope": self.scope}
        optional = {"broadcast": self.broadcast, "label": self.label, "flags": self.flags, "rt_priority": self.metric}
        fields |= {key: value for key, value in optional.items() if value}
        if self.valid != FOREVER:
            fields["cacheinfo"] = {
                "ifa_preferred": self.preferred,
                "ifa_valid": self.valid,
                "cstamp": 0,
                "tstamp": 0,
            }
        return fields


@attrs.frozen(kw_only=True)
class AddAddress(AddressFields):
    def line(self, netns: str | None) -> str:
        return ip(netns, f"address replace {self.words()}")

    def apply(self, host: Host) -> None:
        host.ipr.addr("replace", **self.request(host.device(self.dev)))


@attrs.frozen(kw_only=True)
class DeleteAddress(AddressFields):
    def line(self, netns: str | None) -> str:
        return ip(netns, f"address delete {self.address} dev {self.dev}")

    def apply(self, host: Host) -> None:
        index = host.index(self.dev)
        if index is not None:
            wanted = self.request(index)
            named = {key: wanted[key] for key in ("index", "family", "prefixlen", "local", "address")}
            with content_with(EADDRNOTAVAIL, ENODEV):
                host.ipr.addr("del", **named)


def deleting(address: AddressFields) -> DeleteAddress:
    return DeleteAddress(**attrs.asdict(address))


def addresses_of(host: Host, name: str) -> list[AddAddress]:
    """In the kernel's order; link-local ones of IPv6 are not listed: each device makes its own."""
    index = host.index(name)
    if index is None:
        return []
    messages = [*host.ipr.get_addr(index=index, family=2), *host.ipr.get_addr(index=index, family=10)]
    found = [_address(name, message) for message in messages]
    return [one for one in found if not ipaddress.ip_interface(one.address).is_link_local or ":" not in one.address]


def _address(name: str, message: Any) -> AddAddress:
    address = message.get_attr("IFA_ADDRESS")
    local = message.get_attr("IFA_LOCAL") or address
    flags = message.get_attr("IFA_FLAGS")
    life = message.get_attr("IFA_CACHEINFO") or {}
    label = message.get_attr("IFA_LABEL") or ""
    return AddAddress(
        dev=name,
        address=f"{local}/{message['prefixlen']}",
        peer=address if address != local else "",
        broadcast=message.get_attr("IFA_BROADCAST") or "",
        label=label if label != name else "",
        scope=message["scope"],
        flags=(message["flags"] if flags is None else flags) & sum(KEPT_FLAGS),
        metric=message.get_attr("IFA_RT_PRIORITY") or 0,
        valid=life.get("ifa_valid", FOREVER),
        preferred=life.get("ifa_preferred", FOREVER),
    )


@attrs.frozen(kw_only=True)
class RouteFields:
    dev: str
    to: str  # "10.0.0.0/24", "0.0.0.0/0"
    gateway: str = ""
    source: str = ""
    table: int = MAIN
    proto: int = 3  # RTPROT_BOOT, as `ip` puts it
    scope: int | None = None  # None: as the gateway asks for
    metric: int = 0
    tos: int = 0
    onlink: bool = False
    mtu: int = 0

    def words(self) -> str:
        text = f"{self.to} via {self.gateway}" if self.gateway else self.to
        text += f" dev {self.dev}"
        text += f" table {self.table}" if self.table != MAIN else ""
        text += f" proto {self.proto}" if self.proto != 3 else ""
        if family(self.to) == 2 and self.scope is not None:
            text += f" scope {SCOPES.get(self.scope, self.scope)}"
        text += f" src {self.source}" if self.source else ""
        text += f" metric {self.metric}" if self.metric else ""
        text += f" tos {self.tos}" if self.tos else ""
        text += f" mtu {self.mtu}" if self.mtu else ""
        return text + " onlink" * self.onlink

    def effective_scope(self) -> int:
        return self.scope if self.scope is not None else 0 if self.gateway else LINK_SCOPE

    def request(self, index: int) -> dict[str, Any]:
        fields: dict[str, Any] = {"family": family(self.to), "dst": self.to, "oif": index, "table": self.table}
        fields |= {"proto": self.proto, "type": 1, "flags": ONLINK * self.onlink, "tos": self.tos}
        fields["scope"] = self.effective_scope() if family(self.to) == 2 else 0
        optional = {"gateway": self.gateway, "prefsrc": self.source, "priority": self.metric}
        fields |= {key: value for key, value in optional.items() if value}
        if self.mtu:
            fields["metrics"] = {"mtu": self.mtu}
        return fields


@attrs.frozen(kw_only=True)
class PutRoute(RouteFields):
    """Instead of the one to the same place with the same metric, if there is one."""

    def line(self, netns: str | None) -> str:
        six = "-6 " if family(self.to) == 10 else ""
        return ip(netns, f"{six}route replace {self.words()}")

    def apply(self, host: Host) -> None:
        host.ipr.route("replace", **self.request(host.device(self.dev)))


@attrs.frozen(kw_only=True)
class DeleteRoute(RouteFields):
    def line(self, netns: str | None) -> str:
        six = "-6 " if family(self.to) == 10 else ""
        return ip(netns, f"{six}route delete {self.words()}")

    def apply(self, host: Host) -> None:
        index = host.index(self.dev)
        if index is not None:
            with content_with(ESRCH, ENODEV, ENOENT):
                host.ipr.route("del", **self.request(index))


@attrs.frozen(kw_only=True)
class AddProxy:
    """Answer ARP for `address` on `dev`: arp(7), ip-neighbour(8)."""

    dev: str
    address: str

    def line(self, netns: str | None) -> str:
        return ip(netns, f"neighbour replace proxy {self.address} dev {self.dev}")

    def apply(self, host: Host) -> None:
        host.ipr.neigh("replace", ifindex=host.device(self.dev), dst=self.address, flags=PROXY)


@attrs.frozen(kw_only=True)
class DeleteProxy:
    dev: str
    address: str

    def line(self, netns: str | None) -> str:
        return ip(netns, f"neighbour delete proxy {self.address} dev {self.dev}")

    def apply(self, host: Host) -> None:
        index = host.index(self.dev)
        if index is not None:
            with content_with(ENOENT, ESRCH, ENODEV):
                host.ipr.neigh("delete", ifindex=index, dst=self.address, flags=PROXY)


def routes_of(host: Host, wanted: Callable[[Any], bool]) -> list[PutRoute]:
    """Unicast routes with one next hop, of all tables but the kernel's own (`local`), that `wanted` takes."""
    names = host.names()
    messages = [*host.ipr.get_routes(family=2), *host.ipr.get_routes(family=10)]
    found = []
    for message in messages:
        index, table = message.get_attr("RTA_OIF"), message.get_attr("RTA_TABLE") or message["table"]
        if message["type"] == 1 and table != LOCAL and index in names and wanted(message):
            found.append(_route(names[index], table, message))
    return found


def _route(dev: str, table: int, message: Any) -> PutRoute:
    anywhere = "0.0.0.0" if message["family"] == 2 else "::"
    metrics = message.get_attr("RTA_METRICS")
    return PutRoute(
        dev=dev,
        to=f"{message.get_attr('RTA_DST') or anywhere}/{message['dst_len']}",
        gateway=message.get_attr("RTA_GATEWAY") or "",
        source=message.get_attr("RTA_PREFSRC") or "",
        table=table,
        proto=message["proto"],
        scope=message["scope"] if message["family"] == 2 else None,
        metric=message.get_attr("RTA_PRIORITY") or 0,
        tos=message["tos"],
        onlink=bool(message["flags"] & ONLINK),
        mtu=(metrics.get_attr("RTAX_MTU") or 0) if metrics is not None else 0,
    )


def routes_to(host: Host, prefix: str) -> list[PutRoute]:
    """In the main table, with no metric."""
    found = routes_of(host, lambda message: message.get_attr("RTA_PRIORITY") is None)
    return [route for route in found if route.to == prefix and route.table == MAIN]


def is_proxied(host: Host, dev: str, address: str) -> bool:
    """Asked of `ip`: pyroute2 has no word for proxies when it asks for neighbours."""
    if host.index(dev) is None or shutil.which("ip") is None:
        return False
    return address in host.run("ip", "neighbour", "show", "proxy", "dev", dev).split()
