"""Letting packets through this host: forwarding on, and what the firewall has to accept for it.

Knows that turning `ip_forward` on or off also sets every interface's `forwarding` and whether redirects are taken (the
kernel's ip-sysctl document), so that these are put back one by one; and which device leads outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from components.command import Complaint
from components.host.addresses import MAIN
from components.host.firewall import DeleteTable, DropBuiltIn, Firewall, Iptables, LoadTable, MakeBuiltIn, insert_accept
from components.host.kernel import Host
from components.host.links import find_link
from components.host.mapping import Mapping
from components.host.steps import Step
from components.host.sysctl import SetSysctl
from components.parser import Parser

FORWARD = "net/ipv4/ip_forward"
REDIRECTS = "net/ipv4/conf/all/accept_redirects"
OWN = "netif_"  # how our tables' names begin
ESTABLISHED = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")


def forwarding(host: Host, *devices: str) -> list[Step]:
    """ip_forward, and `forwarding` of a device that had been excepted from it."""
    if host.read_sysctl(FORWARD) != "1":
        back = [SetSysctl(path=FORWARD, value="0")]
        for path in sorted(Path("/proc/sys/net/ipv4/conf").glob("*/forwarding")):
            if path.read_text().strip() == "1":
                back.append(SetSysctl(path=str(path.relative_to("/proc/sys")), value="1", gone_is_fine=True))
        if host.read_sysctl(REDIRECTS) == "0":
            back.append(SetSysctl(path=REDIRECTS, value="0"))
        return [Step(do=SetSysctl(path=FORWARD, value="1"), undo=tuple(back), report="this host forwards")]
    steps = [Step(do=SetSysctl(path=FORWARD, value="1"), there=True)]
    excepted = [name for name in devices if host.read_sysctl(f"net/ipv4/conf/{name}/forwarding") == "0"]
    return steps + [setting(host, f"net/ipv4/conf/{name}/forwarding", "1") for name in excepted]


def setting(host: Host, path: str, value: str, *, absent: str = "0") -> Step:
    """A sysctl as wished; `absent`: what it will be when its device has been made."""
    before = host.read_sysctl(path)
    back = SetSysctl(path=path, value=absent if before is None else before, gone_is_fine=True)
    return Step(do=SetSysctl(path=path, value=value), undo=(back,), there=before == value)


def uplink(host: Host, asked: str | None, inside: str) -> str:
    """The device that leads outside: as asked, else the default route's; a bridge's port stands for the bridge."""
    name = asked or default_device(host)
    if name is None:
        raise Complaint("this host has no default route: say --via IFACE")
    link = find_link(host, name)
    if link is None:
        raise Complaint(f"--via {name}: there is no such device")
    if name == inside:
        raise Complaint(f"--via {name}: that is the inside already")
    return host.names()[link.master] if link.master else name


def default_device(host: Host) -> str | None:
    best: tuple[int, int] | None = None
    for route in host.ipr.get_routes(family=2, table=MAIN):
        index = route.get_attr("RTA_OIF")
        if not route["dst_len"] and index and route["type"] == 1:
            candidate = (route.get_attr("RTA_PRIORITY") or 0, index)
            best = min(best or candidate, candidate)
    return host.names().get(best[1]) if best is not None else None


def table_name(name: str) -> str:
    return OWN + re.sub(r"[^A-Za-z0-9_]", "_", name)


def masquerade(
    host: Host, firewall: Firewall, kind: str, name: str, subnet: str, via: str, mapped: Sequence[Mapping] = ()
) -> list[Step]:
    """What comes from `subnet` and leaves by `via` bears this host's address; nobody outside begins a connection, but
    to a port that is mapped."""
    if kind == "iptables":
        steps = chain(host, firewall, "nat", "POSTROUTING", name, [("-s", subnet, "-o", via, "-j", "MASQUERADE")])
        rules = [mapping.iptables(via) for mapping in mapped]
        return steps + (chain(host, firewall, "nat", "PREROUTING", f"{name}_in", rules, first=False) if rules else [])
    load = LoadTable(name=table_name(name), chains=nat_chains(name, subnet, via, mapped))
    there = load.is_loaded(host)
    if not there and firewall.has_chain(load.name):
        load = attrs.evolve(load, replace=True)
    report = f"{subnet} leaves by {via} with its address (nft table {load.name})"
    return [Step(do=load, undo=(DeleteTable(name=load.name),), report=report, there=there)]


def nat_chains(name: str, subnet: str, via: str, mapped: Sequence[Mapping]) -> tuple[str, ...]:
    """As `nft list` words them."""
    leaving = f'ip saddr {subnet} oifname "{via}" masquerade;'
    chains = [f"postrouting {{ type nat hook postrouting priority srcnat; policy accept; {leaving} }}"]
    if mapped:
        rules = " ".join(mapping.nft(via) for mapping in mapped)
        chains.append(f"prerouting {{ type nat hook prerouting priority dstnat; policy accept; {rules} }}")
    admitted = ["ct state established,related accept", *["ct status dnat accept"] * bool(mapped), "drop"]
    rules = " ".join(f'oifname "{name}" {verdict};' for verdict in admitted)
    return (*chains, f"forward {{ type filter hook forward priority filter; policy accept; {rules} }}")


def admission(
    host: Host, firewall: Firewall, kind: str, name: str, *, inbound: bool, mapped: Sequence[Mapping] = ()
) -> list[Step]:
    """iptables lets `name` through, also past a policy DROP; not `inbound`: answers alone, and what is mapped. nft's
    table says so itself, and no accept in it overrules another's drop."""
    if kind != "iptables":
        return []
    rules: list[tuple[str, ...]] = [("-i", name, "-j", "ACCEPT")]
    if inbound:
        rules.append(("-o", name, "-j", "ACCEPT"))
    else:
        rules.append(("-o", name, *ESTABLISHED, "-j", "ACCEPT"))
        rules += [("-o", name, "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")] * bool(mapped)
        rules.append(("-o", name, "-j", "DROP"))
    return chain(host, firewall, "filter", "FORWARD", name, rules)


