"""The kernel's end of a wire to us: a TAP, or one end of a veth pair, owned, addressed and up.

Knows what there has to be and what is missing; every recipe begins with it. What lies behind (a bridge, NAT) is theirs.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import attrs

from components.command import Complaint
from components.host.addresses import AddAddress, addresses_of, deleting
from components.host.kernel import Host
from components.host.links import AddTap, AddVeth, DeleteLink, SetUp, all_links, find_link
from components.host.privilege import group_name, user_name
from components.host.steps import Step
from components.host.sysctl import SetSysctl
from components.host.words import device_name, kernels_address, owners
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

USUAL_ADDRESS = "192.168.5.1/24"


@attrs.frozen(kw_only=True)
class Wish:
    """The end as it shall be."""

    name: str
    address: str  # of the kernel's end, "192.168.5.1/24"; "": none
    owner: int | None  # uid; None: whoever the group admits
    group: int | None
    netns: str | None
    peer: str = ""  # the other end of a veth pair; "": a TAP


@attrs.frozen(kw_only=True)
class Found:
    """The end as it is."""

    index: int
    owner: int | None
    group: int | None
    multi_queue: bool
    up: bool
    addresses: tuple[str, ...]
    kind: str = "tap"
    peer_up: bool = False
    peer_silent: bool = False
    master: int | None = None  # the bridge's index


def steps(wish: Wish, found: Found | None) -> list[Step]:
    """From `found` to `wish`; owners of what is there are left alone."""
    name = wish.name
    if wish.peer:
        make: AddVeth | AddTap = AddVeth(name=name, peer=wish.peer)
        report, kind = f"made, its other end is {wish.peer}", "veth"
    else:
        make = AddTap(name=name, owner=wish.owner, group=wish.group)
        report, kind = f"made{describe_owners(wish)}", "tap"
    undo = (DeleteLink(name=name, kind=kind),)
    planned = [Step(do=make, undo=undo, report=report, there=found is not None)]
    if wish.address:
        there = found is not None and wish.address in found.addresses
        address = AddAddress(dev=name, address=wish.address)
        planned.append(Step(do=address, undo=(deleting(address),), report=f"address {wish.address}", there=there))
    planned.append(up(name, there=found is not None and found.up))
    if wish.peer:
        planned.append(silenced(wish.peer, there=found is not None and found.peer_silent))
        planned.append(up(wish.peer, there=found is not None and found.peer_up, report=f"{wish.peer} up"))
    return planned


def silenced(peer: str, *, there: bool) -> Step:
    """The kernel has our end as well, and would answer ARP there for all addresses of this host, a second time."""
    back = SetSysctl(path=arp_ignore(peer), value="0", gone_is_fine=True)
    report = f"{peer} answers no ARP for this host"
    return Step(do=SetSysctl(path=arp_ignore(peer), value="1"), undo=(back,), report=report, there=there)


def arp_ignore(name: str) -> str:
    return f"net/ipv4/conf/{name}/arp_ignore"


def up(name: str, *, there: bool, report: str = "up") -> Step:
    return Step(do=SetUp(name=name), undo=(SetUp(name=name, up=False),), report=report, there=there)


def describe_owners(wish: Wish) -> str:
    parts = [f"owner {user_name(wish.owner)}"] if wish.owner is not None else []
    parts += [f"group {group_name(wish.group)}"] if wish.group is not None else []
    return " for " + ", ".join(parts) if parts else ""


def look(host: Host, wish: Wish, *, only: tuple[str, ...] = ("tap",)) -> Found | None:
    """What the kernel says of the device; a Complaint if it is of another kind than those."""
    link = find_link(host, wish.name)
    if link is None:
        if wish.peer and find_link(host, wish.peer) is not None:
            raise Complaint(f"--veth {wish.peer}: that is there, and {wish.name} is not; choose another name")
        return None
    wanted = ("veth",) if wish.peer else only
    if wanted and link.kind not in wanted:
        kind, asked = (word.upper() if word in ("tap", "tun") else word for word in (link.kind, wanted[0]))
        raise Complaint(f"{wish.name} is there and is a {kind}, not a {asked}: choose another name")
    peer = find_link(host, wish.peer) if wish.peer else None
    if wish.peer and (peer is None or peer.kind != "veth"):
        raise Complaint(f"{wish.name} is there and {wish.peer} is not its other end: choose another name")
    return Found(
        index=link.index,
        owner=link.owner,
        group=link.group,
        multi_queue=link.multi_queue,
        up=link.up,
        addresses=tuple(one.address for one in addresses_of(host, wish.name) if ":" not in one.address),
        kind=link.kind,
        master=link.master,
        peer_up=peer is not None and peer.up,
        peer_silent=peer is not None and host.read_sysctl(arp_ignore(wish.peer)) not in (None, "0"),
    )


def add_arguments(parse: Parser) -> None:
    """The options by which a recipe's end is wished."""
    parse.add_argument("--addr", metavar="A/LEN", help=f"the kernel's end (what it has, else {USUAL_ADDRESS})")
    parse.add_argument("--veth", metavar="PEER", help="a veth pair rather than a TAP: PEER is for packet:, pcap:")
    parse.add_argument("--user", metavar="U", help="who may open the TAP: a name or number (the caller)")
    parse.add_argument("--group", metavar="G", help="whose members may open the TAP")


def wished(host: Host, options: argparse.Namespace, *, address: bool = True, only: tuple[str, ...] = ()) -> list[Step]:
    """The steps to what the options say; `address` False: only an address that is asked for. Sets `options.addr`."""
    owner, group = owners(options.user, options.group)
    peer = device_name(options.veth) if options.veth else ""
    wish = Wish(name=options.name, address="", owner=owner, group=group, netns=options.netns, peer=peer)
    found = look(host, wish, only=only)
    if found is not None and found.master:
        master = host.names().get(found.master, "a bridge")
        raise Complaint(f"{wish.name} is in {master}, and a port is deaf to its own address: choose another name")
    if found is not None and (options.user or options.group) and (found.owner, found.group) != (owner, group):
        has = describe_owners(attrs.evolve(wish, owner=found.owner, group=found.group))
        raise Complaint(f"{wish.name} is there{has or ', owned by nobody'}: leave out --user and --group")
    if options.addr:
        options.addr = kernels_address(options.addr)
    elif address:
        options.addr = next(iter(found.addresses if found else ()), USUAL_ADDRESS)
    if options.addr and (found is None or options.addr not in found.addresses):
        refuse_overlap(host, options.name, options.addr)
    return steps(attrs.evolve(wish, address=options.addr or ""), found)


def refuse_overlap(host: Host, name: str, address: str) -> None:
    """Two devices in one subnet answer for each other and route past each other."""
    network = ipaddress.IPv4Interface(address).network
    for link in all_links(host):
        for other in addresses_of(host, link.name) if link.name != name else ():
            if ":" not in other.address and ipaddress.IPv4Interface(other.address).network.overlaps(network):
                raise Complaint(f"--addr {address}: {link.name} has {other.address} already; choose another subnet")
