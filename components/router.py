"""netif router: packets sent on between any wires, and translated where that is asked for.

    netif router tap:tap0=192.168.5.100/24 tap:tap1=10.9.0.1/24 --gw 192.168.5.1 --napt tap:tap1

Knows how interfaces, ways and port mappings are written; what a router does is the stack's (docs/router.md).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

import attrs

from components.command import Complaint, run
from components.flags import parse_interface
from components.parser import Parser
from components.wires.plan import Plan, opened, planned
from netif.errors import NetifError

if TYPE_CHECKING:
    from netif.netif import Netif
    from stack import Stack

DHCP = "dhcp"
log = logging.getLogger(__name__)


@attrs.frozen
class Side:
    """One interface: its wire, and its address; None: by DHCP."""

    plan: Plan
    address: IPv4Interface | None

    @property
    def name(self) -> str:
        return self.plan.text

    def holds(self, address: IPv4Address) -> bool:
        return self.address is not None and address in self.address.network


@attrs.frozen
class Portmap:
    protocol: str
    port: int
    host: IPv4Address
    inside_port: int


@attrs.frozen
class Wish:
    """What was asked for, understood."""

    sides: tuple[Side, ...]
    gateway: IPv4Address | None
    inside: tuple[str, ...]  # names of sides
    portmaps: tuple[Portmap, ...]
    routes: tuple[tuple[IPv4Network, IPv4Address], ...]
    proxy_arp: bool

    def side_of(self, address: IPv4Address, what: str) -> Side:
        """The one in whose subnet that is."""
        for side in self.sides:
            if side.holds(address):
                return side
        raise Complaint(f"{what}: {address} is in no subnet of the router's: name an interface that leads there")


def parser() -> argparse.ArgumentParser:
    made = Parser(prog="netif router", description="send packets on between wires; docs/router.md, docs/wires.md")
    made.add_argument("sides", nargs="+", metavar="WIRE=ADDRESS/LENGTH", help=f"an interface; WIRE={DHCP}: by DHCP")
    made.add_argument("--gw", metavar="ADDRESS", help="where what fits no subnet and no --route goes")
    made.add_argument("--route", action="append", default=[], metavar="NETWORK=GATEWAY", help="may be repeated")
    made.add_argument("--napt", action="append", default=[], metavar="WIRE",
                      help="its hosts go out under the address of the interface that they leave by")  # fmt: skip
    made.add_argument("--map", action="append", default=[], metavar="tcp|udp:PORT=HOST[:PORT]",
                      help="what comes for PORT goes to HOST, behind a --napt wire")  # fmt: skip
    made.add_argument("--proxy-arp", action="store_true", help="answer for those who are reached by another wire")
    return made


def understood(options: argparse.Namespace) -> Wish:
    """Complaint: it cannot be."""
    sides = tuple(map(_side, options.sides))
    names = [side.name for side in sides]
    refuse_twins(sides)
    wish = Wish(
        sides,
        None if options.gw is None else _address("--gw", options.gw),
        tuple(options.napt),
        tuple(map(_portmap, options.map)),
        tuple(map(_route, options.route)),
        options.proxy_arp,
    )
    for name in wish.inside:
        if name not in names:
            raise Complaint(f"--napt {name}: no such interface; there are {', '.join(names)}")
    for portmap in wish.portmaps:
        if wish.side_of(portmap.host, "--map").name not in wish.inside:
            raise Complaint(f"--map: {portmap.host} is behind no --napt wire: name that too")
    for gateway in [gateway for _, gateway in wish.routes] + ([wish.gateway] if wish.gateway else []):
        wish.side_of(gateway, "--gw or --route")
    return wish


def _side(text: str) -> Side:
    wire, equals, address = text.rpartition("=")
    if not equals or not wire:
        raise Complaint(f"{text}: write an interface as WIRE=ADDRESS/LENGTH, as in tap:tap0=192.168.5.100/24")
    if address == DHCP:
        return Side(planned(wire), None)
    try:
        return Side(planned(wire), parse_interface(address))
    except ValueError as error:
        raise Complaint(f"{text}: {error}") from None


def refuse_twins(sides: Sequence[Side]) -> None:
    """Of two interfaces in one subnet, or on one wire, nobody could say which is meant."""
    for number, side in enumerate(sides):
        for other in sides[:number]:
            if side.name == other.name:
                raise Complaint(f"{side.name} is said twice: name another wire, or leave it out")
            if side.address and other.address and side.address.network == other.address.network:
                both = f"{other.name} and {side.name} are both in {side.address.network}"
                raise Complaint(f"{both}: give each a subnet of its own, such as a half")


def _address(what: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise Complaint(f"{what}: {text!r} is no address; write it as in 192.168.5.1") from None


def _route(text: str) -> tuple[IPv4Network, IPv4Address]:
    network, _, gateway = text.partition("=")
    try:
        if not gateway:
            raise ValueError
        return IPv4Network(network), _address("--route", gateway)
    except ValueError:
        raise Complaint(f"--route {text}: write a network and its gateway, as in 10.0.0.0/8=192.168.5.254") from None


def _portmap(text: str) -> Portmap:
    outside, _, inside = text.partition("=")
    protocol, _, port = outside.partition(":")
    host, _, inside_port = inside.partition(":")
    inside_port = inside_port or port
    numbers = [int(one) for one in (port, inside_port) if one.isascii() and one.isdigit() and 0 < int(one) < 65536]
    if protocol not in ("tcp", "udp") or len(numbers) != 2:
        raise Complaint(f"--map {text}: write it as in tcp:8080=10.9.0.2:80")
    return Portmap(protocol, numbers[0], _address("--map", host), numbers[1])


def route(wish: Wish, stack: Stack, closing: ExitStack) -> dict[str, Netif]:
    """The interfaces, by their wires; closed with `closing`. Complaint: one cannot be had."""
    from netif.config import Flags
    from netif.netif import Netif

    netifs: dict[str, Netif] = {}
    for side in wish.sides:
        driver = opened(side.plan)
        try:
            if side.address is None:
                netif = Netif(driver, stack=stack, flags=Flags.DHCP_CLIENT)
            else:
                gateway = wish.gateway if wish.gateway and side.holds(wish.gateway) else None
                netif = Netif(driver, stack=stack, ip=str(side.address), gateway=gateway)
            netifs[side.name] = closing.enter_context(netif)
            netif.set_routes([(net, by) for net, by in wish.routes if side.holds(by)])
            netif.proxy_arp_enable(wish.proxy_arp)
            netif.napt_enable(side.name in wish.inside)
            for portmap in wish.portmaps:
                if side.holds(portmap.host):
                    netif.portmap_add(portmap.protocol, portmap.port, portmap.host, portmap.inside_port)
            if side.address is None:
                netif.connected()
        except (NetifError, OSError, ValueError) as error:
            raise Complaint(side.plan.tell(error)) from error
    if wish.gateway is not None:
        assert stack.registry is not None
        stack.registry.set_default(netifs[wish.side_of(wish.gateway, "--gw").name])
    return netifs


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from stack import Stack

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    wish = understood(parser().parse_args(argv))
    with ExitStack() as closing:
        stack = closing.enter_context(Stack("router", forwarding=not wish.inside))
        route(wish, stack, closing)
        for side in wish.sides:
            what = " (inside)" if side.name in wish.inside else ""
            log.info("routing for %s, %s%s", side.name, side.address or "an address by DHCP", what)
        try:
            while True:
                stack.runtime.sleep(3600.0)
        finally:
            told = stack.forwarding.counters
            log.info("%d frames, %d bytes sent on; dropped: %s", told.frames, told.bytes, dict(told.dropped) or "none")


if __name__ == "__main__":
    raise SystemExit(main())
