"""`netif host bridge`: a bridge with a TAP or a veth end in it, and on request a network card of this host.

With the card (`--nic`) whoever is behind the TAP is on the LAN like any other machine. The card's addresses, routes and
DHCP client move onto the bridge; if the gateway does not answer through it, all is undone, whether or not anybody is
still there to see (a terminal may hang on that card).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from components.command import Complaint, run
from components.host import clients, ends, firewall, moving, passage
from components.host.addresses import AddAddress, addresses_of, deleting
from components.host.gateway import Gateway, gateway_of
from components.host.kernel import Host
from components.host.links import AddBridge, DeleteLink, Link, SetMac, SetMaster, find_link
from components.host.outliving import detached, say
from components.host.privilege import may_administer
from components.host.recipe import Plan, Recipe, perform
from components.host.steps import Check, Say, Step
from components.host.words import device_name, kernels_address, owners
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

ANSWER = 2.0  # seconds that the gateway has before anything is done
CALL_IPTABLES = "net/bridge/bridge-nf-call-iptables"


def arguments(parse: Parser) -> None:
    parse.add_argument("--tap", metavar="TAP", action="append", default=[], help="a TAP in it, made if it is missing")
    ends_of_veth = {"metavar": ("END", "PEER"), "nargs": 2}
    parse.add_argument("--veth", help="END is in it, PEER is for packet: and pcap:", **ends_of_veth)  # type: ignore[arg-type]
    parse.add_argument("--nic", metavar="IFACE", help="this card too, with its addresses, routes and DHCP client")
    parse.add_argument("--addr", metavar="A/LEN", help="this host's address on it (without --nic: none)")
    parse.add_argument("--user", metavar="U", help="who may open the TAP: a name or number (the caller)")
    parse.add_argument("--group", metavar="G", help="whose members may open the TAP")
    parse.add_argument("--force", action="store_true", help="move a card that a network manager looks after")
    help_text = "undo all if the gateway does not answer for so many seconds (10)"
    parse.add_argument("--rollback-after", type=float, default=10.0, metavar="S", help=help_text)


def plan(host: Host, options: argparse.Namespace) -> Plan:
    name = options.name
    card = moving.look(host, device_name(options.nic)) if options.nic else None
    bridge = find_link(host, name)
    if bridge is not None and bridge.kind != "bridge":
        raise Complaint(f"{name} is there and is a {bridge.kind}, not a bridge: choose another name")
    make = AddBridge(name=name, mac=card.link.mac if card is not None else "")
    steps = [Step(do=make, undo=(DeleteLink(name=name, kind="bridge"),), report="made", there=bridge is not None)]
    steps.append(ends.up(name, there=bridge is not None and bridge.up))
    for tap in options.tap:
        steps += member(host, options, device_name(tap), "")
    if options.veth:
        steps += member(host, options, *map(device_name, options.veth))
    if options.addr:
        steps.append(address(host, name, kernels_address(options.addr)))
    if card is not None:
        steps += joined(host, options, card)
    if bridge is not None:
        steps = [keeping_mac(step, bridge) for step in steps]
    if card is None:
        return Plan(steps=steps, warnings=traps(host, name))
    check, unwatched = watch(options, card, idle=all(step.there for step in steps))
    warnings = [*traps(host, name), *moving.rules_that_name(host, options.nic), *unwatched]
    return Plan(steps=steps, warnings=warnings, check=check)


def keeping_mac(step: Step, bridge: Link) -> Step:
    """A bridge without a MAC address of its own takes its ports', and zeros when the last one leaves."""
    if not isinstance(step.do, SetMaster):
        return step
    return attrs.evolve(step, undo=(*step.undo, SetMac(name=bridge.name, mac=bridge.mac)))


def member(host: Host, options: argparse.Namespace, name: str, peer: str) -> list[Step]:
    owner, group = owners(options.user, options.group)
    wish = ends.Wish(name=name, address="", owner=owner, group=group, netns=options.netns, peer=peer)
    found = ends.look(host, wish)
    if found is not None and found.addresses:
        has = found.addresses[0]
        raise Complaint(
            f"{name} has {has}, and a bridge's port is deaf to it: take another, or its recipe --down first"
        )
    made = [attrs.evolve(step, report=f"{name} {step.report}") for step in ends.steps(wish, found)]
    return [*made, *joining(host, name, options.name)]


