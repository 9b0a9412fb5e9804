"""What an interface is called and addressed by: esp_netif.h's getters and setters, and its conversions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from netif.config import Address, DnsInfo, DnsType, Flags, IpInfo
from netif.errors import DnsNotConfigured, IfNotReady, InvalidArg, InvalidParams, NetifError, NotSupported
from netif.esp.process import of_netif
from netif.events import GotIp, LostIp
from netif.lifecycle import Held
from netif.link import StackInterface
from netif.netif import Netif
from netif.wire import ethernet, ip

__all__ = [
    "ip4addr_aton",
    "ip4addr_ntoa",
    "netif_arp_get_client_by_mac",
    "netif_get_desc",
    "netif_get_dns_info",
    "netif_get_event_id",
    "netif_get_flags",
    "netif_get_hostname",
    "netif_get_ifkey",
    "netif_get_ip_info",
    "netif_get_mac",
    "netif_get_mtu",
    "netif_get_netif_impl",
    "netif_get_netif_impl_index",
    "netif_get_netif_impl_name",
    "netif_get_old_ip_info",
    "netif_is_netif_up",
    "netif_set_dns_info",
    "netif_set_hostname",
    "netif_set_ip4_addr",
    "netif_set_ip_info",
    "netif_set_mac",
    "netif_set_mtu",
    "netif_set_old_ip_info",
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
def netif_get_old_ip_info(netif: Netif) -> IpInfo:
    """The last address that was valid, with which GotIp.ip_changed compares; empty after LostIp."""
    return netif.old_ip_info


@of_netif
def netif_set_old_ip_info(netif: Netif, info: IpInfo) -> None:
    netif.old_ip_info = info


@of_netif
def netif_get_hostname(netif: Netif) -> str:
    """ "" before the first start, unless one was set; then at first the stack's name."""
    return netif.hostname


@of_netif
def netif_set_hostname(netif: Netif, name: str) -> None:
    """At most 32 bytes; sent with DHCP from the next exchange on. At any time."""
    netif.set_hostname(name)


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
    """Of this interface alone. With DHCP_SERVER also what its clients are told from the next start on: MAIN, BACKUP."""
    if netif.flags & Flags.DHCP_SERVER and kind not in (DnsType.MAIN, DnsType.BACKUP):
        raise InvalidParams(f"netif_set_dns_info: {kind!r} is not offered to clients; give DnsType.MAIN or BACKUP")
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


@of_netif
def netif_get_netif_impl_index(netif: Netif) -> int:
    """The interface's number in its stack, from 1; -1 before the start."""
    return netif.impl_index


@of_netif
def netif_get_netif_impl_name(netif: Netif) -> str:
    """Two letters and a number, as "en1"; InvalidParams before the start."""
    return netif.impl_name


@of_netif
def netif_arp_get_client_by_mac(netif: Netif, mac: str | bytes) -> IPv4Address | None:
    """Which neighbour the interface knows by this MAC; None: nobody. NotSupported by a stack that cannot say."""
    look_up = getattr(_started(netif, "netif_arp_get_client_by_mac"), "address_of", None)
    if look_up is None:
        raise NotSupported(f"netif_arp_get_client_by_mac: the stack of {netif!r} does not tell its neighbours")
    with Held(netif.runtime):
        found = look_up(_mac(mac))
    return None if found is None else IPv4Address(found)


def _started(netif: Netif, function: str) -> StackInterface:
    if netif.interface is None:
        raise IfNotReady(f"{function}: {netif!r} is not started; attach a driver first")
    return netif.interface


def _mac(mac: str | bytes) -> bytes:
    try:
        return ethernet.parse_mac(mac) if isinstance(mac, str) else bytes(mac)
    except (TypeError, ValueError) as error:
        raise InvalidParams(f"mac: {error}") from None


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
