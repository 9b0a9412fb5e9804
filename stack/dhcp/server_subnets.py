"""The subnets that a DHCP server gives addresses of: the one it is in, and those behind relay agents.

Made anew of the configuration at each start. RFC 2131 4.3.1.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from netif.dhcp import DhcpsConfig
from netif.errors import DhcpsStartFailed
from netif.wire.ip import ANY
from stack.dhcp.server_leases import Pool
from stack.dhcp.server_options import of_subnet

if TYPE_CHECKING:
    from netif.wire.dhcp import Message
    from stack.interface import Interface

LARGEST_DERIVED = 100  # addresses of a pool that nobody configured, as ESP-IDF has it


class Subnet(NamedTuple):
    pool: Pool
    options: dict[int, bytes]  # all that its clients may be told
    on_link: bool


def serve(config: DhcpsConfig, interface: Interface) -> list[Subnet]:
    """The interface's own comes first. DhcpsStartFailed: the configuration does not go with its address."""
    if not interface.address:
        raise DhcpsStartFailed(f"{interface.name} has no address to serve from; set one first")
    own = IPv4Address(interface.address)
    network = IPv4Network((interface.address, interface.prefix_length), strict=False)
    if network.prefixlen > 30:
        raise DhcpsStartFailed(f"{interface.name}: {network} has no address left to give; take a larger subnet")
    first, last = (config.start, config.end) if config.start and config.end else derived(own, network)
    for name, end in (("start", first), ("end", last)):
        if end not in network or end in (network.network_address, network.broadcast_address):
            raise DhcpsStartFailed(f"DhcpsConfig.{name}: {end} is no host's address in {network} of {interface.name}")
    router = (config.router or own).packed
    others = frozenset((router, interface.gateway, *(server.packed for server in config.dns)))
    stack, reserved = interface.stack, config.reservations
    subnets = [Subnet(Pool(stack, network, first, last, reserved, others), of_subnet(config, network, router), True)]
    for relayed in config.relayed:
        router = b"" if relayed.router is None else relayed.router.packed
        pool = Pool(stack, relayed.network, relayed.start, relayed.end, reserved, frozenset((router,)))
        subnets.append(Subnet(pool, of_subnet(config, relayed.network, router), False))
    return subnets


def derived(own: IPv4Address, network: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """The addresses above our own, or those below it where there are more."""
    first, last = network.network_address + 1, network.broadcast_address - 1
    above, below = int(last) - int(own), int(own) - int(first)
    if above >= min(below, LARGEST_DERIVED):
        return own + 1, own + min(above, LARGEST_DERIVED)
    return own - min(below, LARGEST_DERIVED), own - 1


def subnet_of(subnets: list[Subnet], message: Message, *, to_us: bool) -> Subnet | None:
    """The relay agent's, that of a client which renews from afar, or our own."""
    where = message.giaddr
    if where == ANY and to_us:
        where = message.ciaddr
    found = next((subnet for subnet in subnets if subnet.pool.holds(where)), None)
    return subnets[0] if found is None and message.giaddr == ANY else found