def chain(
    host: Host,
    firewall: Firewall,
    table: str,
    hook: str,
    name: str,
    rules: Sequence[tuple[str, ...]],
    *,
    first: bool = True,
) -> list[Step]:
    """A chain of our own with these rules, and the jump to it before all others. `first`: of the table's."""
    own, program = f"NETIF_{name}", firewall.iptables

    def do(words: tuple[str, ...], test: tuple[str, ...]) -> Iptables:
        return Iptables(program=program, table=table, words=words, test=test, after=True)

    def back(words: tuple[str, ...], test: tuple[str, ...]) -> Iptables:
        return Iptables(program=program, table=table, words=words, test=test, after=False)

    steps = [built_in(firewall, table, hook, first=first)] if firewall.through_nft else []
    wished = [(do(("-N", own), ("-S", own)), back(("-X", own), ("-S", own)))]
    for rule in rules:
        wished.append((do(("-A", own, *rule), ("-C", own, *rule)), back(("-D", own, *rule), ("-C", own, *rule))))
    jump = (hook, "-j", own)
    wished.append((do(("-I", *jump), ("-C", *jump)), back(("-D", *jump), ("-C", *jump))))
    return steps + [Step(do=one, undo=(other,), there=one.is_done(host)) for one, other in wished]


def built_in(firewall: Firewall, table: str, hook: str, *, first: bool) -> Step:
    empty = DropBuiltIn(program=firewall.iptables, table=table, chain=hook)
    leave = [DeleteTable(name=table, empty=True)] * (first and firewall.nft and not firewall.has_chain(table))
    make = MakeBuiltIn(program=firewall.iptables, table=table, chain=hook)
    return Step(do=make, undo=(empty, *leave), there=firewall.has_chain(table, hook))


def warnings(firewall: Firewall, kind: str, name: str, *, inbound: bool) -> list[str]:
    """Of rules that drop what is to pass, and that no rule of ours can overrule."""
    told = []
    for place in firewall.drops():
        if place[1].startswith(OWN):
            continue  # of another TAP
        answers = "" if inbound else "ct state established,related "
        commands = [insert_accept(place, f"iifname {name}"), insert_accept(place, f"oifname {name} {answers}")]
        if place[1] == "firewalld":
            commands = [f"firewall-cmd --zone=trusted --add-interface={name}"]
        told.append(f"nft's chain {' '.join(place)} drops what is forwarded; let {name} pass: {'; '.join(commands)}")
    return told


def add_arguments(parse: Parser) -> None:
    parse.add_argument("--via", metavar="IFACE", help="the way out (where the default route leads)")
    parse.add_argument("--firewall", choices=("nft", "iptables"), help="(iptables where rules are there, else nft)")


def firewall_kind(firewall: Firewall, asked: str | None) -> str:
    kind = asked or ("iptables" if firewall.iptables and (firewall.ruled or not firewall.nft) else "nft")
    if not (firewall.nft if kind == "nft" else firewall.iptables):
        raise Complaint(f"{'nft' if asked == 'nft' else 'iptables'} is not installed: apt install nftables")
    return kind
