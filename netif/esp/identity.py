"""What an interface is called and addressed by: esp_netif.h's getters and setters, and its conversions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from netif.config import Address, DnsInfo, DnsType, Flags, IpInfo
from netif.errors import DnsNotConfigured, InvalidArg, InvalidParams, NetifError
from netif.esp.process import of_netif
from netif.events import GotIp, LostIp
from netif.link import StackInterface
from netif.netif import Netif
from netif.wire import ip

__all__ = [
    "ip4addr_aton",
    "ip4addr_ntoa",
    "netif_get_desc",
    "netif_get_dns_info",
    "netif_get_event_id",
    "netif_get_flags",
    "netif_get_ifkey",
    "netif_get_ip_info",
    "netif_get_mac",
    "netif_get_mtu",
    "netif_get_netif_impl",
    "netif_is_netif_up",
    "netif_set_dns_info",
    "netif_set_ip4_addr",
    "netif_set_ip_info",
    "netif_set_mac",
    "netif_set_mtu",
    "netif_str_to_ip4",
    "netif_str_to_ip6",
]


@of_netif
def netif_get_ip_info(netif: Netif) -> IpInfo:
    """Empty, and so false, while there is no address."""
    return netif.ip_info


@of_netif
def netif_set_ip_info(netif: Netif, info: IpInfo) -> None:
    netif.set_ip_info(info)


@of_netif
def netif_get_mac(netif: Netif) -> bytes:
    return netif.mac


@of_netif
def netif_set_mac(netif: Netif, mac: str | bytes) -> None:
    """Six bytes, or text."""
    if not isinstance(mac, (str, bytes)):
        raise InvalidArg(f"netif_set_mac: {mac!r} is no MAC address; give six bytes or text")
    netif.set_mac(mac)


@of_netif
def netif_get_mtu(netif: Netif) -> int:
    return netif.mtu


@of_netif
def netif_set_mtu(netif: Netif, mtu: int) -> None:
    netif.set_mtu(mtu)


@of_netif
def netif_get_dns_info(netif: Netif, kind: DnsType) -> DnsInfo:
    info = netif.get_dns_info(kind)
    if info is None:
        raise DnsNotConfigured(f"{netif!r} has no name server {kind.name}; give one by netif_set_dns_info")
    return info


@of_netif
def netif_set_dns_info(netif: Netif, kind: DnsType, info: DnsInfo) -> None:
    netif.set_dns_info(kind, info)


@of_netif
def netif_is_netif_up(netif: Netif) -> bool:
    return netif.is_up


@of_netif
def netif_get_flags(netif: Netif) -> Flags:
    return netif.flags


@of_netif
def netif_get_ifkey(netif: Netif) -> str:
    return netif.if_key


@of_netif
def netif_get_desc(netif: Netif) -> str:
    return netif.config.base.if_desc


@of_netif
def netif_get_event_id(netif: Netif, event_type: type[GotIp] | type[LostIp]) -> Any:
    """What the configuration calls that event; None: nothing."""
    if event_type not in (GotIp, LostIp):
        raise InvalidParams(f"netif_get_event_id: {event_type!r} has no id of its own; ask for GotIp or LostIp")
    return netif.config.base.get_ip_event if event_type is GotIp else netif.config.base.lost_ip_event


@of_netif
def netif_get_netif_impl(netif: Netif) -> StackInterface | None:
    """The interface as its stack sees it; None before the start."""
    return netif.interface


def netif_set_ip4_addr(a: int, b: int, c: int, d: int) -> IPv4Address:
    """a.b.c.d"""
    try:
        return IPv4Address(bytes((a, b, c, d)))
    except (TypeError, ValueError):
        raise InvalidArg(f"netif_set_ip4_addr: {(a, b, c, d)} are not four numbers from 0 to 255") from None


def netif_str_to_ip4(text: str) -> IPv4Address:
    """NetifError (ESP_FAIL) for text that is no address, InvalidArg for what is no text."""
    if not isinstance(text, str):
        raise InvalidArg(f"netif_str_to_ip4: {text!r} is no text; write it as in '192.168.5.1'")
    try:
        return IPv4Address(ip.parse_address(text))
    except ValueError as error:
        raise NetifError(f"netif_str_to_ip4: {error}") from None


def netif_str_to_ip6(text: str) -> IPv6Address:
    """As `netif_str_to_ip4`."""
    if not isinstance(text, str):
        raise InvalidArg(f"netif_str_to_ip6: {text!r} is no text; write it as in 'fe80::1'")
    try:
        return IPv6Address(text)
    except ValueError as error:
        raise NetifError(f"netif_str_to_ip6: {error}; write it as in 'fe80::1'") from None


def ip4addr_ntoa(address: Address) -> str:
    """Dotted decimal."""
    try:
        return ip.format_address(ip.parse_address(address))
    except ValueError as error:
        raise InvalidArg(f"ip4addr_ntoa: {error}") from None


def ip4addr_aton(text: str) -> IPv4Address:
    """As `netif_str_to_ip4`: what is no address is no 0.0.0.0 either."""
    return netif_str_to_ip4(text)
