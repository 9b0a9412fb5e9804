"""What DHCP is to an interface: a lease as a value, and how a netif meets the machines that obtain and give leases.

Only shapes, as in `netif.link`: the stack's machines know the protocol (stack/dhcp), a Netif decides what a lease
changes. Everything here is called with the gate held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from math import inf
from typing import Any, Literal, Protocol

import attrs

from netif.config import MTU_MIN, Address, IpInfo
from netif.errors import InvalidParams
from netif.value import Value
from netif.wire import ethernet, ip


@attrs.frozen(eq=False, repr=False, kw_only=True)
class Lease(Value):
    """What a server gave. Times are seconds of the runtime's clock; option numbers are RFC 2132's."""

    ip_info: IpInfo  # yiaddr, 1, and the default route of 121 or the first of 3 that is on the subnet
    server: IPv4Address  # 54; 0.0.0.0: nobody gave it, it is what `DhcpcConfig.fallback` says
    obtained: float  # when the request was sent that it answers (RFC 2131 4.4.1)
    lease_time: float = inf  # 51, seconds
    renewal_time: float = inf  # 58 (T1), seconds from `obtained`
    rebinding_time: float = inf  # 59 (T2)
    dns: tuple[IPv4Address, ...] = ()  # 6
    hostname: str = ""  # 12
    domain: str = ""  # 15
    search: tuple[str, ...] = ()  # 119
    mtu: int | None = None  # 26
    broadcast: IPv4Address | None = None  # 28
    routes: tuple[tuple[IPv4Network, IPv4Address], ...] = ()  # 121, else 249, else 33; 0.0.0.0: on the link
    ntp: tuple[IPv4Address, ...] = ()  # 42
    vendor_specific: bytes = b""  # 43
    captive_portal: str = ""  # 114
    tftp_server: str = ""  # 66, else sname
    boot_file: str = ""  # 67, else file
    options: Mapping[int, bytes] = attrs.field(factory=dict)  # all that the server sent, as it was sent


class LeaseHolder(Protocol):
    """Whom a DHCP client tells: the netif."""

    def leased(self, lease: Lease) -> None:
        """Obtained, renewed, or found to be good still."""

    def lease_lost(self, reason: str, *, taken: bool = False) -> None:
        """Expired or refused, or `taken`: another host has the address. The client goes on by itself."""

    def dhcp_state(self, old: str, new: str) -> None:
        """Of the client, by RFC 2131's names."""


class DhcpClient(Protocol):
    """One interface's client, made by its stack. It sends and hears by itself while the link is up."""

    config: DhcpcConfig  # another counts from the next message on

    @property
    def state(self) -> str:
        """RFC 2131's name: "INIT", "SELECTING", "BOUND" ..."""

    def start(self, previous: Lease | None = None) -> None:
        """With `previous`, ask for that one again first (INIT-REBOOT)."""

    def stop(self, *, release: bool = True) -> None:
        """`release`: tell the server that the lease is given back; else fall silent. The holder is not told."""

    def link_up(self) -> None:
        """The link has come back: make sure that the lease is good here."""

    def link_down(self) -> None: ...


class AddressGiver(Protocol):
    """Whom a DHCP server tells: the netif."""

    def assigned(self, mac: bytes, ip: IPv4Address, hostname: str) -> None: ...


class DhcpServer(Protocol):
    """One interface's server, made by its stack."""

    def start(self) -> None:
        """DhcpsStartFailed where its pool cannot be served from the interface's address."""

    def stop(self) -> None:
        """Leases are kept, for the next server on this interface of its stack."""

    def client_address(self, mac: bytes) -> IPv4Address | None:
        """Leased to `mac` now."""


@attrs.frozen(eq=False, repr=False)
class GivenLease(Value):
    """What a server remembers of one client, also when the lease is over."""

    client: bytes  # 61 as it was sent, else the hardware type and address
    mac: bytes
    ip: IPv4Address
    expires: float  # seconds of the clock of whoever is asked or told
    hostname: str = ""


class LeaseStore(Protocol):
    """Where a server's leases outlive it. OSError is logged, and the server goes on without."""

    def load(self, now: float) -> list[GivenLease]:
        """What was saved last, its times by the clock that shows `now`."""

    def save(self, leases: Iterable[GivenLease], now: float) -> None:
        """All of them, before any client is told of the latest."""


