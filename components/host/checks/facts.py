"""What the checks look at: one network namespace as the kernel tells of it, this process's rights, a tree of files.

Knows rtnetlink through pyroute2, /proc/self/status and `nft --json`; judges nothing. All of it is values, so a check
can be shown a machine that is not there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import attrs

from components.command import Complaint

IFF_UP = 0x1
MAIN, UNICAST = 254, 1  # rtnetlink(7): the routing table, the type of route
NOBODY = 0xFFFFFFFF
DISABLED, LISTENING, LEARNING, FORWARDING, BLOCKING = range(5)  # a bridge port's states, linux/if_bridge.h
STATES = ("disabled", "listening", "learning", "forwarding", "blocking")


@attrs.frozen(kw_only=True)
class Link:
    """One device."""

    name: str
    index: int
    kind: str = ""  # "tap", "tun", "veth", "bridge", ...; "" is a network card, or lo
    mac: str = ""
    mtu: int = 1500
    up: bool = True
    carrier: bool = True
    loopback: bool = False
    master: str = ""  # the bridge whose port this is
    peer: str = ""  # a veth's other end, where it is in this namespace
    far: bool = False  # its other end is in another namespace
    addresses: tuple[IPv4Interface, ...] = ()
    owner: int | None = None  # uid, of a TAP
    group: int | None = None
    multi_queue: bool = False
    port_state: int = FORWARDING
    stp: bool = False  # of a bridge
    forward_delay: float = 0.0  # seconds


@attrs.frozen(kw_only=True)
class Route:
    network: IPv4Network
    device: str


@attrs.frozen(kw_only=True)
class Chain:
    """A base chain of nftables that filters; iptables' own are among them where iptables speaks nft."""

    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[Any, ...] = ()  # each a list of expressions, libnftables-json(5)
    called: Mapping[str, tuple[Any, ...]] = attrs.field(factory=dict)  # the other chains of its table, by name


