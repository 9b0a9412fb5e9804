"""How an interface comes by its address, as a person sees it: what is said on the way, and what to do when none comes.

Knows the events of a Netif and the lines that tell of them; refuses to know who gives addresses, and how.
"""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from threading import Event
from typing import TYPE_CHECKING

from netif.config import DnsInfo, DnsType, IpInfo
from netif.lifecycle import State
from netif.wire.ethernet import format_mac

if TYPE_CHECKING:
    from components.flags import Choice
    from netif.events import GotIp, LostIp
    from netif.netif import Netif

LINK_WAIT = 5.0  # seconds; a static address is there as soon as the link is up
DHCP_WAIT = 10.0  # seconds
TOLD_WAIT = 1.0  # seconds until what has come is told too

log = logging.getLogger("components.connect")


def set_servers(netif: Netif, servers: tuple[IPv4Address, ...]) -> None:
    """The name servers, the one to ask first in front."""
    for kind, server in zip(DnsType, servers, strict=False):
        netif.set_dns_info(kind, DnsInfo(server))


def await_address(netif: Netif, choice: Choice) -> IpInfo:
    """The address, when there is one. TimeoutError says what to do about it."""
    from netif.events import GotIp

    told = tell(netif) if choice.dhcp else None
    default = DHCP_WAIT if choice.dhcp else LINK_WAIT
    wait = default if choice.timeout is None else choice.timeout
    try:
        info = netif.wait_for(GotIp, wait).ip_info
    except TimeoutError:
        raise TimeoutError(remedy(netif, choice, wait)) from None
    if told is not None:
        told.wait(TOLD_WAIT)
    return info


def remedy(netif: Netif, choice: Choice, wait: float) -> str:
    if not netif.is_up or not choice.dhcp:
        return f"no address within {wait:g} s: the link of {choice.wire} is down"
    kind, _, rest = choice.wire.rpartition(":")
    device = rest.partition(",")[0]
    start = f" (dnsmasq -d -p 0 -i {device} -F 192.168.5.100,192.168.5.120)" if kind in ("tap", "") else ""
    static = "192.168.5.100/24"
    return f"no DHCP server answered within {wait:g} s on {device}: start one{start}, or give --ip {static}"


def tell(netif: Netif) -> Event:
    """Log what DHCP brings and takes, from now on; the answer is set when the first address has been told."""
    from netif.events import GotIp, LostIp

    told = Event()

    def got(event: GotIp) -> None:
        log.info("READY, IP: %s", event.ip_info.ip)
        log.info("       GW: %s", event.ip_info.gw)
        if event.netif.mac:
            log.info("      MAC: %s", format_mac(event.netif.mac))
        told.set()

    def lost(event: LostIp) -> None:
        if event.netif.state not in (State.CLOSING, State.CLOSED):
            log.warning("Lost IP address")

    log.info("Waiting for IP addresses...")
    netif.subscribe(GotIp, got)
    netif.subscribe(LostIp, lost)
    return told
