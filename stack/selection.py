"""Which interface, which first hop, which of our addresses: the choice behind every `Route`. RFC 1122 3.3.1, 3.3.4.

In this order: the interface that the asker insists on; the one that owns the source address, out of which its own
gateway leads though another be the default; the longest prefix; the default. Of several interfaces with one prefix one
that is up, of the highest route_prio, the newest. Any interface takes what is sent to any of our addresses (weak host
model), but each speaks ARP for its own alone, so that a neighbour comes in, and is answered, where the address lives.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EINVAL, ENETUNREACH
from typing import TYPE_CHECKING

from netif.wire.ip import ANY
from stack.failure import failure

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.ip import Ip

Way = tuple["Interface", bytes]  # and the next hop


def fill(ip: Ip) -> None:
    """The table, and whose is which address, from the interfaces as they are now."""
    ip.table.clear()
    ip.local, ip.broadcasts = {}, {}
    ranked = sorted(ip.stack.interfaces, key=_rank, reverse=True)
    for interface in ranked:
        for one in interface.subnets():
            ip.local.setdefault(one.address, interface)
            ip.table.add(one.address, one.prefix_length, interface)
            if one.broadcast:
                ip.broadcasts.setdefault(one.broadcast, interface)
        if interface.is_point_to_point and interface.gateway and interface.gateway not in ip.local:
            ip.table.add(interface.gateway, 32, interface)  # the peer, whatever the subnet
    for interface in ranked:
        for network, length, gateway in interface.routes if any(interface.subnets()) else ():
            if length and gateway not in ip.local:
                ip.table.add(network, length, interface, gateway if any(gateway) else None)
    default = ip.default
    if default is not None and default in ranked and (default.gateway or _leads_anywhere(default)):
        ip.table.add(ANY, 0, default, default.gateway or None)


def _leads_anywhere(interface: Interface) -> bool:
    """Without a gateway: who is at the other end may send on what is for others (RFC 1812 3.3)."""
    return interface.is_point_to_point and bool(interface.address)


def _rank(interface: Interface) -> tuple[bool, int, int]:
    return interface.is_up, interface.route_prio, interface.index


def find(ip: Ip, dst: bytes, src: bytes | None, via: Interface | None) -> Way:
    """OSError: EADDRNOTAVAIL, EINVAL: `src` is not ours, or only within; ENODEV: `via` is gone; ENETUNREACH."""
    if src is not None and src != ANY and not ip.is_local(src):
        raise failure(EADDRNOTAVAIL)
    if ip.is_local(dst):
        return ip.stack.loopback, dst
    if src is not None and src not in ip.local and src != ANY:
        raise failure(EINVAL)  # from 127/8 to elsewhere
    if via is not None and via.index not in ip.stack.links:
        via = ip.stack.interface(via.name)  # its netif may have been started anew
    bound = via
    if bound is None and src is not None:
        bound = ip.local.get(src)
    if ip.is_group(dst):
        interface = bound or ip.broadcasts.get(dst) or _way_out(ip)
        if interface is not None:
            return interface, dst
        raise failure(ENETUNREACH)
    line = ip.table.lookup(dst, bound)
    if bound is not None and via is None and (line is None or line.gateway is not None):
        other = ip.table.lookup(dst)  # a neighbour by another link, though the source is of this one
        if other is not None and (other.gateway is None or not bound.gateway):
            line = other
    if line is not None:
        if line.gateway is None:
            return line.interface, dst
        return line.interface, ip.redirects.gateway(dst, line.interface, line.gateway)
    if bound is not None and bound.gateway:  # its own way out, though another may be the default
        return bound, ip.redirects.gateway(dst, bound, bound.gateway)
    if bound is not None and _leads_anywhere(bound):
        return bound, dst
    raise failure(ENETUNREACH)


def source(ip: Ip, dst: bytes, interface: Interface, next_hop: bytes) -> bytes:
    """Our address for what goes to `dst` that way."""
    if interface.is_loopback and dst in ip.local:
        return dst
    return interface.source_for(next_hop)


def _way_out(ip: Ip) -> Interface | None:
    """Where groups go that nobody bound to an interface: the default, or else the best that has an address."""
    addressed = dict.fromkeys(ip.local.values())
    return ip.default if ip.default in addressed else next(iter(addressed), None)
