"""An interface's DHCP client and server: esp_netif.h's dhcpc and dhcps functions, with its numbers for options."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any

import attrs

from netif.config import Flags
from netif.errors import InvalidArg, InvalidParams
from netif.esp.process import of_netif
from netif.lifecycle import DhcpStatus
from netif.netif import Netif

__all__ = [
    "DhcpOp",
    "DhcpOption",
    "DhcpsLease",
    "netif_dhcpc_get_status",
    "netif_dhcpc_option",
    "netif_dhcpc_start",
    "netif_dhcpc_stop",
    "netif_dhcps_get_clients_by_mac",
    "netif_dhcps_get_status",
    "netif_dhcps_option",
    "netif_dhcps_start",
    "netif_dhcps_stop",
]


class DhcpOp(enum.Enum):
    """esp_netif_dhcp_option_mode_t."""

    SET = 1
    GET = 2


class DhcpOption(enum.IntEnum):
    """esp_netif_dhcp_option_id_t: the numbers are RFC 2132's but for 32 and 52, which esp_netif uses its own way."""

    SUBNET_MASK = 1
    DOMAIN_NAME_SERVER = 6
    ROUTER_SOLICITATION_ADDRESS = 32
    VENDOR_SPECIFIC_INFO = 43
    REQUESTED_IP_ADDRESS = 50
    IP_ADDRESS_LEASE_TIME = 51
    IP_REQUEST_RETRY_TIME = 52
    VENDOR_CLASS_IDENTIFIER = 60
    CAPTIVEPORTAL_URI = 114


@attrs.frozen
class DhcpsLease:
    """dhcps_lease_t: a pool, or (`enable` false) the one that is made from the interface's address."""

    enable: bool
    start_ip: IPv4Address | str | None = None
    end_ip: IPv4Address | str | None = None


@of_netif
def netif_dhcpc_start(netif: Netif) -> None:
    """Obtain an address; while the link is down, once it is up. DhcpAlreadyStarted, DhcpcStartFailed."""
    netif.dhcpc_start()


@of_netif
def netif_dhcpc_stop(netif: Netif) -> None:
    """Give the lease back; from here on an address may be set. DhcpAlreadyStopped."""
    netif.dhcpc_stop()


@of_netif
def netif_dhcpc_get_status(netif: Netif) -> DhcpStatus:
    """InvalidArg for an interface with DHCP_SERVER."""
    if netif.flags & Flags.DHCP_SERVER:
        raise InvalidArg(f"netif_dhcpc_get_status: {netif!r} has DHCP_SERVER; ask netif_dhcps_get_status")
    return netif.dhcpc_status


@of_netif
def netif_dhcpc_option(netif: Netif, op: DhcpOp, option: int, value: Any = None) -> Any:
    """GET answers, at any time; SET counts from the next start (DhcpAlreadyStarted while the client runs).

    IP_REQUEST_RETRY_TIME: how often to ask, 0 for ever. VENDOR_CLASS_IDENTIFIER: text. VENDOR_SPECIFIC_INFO, GET
    alone: the bytes that came with the lease. For all others there is `netif.dhcpc_config`.
    """
    which = _option("netif_dhcpc_option", op, option)
    if which is DhcpOption.VENDOR_SPECIFIC_INFO and op is DhcpOp.GET:
        return b"" if netif.lease is None else netif.lease.vendor_specific
    field = {DhcpOption.IP_REQUEST_RETRY_TIME: "tries", DhcpOption.VENDOR_CLASS_IDENTIFIER: "vendor_class"}.get(which)
    if field is None:
        raise InvalidParams(f"netif_dhcpc_option: {op.name} of {which.name} is none of a client's; see dhcpc_config")
    if op is DhcpOp.GET:
        return getattr(netif.dhcpc_config, field)
    netif.dhcpc_config = attrs.evolve(netif.dhcpc_config, **{field: value})
    return None


