"""`netif host forward`: a TAP or veth that this host routes for, so that others reach what is behind it.

Either with a subnet of its own, which the LAN's router has to know, or with addresses of the LAN's own subnet
(`--host`): then this host answers ARP for them on the LAN, and for the LAN on the TAP (proxy ARP, RFC 1027).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.command import Complaint
from components.host import ends, firewall, passage
from components.host.addresses import (
    AddProxy,
    DeleteProxy,
    DeleteRoute,
    PutRoute,
    addresses_of,
    is_proxied,
    routes_of,
    routes_to,
)
from components.host.links import all_links
from components.host.recipe import Plan, Recipe
from components.host.recipe import main as recipe_main
from components.host.steps import Step
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

    from components.host.kernel import Host

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def arguments(parse: Parser) -> None:
    ends.add_arguments(parse)
    passage.add_arguments(parse)
    several = "an address of the LAN's subnet that is behind NAME; again for more"
    parse.add_argument("--host", metavar="A", action="append", default=[], help=several)


def plan(host: Host, options: argparse.Namespace) -> Plan:
    name = options.name
    walls = firewall.look(host)
    kind = passage.firewall_kind(walls, options.firewall)
    steps = ends.wished(host, options, address=not options.host)
    if options.host:
        guests = [guest(host, text, name) for text in options.host]
        vias = [via for _, via, _ in guests]
        steps += passage.forwarding(host, name, *vias)
        steps.append(passage.setting(host, f"net/ipv4/conf/{name}/proxy_arp", "1"))
        steps += [step for address, via, _ in guests for step in behind(host, address, name, via)]
        hints = [f"then, behind {name}: address {address}/{length}" for address, _, length in guests]
    else:
        via = passage.uplink(host, options.via, name)
        steps += passage.forwarding(host, name, via)
        hints = [router_hint(host, options.addr, via)]
    steps += passage.admission(host, walls, kind, name, inbound=True)
    return Plan(steps=steps, warnings=passage.warnings(walls, kind, name, inbound=True), hints=hints)


def guest(host: Host, text: str, name: str) -> tuple[str, str, int]:
    """(address, the LAN's device, the LAN's prefix length) of one that is to be behind `name`."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise Complaint(f"--host {text} should be an address of the LAN's subnet, such as 192.168.1.50") from None
    for link in all_links(host):
        for found in addresses_of(host, link.name) if link.name != name else ():
            interface = ipaddress.ip_interface(found.address)
            if address == interface.ip:
                raise Complaint(f"--host {text}: that is this host's own, on {link.name}")
            if address in interface.network:
                refuse_taken(host, address, interface.network, link.name)
                return str(address), link.name, interface.network.prefixlen
    raise Complaint(f"--host {text}: no device here has a subnet with it; without --host, {name} gets one of its own")


def refuse_taken(host: Host, address: ipaddress.IPv4Address, network: Network, via: str) -> None:
    """A host route to a gateway would cut this host off from it; a whole subnet is no guest."""
    if address in (network.network_address, network.broadcast_address):
        raise Complaint(f"--host {address} names {network} as a whole: choose a free address within it")
    if any(route.gateway == str(address) for route in routes_of(host, lambda _message: True) if route.dev == via):
        raise Complaint(f"--host {address}: that is a gateway of this host, by {via}: choose a free address")


def behind(host: Host, address: str, name: str, via: str) -> list[Step]:
    """A host route inwards, and an ARP entry to answer for it outside."""
    put = PutRoute(dev=name, to=f"{address}/32")
    routed = routes_to(host, put.to)
    other = next((route for route in routed if route.dev != name), None)
    if other is not None:
        raise Complaint(f"--host {address}: there is a route to it by {other.dev} already")
    away = DeleteRoute(dev=name, to=put.to)
    proxy = AddProxy(dev=via, address=address)
    there = is_proxied(host, via, address)
    unproxy = DeleteProxy(dev=via, address=address)
    return [
        Step(do=put, undo=(away,), report=f"{address} is behind {name}", there=bool(routed)),
        Step(do=proxy, undo=(unproxy,), report=f"answers for {address} on {via}", there=there),
    ]


def router_hint(host: Host, address: str, via: str) -> str:
    subnet = ipaddress.IPv4Interface(address).network
    addresses = [one.address.partition("/")[0] for one in addresses_of(host, via) if ":" not in one.address]
    return f"the router of {via}'s LAN must know the way: ip route add {subnet} via {(*addresses, 'this host')[0]}"


RECIPE = Recipe(
    name="forward",
    summary="A TAP (or a veth pair) that this host routes for: others reach what is behind it.",
    default="tap0",
    arguments=arguments,
    plan=plan,
)


def main(argv: Sequence[str]) -> int:
    return recipe_main(RECIPE, argv)
