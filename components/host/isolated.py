"""`netif host isolated`: a TAP or a veth pair between this host and ours, with nobody else on it.

On request DHCP and DNS come with it, from dnsmasq.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.host import ends, leasing
from components.host.recipe import Plan, Recipe
from components.host.recipe import main as recipe_main
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

    from components.host.kernel import Host


def arguments(parse: Parser) -> None:
    ends.add_arguments(parse)
    leasing.add_arguments(parse)


def plan(host: Host, options: argparse.Namespace) -> Plan:
    only = ("veth",) if options.veth else ("tap",)
    steps = ends.wished(host, options, only=only)
    steps += leasing.steps(host, options)
    return Plan(steps=steps, hints=[leasing.hint(options, "tcp_server")])


RECIPE = Recipe(
    name="isolated",
    summary="A TAP (or a veth pair) with an address: this host and yours, nobody else.",
    default="tap0",
    arguments=arguments,
    plan=plan,
)


def main(argv: Sequence[str]) -> int:
    return recipe_main(RECIPE, argv)