def joining(host: Host, name: str, bridge: str) -> list[Step]:
    master = master_of(host, name)
    if master not in ("", bridge):
        raise Complaint(f"{name} is in {master} already: ip link set dev {name} nomaster")
    join, leave = SetMaster(name=name, master=bridge), SetMaster(name=name)
    return [Step(do=join, undo=(leave,), report=f"{name} joins", there=master == bridge)]


def master_of(host: Host, name: str) -> str:
    link = find_link(host, name)
    return host.names().get(link.master, "") if link is not None and link.master is not None else ""


def address(host: Host, name: str, text: str) -> Step:
    wanted = AddAddress(dev=name, address=text)
    there = any(one.address == text for one in addresses_of(host, name))
    if not there:
        ends.refuse_overlap(host, name, text)
    return Step(do=wanted, undo=(deleting(wanted),), report=f"address {text}", there=there)


def joined(host: Host, options: argparse.Namespace, card: moving.Card) -> list[Step]:
    """The card's steps; a Complaint where somebody else looks after it."""
    name, master = options.name, master_of(host, options.nic)
    if master not in ("", name):
        raise Complaint(f"--nic {options.nic}: it is in {master} already; use that: netif host bridge {master}")
    manager = clients.manager_of(host, options.nic, name) if master != name else None
    if manager is not None and not options.force:
        raise Complaint(f"{options.nic} is looked after by {manager[0]}: {manager[1]} (or --force)")
    return moving.steps(card, name, master)


def watch(options: argparse.Namespace, card: moving.Card, *, idle: bool) -> tuple[Check | None, list[str]]:
    """What makes sure of the gateway afterwards, if it answers now; else why nothing does."""
    gateway = gateway_of([*card.routes], [*card.addresses])
    if idle or options.dry_run:
        return None, []
    if gateway is None:
        return None, [f"no IPv4 default route leads through {options.nic}: no gateway is watched"]
    if not gateway.answers(options.nic, ANSWER):
        return None, [f"the gateway {gateway.address} does not answer ARP on {options.nic} now: it is not watched"]
    return lost(gateway, options.name, options.rollback_after), []


def lost(gateway: Gateway, bridge: str, seconds: float) -> Check:
    def check(_host: Host, say: Say) -> str:
        if not gateway.answers(bridge, seconds):
            return f"the gateway {gateway.address} has not answered through it for {seconds:g} s"
        say(f"{bridge}: the gateway {gateway.address} answers")
        return ""

    return check


def traps(host: Host, name: str) -> list[str]:
    """Docker's: bridged frames pass through iptables' FORWARD, which drops what Docker does not know."""
    if host.read_sysctl(CALL_IPTABLES) != "1":
        return []
    walls = firewall.look(host)
    told = [f"nft's chain {' '.join(place)}" for place in walls.drops() if not place[1].startswith(passage.OWN)]
    if walls.iptables and walls.ruled and "-P FORWARD DROP" in host.run(walls.iptables, "-w", "-S", "FORWARD"):
        told.append(f"{walls.iptables}'s policy of FORWARD")
    remedy = f"{walls.iptables or 'iptables'} -I FORWARD -i {name} -o {name} -j ACCEPT"
    return [f"{one} drops what is bridged too (br_netfilter, as Docker sets it): {remedy}" for one in told]


RECIPE = Recipe(
    name="bridge",
    summary="A bridge with a TAP or a veth end in it, and on request a network card of this host.",
    default="br0",
    arguments=arguments,
    plan=plan,
)


def main(argv: Sequence[str]) -> int:
    if not may_administer() or {"--dry-run", "--status", "-h", "--help"} & set(argv):
        return run(lambda: perform(RECIPE, argv))
    return detached(lambda: run(lambda: perform(RECIPE, argv, say=say)))
