"""From a server's message to a `Lease`: what is read, what is left out, and which times hold.

Without address, server or lease time there is none; any other option that cannot be what it says is left out, and
counted. Knows no states. RFC 2131 4.4.5 (T1 and T2); RFC 2132; RFC 3442 (with 121, options 3 and 33 do not count).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from math import inf
from typing import TYPE_CHECKING, TypeVar

from netif.config import MTU_MIN, IpInfo
from netif.dhcp import Lease
from netif.errors import InvalidParams
from netif.wire import Malformed
from netif.wire import dhcp_options as option
from netif.wire.dhcp import Message
from netif.wire.ip import ANY, mask_of, prefix_length_of

if TYPE_CHECKING:
    from netif.wire.dhcp_options import Route
    from stack.stack import Stack

Value = TypeVar("Value")


class Options:
    """One message's options, as values."""

    def __init__(self, message: Message, stack: Stack) -> None:
        self.raw = message.options
        self.most = stack.limits.dhcp_list
        self._stats = stack.stats

    def value(self, code: int, parse: Callable[[bytes], Value], default: Value) -> Value:
        value = self.raw.get(code)
        if value is None:
            return default
        try:
            return parse(value)
        except Malformed:
            self._stats.count("dhcpc_option_ignored")
            return default

    def entries(self, code: int, parse: Callable[[bytes], tuple[Value, ...]]) -> tuple[Value, ...]:
        """As many as there are, or none: a list that is beyond all measure is not believed in part."""
        nothing: tuple[Value, ...] = ()
        found = self.value(code, parse, nothing)
        if len(found) > self.most:
            self._stats.count("dhcpc_option_ignored")
            return nothing
        return found

    def addresses(self, code: int) -> tuple[IPv4Address, ...]:
        return tuple(IPv4Address(found) for found in self.entries(code, option.parse_addresses) if found != ANY)

    def text(self, code: int) -> str:
        return self.value(code, option.parse_text, "")

    def name(self, code: int) -> str:
        return self.value(code, option.parse_domain, "")


def read(message: Message, stack: Stack, *, asked_at: float) -> Lease | None:
    """What the server gives; None: nothing that could be used."""
    options = Options(message, stack)
    server = options.value(option.SERVER_ID, option.parse_address, ANY)
    lease_time = options.value(option.LEASE_TIME, option.parse_seconds, 0.0)
    routes = _routes(options)
    routers = [router for network, length, router in routes if not length and router != ANY]
    if routes == ():
        routes = _routes_by_class(options)
        routers = list(options.entries(option.ROUTER, option.parse_addresses))
    info = _ip_info(message.yiaddr, options.value(option.SUBNET_MASK, _parse_mask, b""), routers)
    if info is None or server == ANY or not lease_time:
        return None
    renewal_time, rebinding_time = _times(options, lease_time)
    mtu = options.value(option.MTU, option.parse_u16, 0)
    broadcast = options.value(option.BROADCAST, option.parse_address, ANY)
    return Lease(
        ip_info=info,
        server=IPv4Address(server),
        obtained=asked_at,
        lease_time=lease_time,
        renewal_time=renewal_time,
        rebinding_time=rebinding_time,
        dns=options.addresses(option.DNS),
        hostname=options.name(option.HOST_NAME),
        domain=options.name(option.DOMAIN_NAME),
        search=options.value(option.SEARCH, lambda value: option.parse_search(value, options.most), ()),
        mtu=mtu if mtu >= MTU_MIN else None,
        broadcast=None if broadcast == ANY else IPv4Address(broadcast),
        routes=tuple(
            (IPv4Network((network, length)), IPv4Address(router)) for network, length, router in routes if length
        ),
        ntp=options.addresses(option.NTP),
        vendor_specific=options.raw.get(option.VENDOR_SPECIFIC, b""),
        captive_portal=options.text(option.CAPTIVE_PORTAL),
        tftp_server=options.text(option.TFTP_SERVER) or _field(message.sname),
        boot_file=options.text(option.BOOT_FILE) or _field(message.file),
        options=options.raw,
    )


def _field(value: bytes) -> str:
    try:
        return option.parse_text(value.partition(b"\0")[0])
    except Malformed:
        return ""


def _parse_mask(value: bytes) -> bytes:
    """RFC 2132 3.3; none at all is no mask either."""
    try:
        if prefix_length_of(value):
            return value
    except ValueError:
        pass
    raise Malformed("dhcp_option_value")


def _class_length(address: bytes) -> int:
    """RFC 791 3.2: for whoever says no mask."""
    return 8 if address[0] < 128 else 16 if address[0] < 192 else 24


def _ip_info(address: bytes, mask: bytes, routers: Iterable[bytes]) -> IpInfo | None:
    """With the first router that can be reached from there."""
    mask = mask or mask_of(_class_length(address))
    for router in (*routers, ANY):
        try:
            return IpInfo(address, mask, router) or None
        except InvalidParams:
            continue
    return None


def _routes(options: Options) -> tuple[Route, ...]:
    """RFC 3442; 249 is what Microsoft called it before it had a number."""
    return options.entries(option.CLASSLESS_ROUTES, option.parse_classless_routes) or options.entries(
        option.MS_CLASSLESS_ROUTES, option.parse_classless_routes
    )


def _routes_by_class(options: Options) -> tuple[Route, ...]:
    """RFC 2132 5.8: to a network where the host bits of its class are zero, else to a host; never the default."""
    routes: list[Route] = []
    for destination, router in options.entries(option.STATIC_ROUTES, option.parse_static_routes):
        length = _class_length(destination)
        if int.from_bytes(destination, "big") & (1 << 32 - length) - 1:
            length = 32
        if destination != ANY:
            routes.append((destination, length, router))
    return tuple(routes)


def _times(options: Options, lease_time: float) -> tuple[float, float]:
    """T1 and T2, RFC 2131 4.4.5: as they are said where 0 < T1 < T2 < lease time, else their share of it."""
    if lease_time == inf:
        return inf, inf
    renewal = options.value(option.RENEWAL_TIME, option.parse_seconds, 0.0)
    rebinding = options.value(option.REBINDING_TIME, option.parse_seconds, 0.0)
    if not 0 < rebinding < lease_time:
        rebinding = lease_time * 7 / 8
    if not 0 < renewal < rebinding:
        renewal = rebinding * 4 / 7
    return renewal, rebinding
