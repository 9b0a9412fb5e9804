"""`netif host nat`: a TAP or veth whose hosts reach where this one does, with this one's address (masquerading).

Nobody outside can begin a connection to them, but to a port that is mapped; `forward` is for that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.host import ends, firewall, leasing, mapping, passage
from components.host.links import find_link
from components.host.recipe import Plan, Recipe
from components.host.recipe import main as recipe_main
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

    from components.host.kernel import Host


def arguments(parse: Parser) -> None:
    ends.add_arguments(parse)
    leasing.add_arguments(parse)
    passage.add_arguments(parse)
    mapped = "this host's PORT leads to one of A, of the TAP's subnet; /udp behind it for UDP; again for more"
    parse.add_argument("--map", metavar="PORT:A:PORT", action="append", default=[], help=mapped)


def plan(host: Host, options: argparse.Namespace) -> Plan:
    name = options.name
    via = passage.uplink(host, options.via, name)
    walls = firewall.look(host)
    kind = passage.firewall_kind(walls, options.firewall)
    steps = ends.wished(host, options)
    subnet = str(ipaddress.IPv4Interface(options.addr).network)
    mapped = [mapping.parse(text, subnet) for text in options.map]
    steps += passage.forwarding(host, name, via)
    steps += passage.masquerade(host, walls, kind, name, subnet, via, mapped)
    steps += passage.admission(host, walls, kind, name, inbound=False, mapped=mapped)
    steps += leasing.steps(host, options)
    warnings = passage.warnings(walls, kind, name, inbound=False)
    link = find_link(host, name)
    ours = options.veth or link is None or link.kind == "tap"  # else NAME is the kernel's end, and ours is not known
    hints = [leasing.hint(options, "http_get", "http://example.com/")] if ours else []
    return Plan(steps=steps, warnings=warnings, hints=hints)


RECIPE = Recipe(
    name="nat",
    summary="A TAP (or a veth pair) whose hosts reach where this one does, with its address.",
    default="tap0",
    arguments=arguments,
    plan=plan,
)


def main(argv: Sequence[str]) -> int:
    return recipe_main(RECIPE, argv)