@of_netif
def netif_dhcps_start(netif: Netif) -> None:
    """Give addresses; while the link is down, once it is up. DhcpAlreadyStarted, DhcpsStartFailed."""
    netif.dhcps_start()


@of_netif
def netif_dhcps_stop(netif: Netif) -> None:
    """Leases are kept, for the next start. DhcpAlreadyStopped."""
    netif.dhcps_stop()


@of_netif
def netif_dhcps_get_status(netif: Netif) -> DhcpStatus:
    """InvalidArg for an interface with DHCP_CLIENT."""
    if netif.flags & Flags.DHCP_CLIENT:
        raise InvalidArg(f"netif_dhcps_get_status: {netif!r} has DHCP_CLIENT; ask netif_dhcpc_get_status")
    return netif.dhcps_status


@of_netif
def netif_dhcps_option(netif: Netif, op: DhcpOp, option: int, value: Any = None) -> Any:
    """GET answers, at any time; SET counts from the next start (DhcpAlreadyStarted while the server runs).

    IP_ADDRESS_LEASE_TIME: seconds, 0 the default. REQUESTED_IP_ADDRESS: a DhcpsLease. ROUTER_SOLICITATION_ADDRESS and
    DOMAIN_NAME_SERVER: whether those are offered. CAPTIVEPORTAL_URI: text. SUBNET_MASK: the interface's, and no other.
    For all others there is `netif.dhcps_config`.
    """
    which = _option("netif_dhcps_option", op, option)
    if which is DhcpOption.SUBNET_MASK:
        return _mask(netif, op, value)
    if which is DhcpOption.REQUESTED_IP_ADDRESS:
        return _pool(netif, op, value)
    field = _SERVER.get(which)
    if field is None:
        raise InvalidParams(f"netif_dhcps_option: {which.name} is none of a server's; see dhcps_config")
    if op is DhcpOp.GET:
        return getattr(netif.dhcps_config, field)
    if field.startswith("offer_"):
        value = bool(value)
    netif.dhcps_config = attrs.evolve(netif.dhcps_config, **{field: value})
    return None


@of_netif
def netif_dhcps_get_clients_by_mac(netif: Netif, macs: Iterable[str | bytes]) -> dict[bytes, IPv4Address | None]:
    """What is leased to each of these; None: nothing."""
    return netif.dhcps_clients_by_mac(macs)


_SERVER = {
    DhcpOption.IP_ADDRESS_LEASE_TIME: "lease_time",
    DhcpOption.ROUTER_SOLICITATION_ADDRESS: "offer_router",
    DhcpOption.DOMAIN_NAME_SERVER: "offer_dns",
    DhcpOption.CAPTIVEPORTAL_URI: "captive_portal",
}


def _option(function: str, op: DhcpOp, option: int) -> DhcpOption:
    if not isinstance(op, DhcpOp):
        raise InvalidArg(f"{function}: {op!r} is no operation; give DhcpOp.SET or DhcpOp.GET")
    try:
        return DhcpOption(option)
    except ValueError:
        raise InvalidParams(f"{function}: {option!r} is no option of esp_netif's; give one of DhcpOption") from None


def _mask(netif: Netif, op: DhcpOp, value: Any) -> IPv4Address | None:
    mask = netif.ip_info.netmask
    if op is DhcpOp.GET:
        return mask
    if str(value) != str(mask):
        raise InvalidParams(f"netif_dhcps_option: the mask {value} is not the interface's, {mask}; set that one's")
    return None


def _pool(netif: Netif, op: DhcpOp, value: Any) -> DhcpsLease | None:
    config = netif.dhcps_config
    if op is DhcpOp.GET:
        return DhcpsLease(config.start is not None, config.start, config.end)
    if not isinstance(value, DhcpsLease):
        raise InvalidArg(f"netif_dhcps_option: {value!r} is no pool; give DhcpsLease(True, first, last)")
    start, end = (value.start_ip, value.end_ip) if value.enable else (None, None)
    netif.dhcps_config = attrs.evolve(config, start=start, end=end)
    return None
