"""User-mode NAT: what the hosts of a Lan send to elsewhere goes on from kernel sockets of this process.

The gateway's own address leads to the machine's loopback, port by port; every other one to itself, where the caller
allows it. Its port 53 leads to the machine's name server, if that is asked for. Pings go nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from components.gateway import kernel
from components.gateway.kernel import Address, Allowed
from components.gateway.outlet import Outlet
from components.gateway.quay import Quay
from netif.config import DnsInfo, DnsType, Flags, IpInfo
from netif.lifecycle import DhcpStatus, Held
from netif.wire.ip import format_address
from stack.any_ip import AnyIp

if TYPE_CHECKING:
    from components.lan import Host

LOOPBACK = "127.0.0.1"
DOMAIN = 53
RESOLV_CONF = "/etc/resolv.conf"


def name_server(dns: bool | str) -> Address | None:
    """As asked for: True is the machine's own, a word another, as in "192.168.5.1:53". ValueError."""
    if not dns:
        return None
    if isinstance(dns, str):
        host, port = kernel.parse(dns, "dns")
        return host, port or DOMAIN
    try:
        with open(RESOLV_CONF) as lines:
            named = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
    except OSError:
        named = []
    return (named[0], DOMAIN) if named else (LOOPBACK, DOMAIN)  # resolv.conf(5)


class Internet:
    """Made once for a Lan; `lead` shows a host the way."""

    def __init__(self, quay: Quay, via: Host, allowed: Allowed, names: Address | None, most: int) -> None:
        self._via = via
        self._allowed = allowed
        self._names = names
        ip = via.stack.ip
        with Held(quay.runtime):
            self._outlet = Outlet(quay, via.stack, self.target, most)
            ip.any_ip = AnyIp(ip)

    def target(self, address: bytes, port: int) -> Address | None:
        """Where it leads, if it may."""
        if address == self._via.netif.ip_info.ip.packed:
            return self._names if self._names is not None and port == DOMAIN else (LOOPBACK, port)
        host = format_address(address)
        return (host, port) if self._allowed.takes(host) else None

    def lead(self, host: Host) -> None:
        """The default route, and the name server; a host that asks for its address is told both by its lease."""
        netif, router = host.netif, self._via.netif.ip_info.ip
        if host is self._via or netif.dhcps_status is DhcpStatus.STARTED:
            return
        if netif.flags & Flags.DHCP_CLIENT:
            if netif.has_address:  # its lease does not say it: let it make sure that the lease is good
                netif.unplug()
                netif.replug()
            return
        netif.set_ip_info(IpInfo(netif.ip_info.ip, netif.ip_info.netmask, router))
        if self._names is not None:
            netif.set_dns_info(DnsType.MAIN, DnsInfo(router))

    def lead_askers(self, server: Host) -> None:
        """From now on `server` tells those to whom it gives addresses."""
        netif, router = server.netif, self._via.netif.ip_info.ip
        netif.dhcps_stop()
        names = () if self._names is None else (router,)
        netif.dhcps_config = attrs.evolve(netif.dhcps_config, offer_router=True, router=router, dns=names)
        netif.dhcps_start()

    @property
    def is_over(self) -> bool:
        return False

    def abort(self) -> None:
        self._outlet.abort()
