"""The addresses of an interface: which is wanted, which its stack has, when one is lost; name servers, aliases, groups.

A lost address is kept back for `lost_ip_delay` seconds, and with it what uses it: then LOST_IP says that it is gone,
and connections are aborted (esp_netif's timer, which here runs only if an address was held, and ends with a new one).
Refuses to know where addresses come from, and when the link is up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from netif.config import Address, DnsInfo, DnsType, Flags, InherentConfig, IpInfo, NetifConfig
from netif.errors import InvalidParams, NotSupported
from netif.events import GotIp, LostIp
from netif.identity import Identity
from netif.lifecycle import Cause, Held
from netif.link import Alarm

if TYPE_CHECKING:
    from netif.netif import Netif

logger = logging.getLogger("netif.netif")  # a Netif speaks with one voice

NOTHING = IpInfo()


class Addressed(Identity):
    """`_info` is wanted, `_held` is what the interface has or, when `_withdrawn`, may get back."""

    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        super().__init__(netif, config)
        self._lost_ip_delay = config.base.lost_ip_delay
        self._info = config.base.ip_info
        self._old = self._info  # as esp_netif has it: the configured address is no change
        self._held = NOTHING
        self._withdrawn = False
        self._alarm: Alarm | None = None
        self._servers: dict[DnsType, DnsInfo] = {}  # given by a person: they go before those of a lease
        self._leased_servers: dict[DnsType, DnsInfo] = {}
        self._search: tuple[str, ...] = ()
        self._aliases: dict[bytes, IpInfo] = {}
        self._groups: dict[bytes, int] = {}  # by how many

    @property
    def lost_ip_delay(self) -> float:
        """Seconds from losing an address to LostIp; 0: at once. Another counts from the next loss on."""
        return self._lost_ip_delay

    @lost_ip_delay.setter
    def lost_ip_delay(self, seconds: float) -> None:
        self._lost_ip_delay = InherentConfig(self.if_key, lost_ip_delay=seconds).lost_ip_delay

    @property
    def ip_info(self) -> IpInfo:
        return self._info

    @ip_info.setter
    def ip_info(self, info: IpInfo | Address) -> None:
        self.set_ip_info(info)

    def set_ip_info(self, info: IpInfo | Address) -> None:
        """A static address; an empty one takes it away, and aborts what used it. DhcpNotStopped while DHCP has a say
        (esp_netif: flagged, and its status anything but STOPPED)."""
        info = info if isinstance(info, IpInfo) else IpInfo(info)
        with Held(self.runtime):
            self._refuse_closed("give an address to")
            self._check_static()
            self._set(info, always=bool(self.flags & Flags.EVENT_IP_MODIFIED))

    @property
    def old_ip_info(self) -> IpInfo:
        """The last address that was valid; emptied when it is lost. GotIp.ip_changed compares with it."""
        return self._old

    @old_ip_info.setter
    def old_ip_info(self, info: IpInfo | Address) -> None:
        self._old = info if isinstance(info, IpInfo) else IpInfo(info)

    @property
    def has_address(self) -> bool:
        """Its stack has it now; false already while a lost one is kept back."""
        return bool(self._held) and not self._withdrawn

    def yielded(self) -> None:
        """From the stack: another host keeps our address, which is taken away. Gate held."""
        logger.warning("%s: another host has %s, and we give way", self.if_key, self._info.ip)
        self._set(NOTHING, always=False)

    def _check_static(self) -> None:
        """Raise if addresses come from elsewhere."""

    def _awaits_address(self) -> bool:
        """One may come by itself."""
        return False

    # what the interface is told

    def _set(self, info: IpInfo, *, always: bool) -> None:
        self._info = info
        if self.is_up:
            self._apply(always=always)

    def _apply(self, *, always: bool) -> None:
        """The link is up: let the interface have the address. It is news if it is another, or `always`."""
        assert self.interface is not None
        info, told = self._info, self._held
        if info and self._alarm is not None:
            self._alarm.cancel()
        if info != told or self._withdrawn:
            self._held, self._withdrawn = info, False
            self._aliases.pop(info.ip.packed, None)  # it is one no longer
            self.interface.set_addresses(*info.packed())
        elif not always:
            return
        if info:
            changed, self._old = info != self._old, info
            self.log_address()
            self._choose(Cause.GOT_IP)
            self._publish(GotIp(self._netif, info, changed, self.config.base.get_ip_event))
        elif told:
            self._lost()
        elif not self._awaits_address():
            logger.warning("%s", self._missing_address())

    def _withdraw(self) -> None:
        """The address is no longer ours, for now: what uses it waits."""
        self._info = NOTHING
        if self._held and not self._withdrawn:
            self._withdrawn = True
            if self.interface is not None:
                self.interface.withdraw()
            if self.registry is not None and self.registry.needs_address:
                self._choose(Cause.LOST_IP)
            self._miss()

    def _miss(self, *, again: bool = False) -> None:
        """An address that is held cannot be used: LOST_IP follows. Once it is on its way only `again` puts it off."""
        if not self._held or self.runtime is None:
            return
        self._no_longer(GotIp)
        if self.lost_ip_delay <= 0:
            self._ring()
            return
        if self._alarm is None:
            self._alarm = self.runtime.alarm(self._ring)
        if again or not self._alarm.armed:
            self._alarm.at(self.runtime.now() + self.lost_ip_delay)

    def _ring(self) -> None:
        """The address has not come back: what used it ends."""
        if self.interface is not None and self._held:
            self._withdrawn = False
            self.interface.set_addresses(*NOTHING.packed())
            if self.stack is not None and self.runtime is not None:
                self.runtime.touch(self.stack)
            self._lost()

    def _lost(self) -> None:
        """The interface has no address any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._held = self._old = NOTHING
        self._withdrawn = False
        if self._awaits_address():  # a static one stays, for when the link comes back
            self._info = NOTHING
        self._choose(Cause.LOST_IP)
        self._publish(LostIp(self._netif, self.config.base.lost_ip_event))

    def _choose(self, cause: Cause) -> None:
        """Which interface is the default?"""
        if self.registry is not None:
            self.registry.decide(cause, self._netif)
        if self.stack is not None and self.runtime is not None:
            self.runtime.touch(self.stack)

    def _address_text(self) -> str:
        return str(self._info)

    def _missing_address(self) -> str:
        return f"{self.if_key} has no address and will get none by itself: give it one, as in ip='192.168.5.100/24'"

    def log_address(self) -> None:
        info = self._info
        name = self.config.base.if_desc or self.if_key
        logger.info("%s ip: %s, mask: %s, gw: %s", name, info.ip, info.netmask, info.gw)

    # name servers

    @property
    def dns(self) -> tuple[bytes, ...]:
        """The name servers, the one to ask first in front."""
        servers = {**self._leased_servers, **self._servers}
        return tuple(servers[kind].ip.packed for kind in sorted(servers))

    @property
    def search(self) -> tuple[str, ...]:
        """Domains that a lease names, for names without one."""
        return self._search

    def get_dns_info(self, kind: DnsType) -> DnsInfo | None:
        kind = _dns_type(kind)
        return self._servers.get(kind) or self._leased_servers.get(kind)

    def set_dns_info(self, kind: DnsType, info: DnsInfo | None) -> None:
        """Of this interface alone: used while it is the default, and by sockets that are bound to it. It stays until
        it is set anew, whatever an address or a lease does; None leaves the choice to the lease again. A DHCP server
        offers MAIN and BACKUP to its clients, from its next start on, unless its configuration names others."""
        kind = _dns_type(kind)
        if info is not None and not isinstance(info, DnsInfo):
            raise InvalidParams(f"set_dns_info: {info!r} is no DnsInfo; give one as in DnsInfo('192.168.5.1')")
        if info is not None and not int(info.ip):
            raise InvalidParams("set_dns_info: 0.0.0.0 is no name server; give one, or None for that of the lease")
        if self.flags & Flags.DHCP_SERVER and kind == DnsType.FALLBACK:
            raise InvalidParams(f"set_dns_info: {self!r} offers MAIN and BACKUP to its clients, and no FALLBACK")
        with Held(self.runtime):
            self._refuse_closed("give name servers to")
            if info is None:
                self._servers.pop(kind, None)
            else:
                self._servers[kind] = info
            self._tell_dns()

    def _tell_dns(self) -> None:
        if self.interface is not None:
            self.interface.set_dns(self.dns, self._search)
        if self.registry is not None:
            self.registry.refresh()

    # aliases and groups

    def add_address(self, ip: IpInfo | Address) -> None:
        """One more address, as in "192.168.5.101/24"; it has no events. NotSupported by a stack that has one only."""
        info = ip if isinstance(ip, IpInfo) else IpInfo(ip)
        if not info:
            raise InvalidParams("add_address: 0.0.0.0 is no address; give one as in '192.168.5.101/24'")
        with Held(self.runtime):
            self._refuse_closed("give an address to")
            if self.interface is not None:
                self._verb("add_address")(info.ip.packed, info.netmask.packed)
            self._aliases[info.ip.packed] = info

    def remove_address(self, ip: IpInfo | Address) -> None:
        """One that `add_address` gave; what used it is aborted."""
        if not isinstance(ip, IpInfo):
            ip = IpInfo(ip) if isinstance(ip, str) and "/" in ip else IpInfo(ip, "255.255.255.255")
        packed = ip.ip.packed
        with Held(self.runtime):
            if self._aliases.pop(packed, None) is None:
                raise InvalidParams(f"remove_address: {ip.ip} is none that add_address gave to {self!r}")
            if self.interface is not None:
                self._verb("remove_address")(packed)

    def join_group(self, group: Address) -> None:
        """Take what is sent to a multicast group; as often as `leave_group` follows."""
        packed = _group(group)
        with Held(self.runtime):
            self._refuse_closed("join a group on")
            if self.interface is not None:
                self._verb("join")(packed)
            self._groups[packed] = self._groups.get(packed, 0) + 1

    def leave_group(self, group: Address) -> None:
        packed = _group(group)
        with Held(self.runtime):
            if not self._groups.get(packed):
                raise InvalidParams(f"leave_group: {self!r} has not joined {group!r}")
            self._groups[packed] -= 1
            if not self._groups[packed]:
                del self._groups[packed]
            if self.interface is not None:
                self._verb("leave")(packed)

    def _verb(self, name: str) -> Callable[..., Any]:
        """What some interfaces can do."""
        verb: Callable[..., Any] | None = getattr(self.interface, name, None)
        if verb is None:
            raise NotSupported(f"{self!r}: its stack has no {name}")
        return verb

    def _furnish(self) -> None:
        """A fresh interface gets what is an interface's own and outlives it here."""
        for info in self._aliases.values():
            self._verb("add_address")(info.ip.packed, info.netmask.packed)
        for group, times in self._groups.items():
            for _ in range(times):
                self._verb("join")(group)
        self._tell_dns()


def _dns_type(kind: int) -> DnsType:
    try:
        return DnsType(kind)
    except ValueError:
        raise InvalidParams(f"{kind!r} is no DnsType; give DnsType.MAIN, BACKUP or FALLBACK") from None


def _group(group: Address) -> bytes:
    try:
        address = IPv4Address(group)
    except ValueError:
        address = IPv4Address(0)
    if not address.is_multicast:
        raise InvalidParams(f"{group!r} is no multicast group; give one of 224.0.0.0 to 239.255.255.255")
    return address.packed
