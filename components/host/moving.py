"""A network card becomes a bridge's port, and the bridge takes its addresses, routes and DHCP client.

Knows the order in which a connection through the card survives: the bridge has each address and route before the card
loses it. Knows what it cannot move, and says so before anything is done.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import attrs

from components.command import Complaint
from components.host import clients
from components.host.addresses import (
    KERNEL,
    LINK_SCOPE,
    NOPREFIXROUTE,
    AddAddress,
    PutRoute,
    addresses_of,
    deleting,
    routes_of,
)
from components.host.kernel import Host
from components.host.links import Link, SetMaster, find_link
from components.host.steps import Step


@attrs.frozen(kw_only=True)
class Card:
    """A network card and what is to move with it."""

    link: Link
    addresses: list[AddAddress]
    routes: list[PutRoute]
    client: clients.Process | None


def look(host: Host, name: str) -> Card:
    """A Complaint about what cannot be a bridge's port, or what cannot be moved."""
    link = find_link(host, name)
    if link is None:
        raise Complaint(f"--nic {name}: there is no such device")
    if name == "lo" or link.kind == "bridge":
        raise Complaint(f"--nic {name}: {'the loopback' if name == 'lo' else 'a bridge'} cannot be a bridge's port")
    if Path(f"/sys/class/net/{name}/phy80211").exists():
        raise Complaint(f"--nic {name}: Wi-Fi cannot join a bridge, it has one MAC address: netif host nat, or forward")
    refuse_odd_routes(host, link)
    addresses = addresses_of(host, name)
    routes = routes_of(host, lambda one: one.get_attr("RTA_OIF") == link.index)
    moved = [route for route in routes if not made_by_the_kernel(route, addresses)]
    return Card(link=link, addresses=addresses, routes=moved, client=clients.client_of(name))


def refuse_odd_routes(host: Host, link: Link) -> None:
    for message in [*host.ipr.get_routes(family=2), *host.ipr.get_routes(family=10)]:
        ways = message.get_attr("RTA_MULTIPATH") or []
        odd = message.get_attr("RTA_ENCAP") is not None or message.get_attr("RTA_NH_ID") is not None
        if any(way["oif"] == link.index for way in ways) or (odd and message.get_attr("RTA_OIF") == link.index):
            to = f"{message.get_attr('RTA_DST') or 'anywhere'}/{message['dst_len']}"
            raise Complaint(f"--nic {link.name}: the route to {to} has several ways or a tunnel: move it by hand first")


def made_by_the_kernel(route: PutRoute, addresses: list[AddAddress]) -> bool:
    """With an address, or for every device: these come and go by themselves."""
    network = ipaddress.ip_network(route.to)
    if network.version == 6 and (network.is_link_local or network.is_multicast):
        return True
    if route.proto != KERNEL or (network.version == 4 and route.scope != LINK_SCOPE):
        return False
    for one in addresses:
        interface = ipaddress.ip_interface(one.address)
        subnet = ipaddress.ip_network(f"{one.peer}/{network.prefixlen}") if one.peer else interface.network
        if subnet == network and route.source in ("", str(interface.ip)) and not one.flags & NOPREFIXROUTE:
            return True
    return False


def steps(card: Card, bridge: str, master: str) -> list[Step]:
    """`master`: the bridge that has the card already, or ""."""
    name = card.link.name
    join = SetMaster(name=name, master=bridge)
    back = SetMaster(name=name, master=master)
    planned = [Step(do=join, undo=(back,), report=f"{name} joins", there=master == bridge)]
    taken = [(one, attrs.evolve(one, dev=bridge, label="")) for one in card.addresses]
    for _old, new in taken:
        planned.append(Step(do=new, undo=(deleting(new),), report=f"has {new.address}"))
    for route in card.routes:
        there = attrs.evolve(route, dev=bridge)
        planned.append(Step(do=there, undo=(route,), report=f"leads to {route.to}"))
    for old, _new in reversed(taken):
        planned.append(Step(do=deleting(old), undo=(old,), report=f"{name} has {old.address} no more"))
    if card.client is not None:
        moved = tuple(bridge if word == name else word for word in card.client.argv)
        stop, again = clients.StopClient(argv=card.client.argv), clients.StartClient(argv=card.client.argv)
        planned.append(Step(do=stop, undo=(again,), report=f"{card.client.name} leaves {name}"))
        start, away = clients.StartClient(argv=moved), clients.StopClient(argv=moved)
        planned.append(Step(do=start, undo=(away,), report=f"{card.client.name} runs on it"))
    return planned


def rules_that_name(host: Host, name: str) -> list[str]:
    """`ip rule`s by this card: they are not moved."""
    return [
        f"an ip rule names {name}, and is left as it is (ip rule list)"
        for rule in host.ipr.get_rules(family=2)
        if name in (rule.get_attr("FRA_IIFNAME"), rule.get_attr("FRA_OIFNAME"))
    ][:1]