CONFLICT_CHECKS = ("after", "before", "none")
DHCPS_LEASE_TIME = 7200.0  # seconds, where the configuration says 0


# What these cannot read they leave as it is: the validators know the field's name, and complain.


def _address(value: Address) -> IPv4Address:
    try:
        return IPv4Address(ip.parse_address(value))
    except ValueError:
        return value  # type: ignore[return-value]


def _list(values: Any) -> Any:
    """A tuple; but text is no list of its characters."""
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else values


def _addresses(values: Any) -> Any:
    listed = _list(values)
    return tuple(map(_address, listed)) if isinstance(listed, tuple) else listed


def _network(value: str | IPv4Network) -> IPv4Network:
    try:
        return IPv4Network(value)
    except ValueError:
        return value  # type: ignore[return-value]


def _routes(values: Any) -> Any:
    try:
        return tuple((_network(where), _address(via)) for where, via in values)
    except (TypeError, ValueError):
        return values


def _reservations(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    try:
        macs = [ethernet.parse_mac(mac) if isinstance(mac, str) else bytes(mac) for mac in values]
    except (TypeError, ValueError) as error:
        raise InvalidParams(f"DhcpsConfig.reservations: {error}") from None
    return dict(zip(macs, map(_address, values.values()), strict=True))


def _field(instance: object, field: attrs.Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{field.name}"


def _check_addresses(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    """One, none or several."""
    for address in value if isinstance(value, tuple) else (value,):
        if address is not None and not isinstance(address, IPv4Address):
            raise InvalidParams(f"{_field(instance, field)}: {address!r} is not an IPv4 address; write 192.168.5.1")


def _check_network(instance: object, field: attrs.Attribute[Any], network: Any) -> None:
    if not isinstance(network, IPv4Network):
        raise InvalidParams(f"{_field(instance, field)}: {network!r} is not a network; write it as in 192.168.5.0/24")


def _check_list(instance: object, field: attrs.Attribute[Any], values: Any) -> None:
    if not isinstance(values, tuple):
        raise InvalidParams(f"{_field(instance, field)}: {values!r} is no list; write [{values!r}]")


def _check_mapping(instance: object, field: attrs.Attribute[Any], values: Any) -> None:
    if not isinstance(values, Mapping):
        raise InvalidParams(f"{_field(instance, field)}: {values!r} is no dictionary; give one")


def _check_text(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.isascii():
        raise InvalidParams(f"{_field(instance, field)}: {value!r} is no ASCII text; give it in quotes")


def _check_store(instance: object, field: attrs.Attribute[Any], store: Any) -> None:
    if store is not None and not (hasattr(store, "load") and hasattr(store, "save")):
        raise InvalidParams(f"{_field(instance, field)}: {store!r} keeps no leases; write LeaseFile({store!r})")


def _check_pools(instance: object, field: attrs.Attribute[Any], pools: tuple[Any, ...]) -> None:
    for pool in pools:
        if not isinstance(pool, RelayedPool):
            raise InvalidParams(f"{_field(instance, field)}: {pool!r} is no RelayedPool; give RelayedPool(start=...)")


def _check_routes(instance: object, field: attrs.Attribute[Any], routes: Any) -> None:
    if not isinstance(routes, tuple) or not all(isinstance(route, tuple) for route in routes):
        raise InvalidParams(f"{_field(instance, field)}: {routes!r} are no pairs; write [('10.0.0.0/8', '10.0.0.1')]")
    for network, gateway in routes:
        _check_network(instance, field, network)
        _check_addresses(instance, field, gateway)


def _check_reservations(instance: object, field: attrs.Attribute[Any], reserved: dict[bytes, Any]) -> None:
    for mac in reserved:
        if len(mac) != 6:
            raise InvalidParams(f"{_field(instance, field)}: {mac!r} has {len(mac)} bytes; a MAC address has six")
    _check_addresses(instance, field, tuple(reserved.values()))
    if len(set(reserved.values())) < len(reserved):
        raise InvalidParams(f"{_field(instance, field)}: two clients cannot have one address; give each its own")


def _at_least(least: float, kind: type | tuple[type, ...] = (int, float)) -> Any:
    def check(instance: object, field: attrs.Attribute[Any], value: float) -> None:
        if not isinstance(value, kind) or not value >= least:
            raise InvalidParams(f"{_field(instance, field)}: {value!r} is out of range; take {least:g} or more")

    return check


def _check_range(instance: Any, field: attrs.Attribute[Any], end: IPv4Address | None) -> None:
    _check_addresses(instance, field, end)
    name, start = type(instance).__name__, instance.start
    if (start is None) != (end is None):
        raise InvalidParams(f"{name}.{'start' if start is None else 'end'}: a pool has a first and a last; give both")
    if start is not None and end is not None and start > end:
        raise InvalidParams(f"{name}.end: {end} comes before the first address {start}; swap them")


def _check_within(instance: Any, field: attrs.Attribute[Any], network: IPv4Network) -> None:
    _check_network(instance, field, network)
    for name in ("start", "end"):
        if getattr(instance, name) not in network:
            raise InvalidParams(f"RelayedPool.{name}: {getattr(instance, name)} is not within {network}")


def _is_name(name: Any) -> bool:
    """RFC 1035 3.1."""
    if not isinstance(name, str) or len(name) > 253 or not name.isascii() or any(c <= " " for c in name):
        return False
    return not name or all(0 < len(label) < 64 for label in name.removesuffix(".").split("."))


def _check_names(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    """One or several."""
    for name in value if isinstance(value, tuple) else (value,):
        if not _is_name(name):
            raise InvalidParams(f"{_field(instance, field)}: {name!r} is no domain name; write it as in example.org")


def _check_options(_instance: object, _field: object, options: Mapping[int, bytes]) -> None:
    for code, value in options.items():
        if not isinstance(code, int) or not 0 < code < 255 or code in (50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82):
            raise InvalidParams(f"DhcpsConfig.options: {code!r} is none that may be set; take others of RFC 2132")
        if not isinstance(value, bytes):
            raise InvalidParams(f"DhcpsConfig.options: option {code} is {value!r}; give its bytes")


def _check_client_id(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value != "mac" and not (isinstance(value, bytes) and len(value) != 1 and len(value) < 256):
        raise InvalidParams(f"{_field(instance, field)}: {value!r} is no identifier; give 2 to 255 bytes, or 'mac'")


def _check_class(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.isascii() or len(value) > 255:
        raise InvalidParams(f"{_field(instance, field)}: {value!r} is too long, or not ASCII; give 255 characters")


def _check_ask(instance: object, field: attrs.Attribute[Any], codes: tuple[Any, ...]) -> None:
    for code in codes:
        if not isinstance(code, int) or not 0 < code < 255:
            raise InvalidParams(f"{_field(instance, field)}: {code!r} is no option's number; take 1 to 254")


def _check_conflict(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value not in CONFLICT_CHECKS:
        raise InvalidParams(f"{_field(instance, field)}: {value!r} is unknown; take 'after', 'before' or 'none'")


def _fallback(value: IpInfo | str | None) -> IpInfo | str | None:
    return IpInfo(value) if isinstance(value, str) and value != "link-local" else value


def _check_fallback(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value not in (None, "link-local") and not (isinstance(value, IpInfo) and value):
        raise InvalidParams(f"{_field(instance, field)}: {value!r} is no address; give an IpInfo or 'link-local'")


@attrs.frozen(eq=False, repr=False, kw_only=True)
class DhcpcConfig(Value):
    """With what a DHCP client asks, and what it does when nobody answers; what `netif_dhcpc_option` changes.

    Times are seconds, numbers RFC 2132's. What is empty or None is not said. InvalidParams names the field.
    """

    hostname: str = attrs.field(default="", validator=_check_names)  # 12
    # 61; b"": RFC 4361's, made of the MAC; "mac": the MAC alone (RFC 2132 9.14)
    client_id: bytes | Literal["mac"] = attrs.field(default=b"", validator=_check_client_id)
    vendor_class: str = attrs.field(default="", validator=_check_class)  # 60
    requested: IPv4Address | None = attrs.field(
        default=None, converter=attrs.converters.optional(_address), validator=_check_addresses
    )  # 50
    # 55, beside Lease's own
    ask: tuple[int, ...] = attrs.field(default=(), converter=_list, validator=[_check_list, _check_ask])
    broadcast: bool = False  # ask for answers by broadcast: some links do not let through what is to no address yet
    tries: int = attrs.field(default=0, validator=_at_least(0, int))  # DISCOVERs until it gives up; 0: never
    # "after": use the address at once and probe behind it; "before": probe first (RFC 2131 2.2); "none": do not
    conflict_check: str = attrs.field(default="after", validator=_check_conflict)
    # an address to do with while no server answers: this one, or a link-local one (RFC 3927)
    fallback: IpInfo | Literal["link-local"] | None = attrs.field(
        default=None, converter=_fallback, validator=_check_fallback
    )
    fallback_after: float = attrs.field(default=10.0, validator=_at_least(0))
    restore: bool = False  # ask for the last lease again (INIT-REBOOT), which then is not given back meanwhile


@attrs.frozen(eq=False, repr=False, kw_only=True)
class RelayedPool(Value):
    """The addresses of a subnet that a relay agent serves for us, with its own address there in `giaddr`."""

    start: IPv4Address = attrs.field(converter=_address, validator=_check_addresses)
    end: IPv4Address = attrs.field(converter=_address, validator=_check_range)
    network: IPv4Network = attrs.field(converter=_network, validator=_check_within)
    router: IPv4Address | None = attrs.field(
        default=None, converter=attrs.converters.optional(_address), validator=_check_addresses
    )  # 3, mostly the relay agent; None: there is none


@attrs.frozen(eq=False, repr=False, kw_only=True)
class DhcpsConfig(Value):
    """What a DHCP server gives out, and for how long; what `netif_dhcps_option` changes. Numbers are RFC 2132's.

    Times are seconds. What is empty or None is not said to clients. InvalidParams names the field.
    """

    start: IPv4Address | None = attrs.field(
        default=None, converter=attrs.converters.optional(_address), validator=_check_addresses
    )  # the first of the pool, and the last; None: those beside the interface's own address, at most 100
    end: IPv4Address | None = attrs.field(
        default=None, converter=attrs.converters.optional(_address), validator=_check_range
    )
    lease_time: float = attrs.field(default=0.0, validator=_at_least(0))  # 51; 0: DHCPS_LEASE_TIME; inf: for ever
    offer_router: bool = True
    router: IPv4Address | None = attrs.field(
        default=None, converter=attrs.converters.optional(_address), validator=_check_addresses
    )  # 3; None: the interface's address
    offer_dns: bool = True
    dns: tuple[IPv4Address, ...] = attrs.field(
        default=(), converter=_addresses, validator=[_check_list, _check_addresses]
    )  # 6
    domain: str = attrs.field(default="", validator=_check_names)  # 15
    search: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=[_check_list, _check_names])  # 119
    ntp: tuple[IPv4Address, ...] = attrs.field(
        default=(), converter=_addresses, validator=[_check_list, _check_addresses]
    )  # 42
    mtu: int | None = attrs.field(default=None, validator=attrs.validators.optional(_at_least(MTU_MIN)))  # 26
    routes: tuple[tuple[IPv4Network, IPv4Address], ...] = attrs.field(
        default=(), converter=_routes, validator=_check_routes
    )  # 121
    captive_portal: str = attrs.field(default="", validator=_check_text)  # 114, a URI
    # others, as they are sent
    options: Mapping[int, bytes] = attrs.field(factory=dict, validator=[_check_mapping, _check_options])
    reservations: Mapping[bytes, IPv4Address] = attrs.field(
        factory=dict, converter=_reservations, validator=[_check_mapping, _check_reservations]
    )  # by MAC
    relayed: tuple[RelayedPool, ...] = attrs.field(default=(), converter=_list, validator=[_check_list, _check_pools])
    conflict_probe: float = attrs.field(default=0.2, validator=_at_least(0))  # wait for an ARP answer; 0: do not ask
    decline_time: float = attrs.field(default=600.0, validator=_at_least(0))  # an address that was declined rests
    store: LeaseStore | None = attrs.field(default=None, validator=_check_store)  # None: leases end with the stack