@attrs.frozen(kw_only=True)
class Facts:
    """One namespace, and who asks."""

    kind: str = ""  # of the wire asked about: "tap", "tun", "packet", "pcap"; "": none
    device: str = ""
    ip: IPv4Address | None = None  # our host's
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    chains: tuple[Chain, ...] = ()
    capabilities: int = -1  # a bit each, capabilities(7)
    uid: int = 0
    gids: tuple[int, ...] = (0,)
    netns: str | None = None
    root: Path = Path("/")  # where dev, proc and run are

    @property
    def link(self) -> Link | None:
        """The device asked about."""
        return self.find(self.device)

    @property
    def end(self) -> Link | None:
        """The kernel's end of the wire: a TAP itself, or a veth's other end; None where there is none to be seen."""
        link = self.link
        if link is not None and link.kind == "veth":
            return self.find(link.peer)
        return link if link is not None and link.kind in ("tap", "tun") else None

    def find(self, name: str) -> Link | None:
        return next((link for link in self.links if link.name == name), None)

    def ports(self, bridge: str) -> list[Link]:
        return [link for link in self.links if link.master == bridge]

    def may(self, capability: int) -> bool:
        return bool(self.capabilities >> capability & 1)

    def read(self, path: str) -> str:
        """The text of a file below `root`; "" if there is none, or it is not for us."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return ""

    def sysctl(self, name: str) -> str:
        """ "1" of "net/ipv4/ip_forward"."""
        return self.read(f"proc/sys/{name}")


def look(*, kind: str = "", device: str = "", ip: IPv4Address | None = None, netns: str | None = None) -> Facts:
    """The namespace that the calling thread is in; `netns` is its name, for the commands."""
    try:
        from pyroute2 import IPRoute  # type: ignore[import-untyped]
    except ImportError as error:
        raise Complaint(f"pyroute2 is missing for {sys.executable} ({error}): pip install pyroute2") from None
    with IPRoute() as ipr:
        links = read_links(ipr)
        routes = read_routes(ipr, {link.index: link.name for link in links})
    capabilities = next((int(line.split()[1], 16) for line in _status() if line.startswith("CapEff:")), 0)
    return Facts(
        kind=kind or kind_of(device, links),
        device=device,
        ip=ip,
        links=links,
        routes=routes,
        chains=read_chains(),
        capabilities=capabilities,
        uid=os.getuid(),
        gids=(os.getgid(), *os.getgroups()),
        netns=netns,
    )


def kind_of(device: str, links: tuple[Link, ...]) -> str:
    """What a bare name would be opened as."""
    link = next((link for link in links if link.name == device), None)
    if link is None:
        return "tap" if device else ""
    return link.kind if link.kind in ("tap", "tun") else "packet"


def _status() -> list[str]:
    return Path("/proc/thread-self/status").read_text().splitlines()


def read_links(ipr: Any) -> tuple[Link, ...]:
    addresses: dict[int, list[IPv4Interface]] = {}
    for message in ipr.get_addr(family=2):
        local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        addresses.setdefault(message["index"], []).append(IPv4Interface(f"{local}/{message['prefixlen']}"))
    messages = list(ipr.get_links())
    names = {message["index"]: message.get_attr("IFLA_IFNAME") for message in messages}
    return tuple(_link(message, names, tuple(addresses.get(message["index"], ()))) for message in messages)


def _link(message: Any, names: dict[int, str], addresses: tuple[IPv4Interface, ...]) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
    data = (info.get_attr("IFLA_INFO_DATA") if info else None) or _Nothing()
    port = (info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None) or _Nothing()
    is_tap = kind == "tun" and data.get_attr("IFLA_TUN_TYPE") == 2
    other_end = message.get_attr("IFLA_LINK") if kind == "veth" else None
    far = other_end is not None and message.get_attr("IFLA_LINK_NETNSID") is not None
    state = port.get_attr("IFLA_BRPORT_STATE")
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        kind="tap" if is_tap else kind,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU") or 0,
        up=bool(message["flags"] & IFF_UP),
        carrier=bool(message.get_attr("IFLA_CARRIER")),
        loopback=bool(message["flags"] & 0x8),
        master=names.get(message.get_attr("IFLA_MASTER") or 0, ""),
        peer="" if far or other_end is None else names.get(other_end, ""),
        far=far,
        addresses=addresses,
        owner=_number(data.get_attr("IFLA_TUN_OWNER")),
        group=_number(data.get_attr("IFLA_TUN_GROUP")),
        multi_queue=bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        port_state=FORWARDING if state is None else state,
        stp=bool(data.get_attr("IFLA_BR_STP_STATE")),
        forward_delay=(data.get_attr("IFLA_BR_FORWARD_DELAY") or 0) / 100,
    )


class _Nothing:
    """Where the kernel says nothing of a kind."""

    def get_attr(self, _name: str) -> None:
        return None


def _number(value: int | None) -> int | None:
    return None if value == NOBODY else value


def read_routes(ipr: Any, names: dict[int, str]) -> tuple[Route, ...]:
    found = []
    for message in ipr.get_routes(family=2, table=MAIN):
        index = message.get_attr("RTA_OIF")
        if message["type"] == UNICAST and index in names:
            network = IPv4Network(f"{message.get_attr('RTA_DST') or '0.0.0.0'}/{message['dst_len']}")
            found.append(Route(network=network, device=names[index]))
    return tuple(found)


def read_chains() -> tuple[Chain, ...]:
    """Nothing where there is no nft, or it is not for us to ask."""
    program = shutil.which("nft")
    if program is None:
        return ()
    done = subprocess.run([program, "--json", "list", "ruleset"], capture_output=True, text=True, timeout=30)
    if done.returncode:
        return ()
    try:
        return chains_of(json.loads(done.stdout)["nftables"])
    except (ValueError, KeyError) as error:
        raise Complaint(f"nft --json list ruleset: {error}") from None


def chains_of(ruleset: list[dict[str, Any]]) -> tuple[Chain, ...]:
    """The base chains of libnftables-json(5) that filter, each with its rules."""
    rules: dict[tuple[str, str, str], list[Any]] = {}
    for entry in ruleset:
        if "rule" in entry:
            rule = entry["rule"]
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    chains = []
    for entry in ruleset:
        chain = entry.get("chain", {})
        if chain.get("type") == "filter":
            family, table, name = key = (chain["family"], chain["table"], chain["name"])
            called = {other: tuple(own) for (*where, other), own in rules.items() if where == [family, table]}
            chains.append(
                Chain(
                    family=family,
                    table=table,
                    name=name,
                    hook=chain["hook"],
                    policy=chain.get("policy", "accept"),
                    rules=tuple(rules.get(key, ())),
                    called=called,
                )
            )
    return tuple(chains)
