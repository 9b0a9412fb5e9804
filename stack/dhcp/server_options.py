"""What a DHCP server tells beside an address: the options of a subnet, and which of them one client gets.

RFC 2131 4.3.1 and its table 3; RFC 2132 9.8 (in the client's order); RFC 3046 2.2 (82); RFC 6842 (61).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from math import inf

from netif.dhcp import DHCPS_LEASE_TIME, DhcpsConfig
from netif.wire import dhcp_options as option
from netif.wire.dhcp import Message

LEAST_LEASE = 60.0  # seconds: no client gets us to work for it more often, unless it is configured so
_ECHOED = (option.CLIENT_ID, option.RELAY_AGENT)


def of_subnet(config: DhcpsConfig, network: IPv4Network, router: bytes) -> dict[int, bytes]:
    """All that may be said to a client there."""
    routes = tuple((net.network_address.packed, net.prefixlen, via.packed) for net, via in config.routes)
    values = {
        option.SUBNET_MASK: network.netmask.packed,  # RFC 2132 3.3: before the routers
        option.ROUTER: router if config.offer_router else b"",
        option.DNS: b"".join(server.packed for server in config.dns) if config.offer_dns else b"",
        option.DOMAIN_NAME: config.domain.encode(),
        option.BROADCAST: network.broadcast_address.packed,
        option.MTU: b"" if config.mtu is None else option.emit_u16(config.mtu),
        option.NTP: b"".join(server.packed for server in config.ntp),
        option.CAPTIVE_PORTAL: config.captive_portal.encode(),
        option.SEARCH: option.emit_search(config.search),
        option.CLASSLESS_ROUTES: option.emit_classless_routes(routes),
        **config.options,
    }
    return {code: value for code, value in values.items() if value}


def lease_time(config: DhcpsConfig, message: Message) -> float:
    """Seconds: as configured, or less where the client asks for less."""
    most = config.lease_time or DHCPS_LEASE_TIME
    asked = message.options.get(option.LEASE_TIME)
    return most if asked is None else min(most, max(option.parse_seconds(asked), LEAST_LEASE))


def of_lease(seconds: float) -> dict[int, bytes]:
    """RFC 2131 4.4.5: T1 and T2 at a half and seven eighths."""
    said = {option.LEASE_TIME: option.emit_seconds(seconds)}
    if seconds < inf:
        said[option.RENEWAL_TIME] = option.emit_seconds(seconds / 2)
        said[option.REBINDING_TIME] = option.emit_seconds(seconds * 7 / 8)
    return said


def of_reply(message: Message, server: bytes, said: Mapping[int, bytes]) -> dict[int, bytes]:
    """What every answer to `message` begins with. 82 is the relay agent's and must not go into an overloaded field,
    so that it comes early, though RFC 3046 would rather have it last."""
    echoed = {code: message.options[code] for code in _ECHOED if code in message.options}
    return {option.SERVER_ID: server, **said, **echoed}


def chosen(message: Message, known: Mapping[int, bytes]) -> dict[int, bytes]:
    """What the client asked for, in its order; all, if it did not ask. The mask is always told, and first."""
    asked = message.options.get(option.PARAMETER_LIST)
    codes = known if asked is None else (option.SUBNET_MASK, *asked)
    return {code: known[code] for code in codes if code in known}
