"""Devices: what is there, and the operations that make, set and remove them (rtnetlink, ip-link(8), ip-tuntap(8)).

Knows TAP, veth and bridge; addresses and routes are `addresses`'. Removing what is not there, or what is now a device
of another kind, does nothing.
"""

from __future__ import annotations

from typing import Any

import attrs

from components.host.kernel import Host, content_with, ip

TAP = 2  # IFLA_TUN_TYPE
EEXIST, ENODEV = 17, 19
NOBODY = 0xFFFFFFFF  # (uid_t) -1: no owner set
CHANGE_OWNER = "TUNSETOWNER"  # an ioctl for which `ip` has no word
UP, LOOPBACK = 1, 8  # IFF_UP, IFF_LOOPBACK


@attrs.frozen(kw_only=True)
class Link:
    """A device as it is."""

    index: int
    name: str
    kind: str  # "tap", "tun", "veth", "bridge", "loopback" ... "network card"
    up: bool
    mac: str = ""
    master: int | None = None  # the bridge's index
    owner: int | None = None  # of a TAP
    group: int | None = None
    multi_queue: bool = False


def find_link(host: Host, name: str) -> Link | None:
    index = host.index(name)
    if index is None:
        return None
    (message,) = host.ipr.get_links(index)
    return described(message)


def all_links(host: Host) -> list[Link]:
    return [described(message) for message in host.ipr.get_links()]


def described(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    data = info.get_attr("IFLA_INFO_DATA") if kind == "tun" else None
    tap = data if data is not None and data.get_attr("IFLA_TUN_TYPE") == TAP else None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind="tap" if tap is not None else kind or ("loopback" if message["flags"] & LOOPBACK else "network card"),
        up=bool(message["flags"] & UP),
        mac=message.get_attr("IFLA_ADDRESS") or "",
        master=message.get_attr("IFLA_MASTER"),
        owner=_number(tap.get_attr("IFLA_TUN_OWNER")) if tap is not None else None,
        group=_number(tap.get_attr("IFLA_TUN_GROUP")) if tap is not None else None,
        multi_queue=tap is not None and bool(tap.get_attr("IFLA_TUN_MULTI_QUEUE")),
    )


def _number(value: int | None) -> int | None:
    return None if value is None or value == NOBODY else value


@attrs.frozen(kw_only=True)
class AddTap:
    name: str
    owner: int | None = None  # uid
    group: int | None = None

    def line(self, netns: str | None) -> str:
        words = f" user {self.owner}" if self.owner is not None else ""
        words += f" group {self.group}" if self.group is not None else ""
        return ip(netns, f"tuntap add dev {self.name} mode tap{words}")

    def apply(self, host: Host) -> None:
        host.ipr.link("add", **tap_settings(self.name, self.owner, self.group))


@attrs.frozen(kw_only=True)
class ChangeOwner:
    name: str
    owner: int | None = None
    group: int | None = None
    multi_queue: bool = False  # as it was made

    def line(self, netns: str | None) -> str:
        return ip(netns, CHANGE_OWNER)

    def apply(self, host: Host) -> None:
        settings = tap_settings(self.name, self.owner, self.group)
        host.ipr.link("add", **settings, tun_multi_queue=int(self.multi_queue))


def tap_settings(name: str, owner: int | None, group: int | None) -> dict[str, Any]:
    owners = {"tun_owner": owner, "tun_group": group}
    given = {key: number for key, number in owners.items() if number is not None}
    return {"kind": "tun", "ifname": name, "tun_type": TAP, **given}


@attrs.frozen(kw_only=True)
class AddVeth:
    name: str
    peer: str

    def line(self, netns: str | None) -> str:
        return ip(netns, f"link add dev {self.name} type veth peer name {self.peer}")

    def apply(self, host: Host) -> None:
        host.ipr.link("add", kind="veth", ifname=self.name, peer=self.peer)


@attrs.frozen(kw_only=True)
class AddBridge:
    name: str
    mac: str = ""  # "": of the first port

    def line(self, netns: str | None) -> str:
        address = f" address {self.mac}" if self.mac else ""
        return ip(netns, f"link add dev {self.name}{address} type bridge")

    def apply(self, host: Host) -> None:
        given = {"address": self.mac} if self.mac else {}
        host.ipr.link("add", kind="bridge", ifname=self.name, **given)


@attrs.frozen(kw_only=True)
class DeleteLink:
    name: str
    kind: str = ""  # only such a one; "": whatever it is

    def line(self, netns: str | None) -> str:
        return ip(netns, f"link delete dev {self.name}")

    def apply(self, host: Host) -> None:
        link = find_link(host, self.name)
        if link is not None and self.kind in ("", link.kind):
            with content_with(ENODEV):
                host.ipr.link("del", index=link.index)


@attrs.frozen(kw_only=True)
class SetUp:
    name: str
    up: bool = True

    def line(self, netns: str | None) -> str:
        return ip(netns, f"link set dev {self.name} {'up' if self.up else 'down'}")

    def apply(self, host: Host) -> None:
        if self.up:
            host.ipr.link("set", index=host.device(self.name), state="up")
        elif (index := host.index(self.name)) is not None:
            host.ipr.link("set", index=index, state="down")


@attrs.frozen(kw_only=True)
class SetMaster:
    name: str
    master: str = ""  # "": of no bridge

    def line(self, netns: str | None) -> str:
        return ip(netns, f"link set dev {self.name} {f'master {self.master}' if self.master else 'nomaster'}")

    def apply(self, host: Host) -> None:
        if self.master:
            host.ipr.link("set", index=host.device(self.name), master=host.device(self.master))
        elif (index := host.index(self.name)) is not None:
            host.ipr.link("set", index=index, master=0)


@attrs.frozen(kw_only=True)
class SetMac:
    name: str
    mac: str

    def line(self, netns: str | None) -> str:
        return ip(netns, f"link set dev {self.name} address {self.mac}")

    def apply(self, host: Host) -> None:
        link = find_link(host, self.name)
        if link is not None and link.mac != self.mac:
            host.ipr.link("set", index=link.index, address=self.mac)
