"""DHCP of an interface: when its client and its server run, and what a lease changes.

The machines are its stack's (`netif.dhcp`); here is esp_netif's status of each, moved along the tables of
`netif.lifecycle`, and what a lease does to address, MTU, name servers and hostname. A machine that speaks after it was
stopped is not heard. Refuses to know the protocol.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeAlias

import attrs

from netif.addresses import NOTHING
from netif.config import MTU_MIN, DnsInfo, DnsType, Flags, InherentConfig, NetifConfig
from netif.errors import (
    DhcpAlreadyStarted,
    DhcpAlreadyStopped,
    DhcpcStartFailed,
    DhcpNotStopped,
    DhcpsStartFailed,
    InvalidParams,
    NotSupported,
)
from netif.events import AssignedIp, GotIp
from netif.forwarding import Forwarding
from netif.lifecycle import DHCP_CLIENT, DHCP_SERVER, Action, DhcpStatus, Held
from netif.link import StackInterface

if TYPE_CHECKING:
    from netif.dhcp import AddressGiver, DhcpcConfig, DhcpClient, DhcpsConfig, DhcpServer, Lease, LeaseHolder
    from netif.netif import Netif

    # as `link.NetStack` has them, of a stack that has any
    MakeClient: TypeAlias = Callable[[StackInterface, DhcpcConfig, LeaseHolder], DhcpClient]
    MakeServer: TypeAlias = Callable[[StackInterface, DhcpsConfig, AddressGiver], DhcpServer]

logger = logging.getLogger("netif.netif")  # a Netif speaks with one voice

LEAST_DHCP_MTU = 576  # bytes; RFC 2131 2: a client is prepared to receive that much
_KINDS = (DnsType.MAIN, DnsType.BACKUP)


class Obtaining(Forwarding):
    """A LeaseHolder and an AddressGiver."""

    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        super().__init__(netif, config)
        self.lease: Lease | None = None  # the present one
        self._dhcpc_config: DhcpcConfig | None = None  # None: as it is by itself, which few ever ask
        self._dhcps_config: DhcpsConfig | None = None
        self._dhcpc_status = self._dhcps_status = DhcpStatus.INIT
        self._awaited = Flags(0)  # DHCP_CLIENT, DHCP_SERVER: to be started when the link comes up, flagged or not
        self._dhcpc: DhcpClient | None = None  # while STARTED
        self._dhcps: DhcpServer | None = None
        self._remembered: Lease | None = None  # not given back: the next start asks for it again

    # the client

    @property
    def dhcpc_status(self) -> DhcpStatus:
        return self._dhcpc_status

    @property
    def dhcpc_config(self) -> DhcpcConfig:
        """Its options; also before the first start. DhcpAlreadyStarted while it runs."""
        if self._dhcpc_config is None:
            from netif.dhcp import DhcpcConfig

            self._dhcpc_config = DhcpcConfig()
        return self._dhcpc_config

    @dhcpc_config.setter
    def dhcpc_config(self, config: DhcpcConfig) -> None:
        from netif.dhcp import DhcpcConfig

        if not isinstance(config, DhcpcConfig):
            raise InvalidParams(f"dhcpc_config: {config!r} is no DhcpcConfig; make one, or evolve the present one")
        with Held(self.runtime):
            if self._dhcpc is not None:
                raise DhcpAlreadyStarted(f"the DHCP client of {self!r} runs; stop it before its options are changed")
            self._dhcpc_config = config

    def dhcpc_start(self) -> None:
        """Obtain an address; what was set before is dropped. While the link is down it is only made ready to.

        DhcpAlreadyStarted, DhcpcStartFailed; NotSupported by a stack without a client.
        """
        with Held(self.runtime):
            self._refuse_closed("start the DHCP client of")
            if (self.flags | self._awaited) & Flags.DHCP_SERVER or self._dhcps is not None:
                raise DhcpcStartFailed(f"{self!r} gives addresses by DHCP: it cannot ask for one on the same wire")
            if self._dhcpc_status is DhcpStatus.STARTED:
                raise DhcpAlreadyStarted(f"the DHCP client of {self!r} is started already")
            if self.is_up:
                self._start_client(Action.DHCP_START)
            else:
                self._info = NOTHING
                self._awaited |= Flags.DHCP_CLIENT
                self._client_does(Action.DHCP_WAIT)

    def dhcpc_stop(self) -> None:
        """Give the lease back, and obtain none until `dhcpc_start`. DhcpAlreadyStopped."""
        with Held(self.runtime):
            self._refuse_closed("stop the DHCP client of")
            if self._dhcpc_status is DhcpStatus.STOPPED:
                raise DhcpAlreadyStopped(f"the DHCP client of {self!r} is stopped already")
            self._awaited &= ~Flags.DHCP_CLIENT
            self._stop_client(Action.DHCP_STOP, release=True)

    def _client_does(self, action: Action) -> None:
        self._dhcpc_status = DHCP_CLIENT[self._dhcpc_status].get(action, self._dhcpc_status)

    def _start_client(self, action: Action) -> None:
        assert self.interface is not None
        if not self._info:
            self._withdraw()  # it was dropped when the client was asked for, the link being down: whatever comes now
        if self._own_mtu < LEAST_DHCP_MTU:
            raise DhcpcStartFailed(f"{self!r} has an mtu of {self._own_mtu}; DHCP needs {LEAST_DHCP_MTU} at least")
        make: MakeClient | None = getattr(self.stack, "dhcp_client", None)
        if make is None:
            raise NotSupported(f"{self!r}: its stack has no DHCP client; give it an address, as in ip='10.0.0.2/24'")
        client = make(self.interface, self._present_config(), self)
        self._awaited &= ~Flags.DHCP_CLIENT
        self._withdraw()
        self._miss(again=True)
        self._client_does(action)
        self._dhcpc = client
        remembered, self._remembered = self._remembered, None
        try:
            client.start(remembered)
        except BaseException as error:
            self._dhcpc = None
            self._dhcpc_status = DhcpStatus.INIT
            if not isinstance(error, OSError):
                raise
            raise DhcpcStartFailed(f"the DHCP client of {self!r} does not start: {error}") from error
        assert self.stack is not None
        self.stack.runtime.touch(self.stack)

    def _stop_client(self, action: Action, *, release: bool) -> None:
        client, self._dhcpc = self._dhcpc, None
        self._client_does(action)
        if client is not None:
            if not release and self.lease is not None and int(self.lease.server):  # else nobody gave it
                self._remembered = self.lease
            client.stop(release=release)
            if self.stack is not None:
                self.stack.runtime.touch(self.stack)
            self._end_lease()
            if action is not Action.STOP:  # else connections are about to end, and say so
                self._withdraw()

    def _present_config(self) -> DhcpcConfig:
        config = self.dhcpc_config
        return attrs.evolve(config, hostname=self._hostname or config.hostname or self._default_hostname())

    def _renamed(self) -> None:
        if self._dhcpc is not None:
            self._dhcpc.config = self._present_config()

    def _check_static(self) -> None:
        for flag, status in ((Flags.DHCP_CLIENT, self._dhcpc_status), (Flags.DHCP_SERVER, self._dhcps_status)):
            if (self.flags | self._awaited) & flag and status is not DhcpStatus.STOPPED:
                verb = "dhcpc_stop" if flag is Flags.DHCP_CLIENT else "dhcps_stop"
                raise DhcpNotStopped(f"{self!r} has {flag.name}; {verb}() before an address is set")
        if self._dhcpc is not None or self._dhcps is not None:
            verb = "dhcpc_stop" if self._dhcpc is not None else "dhcps_stop"
            raise DhcpNotStopped(f"DHCP of {self!r} runs; {verb}() before an address is set")

    def _awaits_address(self) -> bool:
        if self._dhcpc_status is DhcpStatus.INIT:
            return bool((self.flags | self._awaited) & Flags.DHCP_CLIENT)
        return self._dhcpc_status is DhcpStatus.STARTED

    # from the client; the gate is held

    def leased(self, lease: Lease) -> None:
        if self._dhcpc is None or self.interface is None:
            return
        self.lease = lease
        self._leased_mtu = None if lease.mtu is None else max(lease.mtu, MTU_MIN)
        self._fit_mtu()
        servers = zip(_KINDS, lease.dns, strict=False)
        self._leased_servers = {kind: DnsInfo(server) for kind, server in servers}
        self._leased_hostname = lease.hostname
        self._search = lease.search or ((lease.domain,) if lease.domain else ())
        self._tell_dns()
        self._lead(lease.routes)
        self._set(lease.ip_info, always=self._happened(GotIp) is None)

    def lease_lost(self, reason: str, *, taken: bool = False) -> None:
        """What another host has taken will not come back: that is LostIp at once."""
        if self._dhcpc is not None:
            logger.warning("%s: lost %s: %s", self.if_key, self._info, reason)
            self._end_lease()
            if taken:
                self._set(NOTHING, always=False)
            self._withdraw()

    def dhcp_state(self, old: str, new: str) -> None:
        logger.info("%s: DHCP: %s -> %s", self.if_key, old, new)

    def _end_lease(self) -> None:
        """All that came with it goes."""
        self.lease = None
        self._info = NOTHING
        self._leased_mtu = None
        self._fit_mtu()
        self._leased_hostname = ""
        self._leased_servers, self._search = {}, ()
        self._tell_dns()
        self._lead(())

    # the server

    @property
    def dhcps_status(self) -> DhcpStatus:
        return self._dhcps_status

    @property
    def dhcps_config(self) -> DhcpsConfig:
        """Its pool and options; also before the first start. DhcpAlreadyStarted while it runs."""
        if self._dhcps_config is None:
            from netif.dhcp import DhcpsConfig

            self._dhcps_config = DhcpsConfig()
        return self._dhcps_config

    @dhcps_config.setter
    def dhcps_config(self, config: DhcpsConfig) -> None:
        from netif.dhcp import DhcpsConfig

        if not isinstance(config, DhcpsConfig):
            raise InvalidParams(f"dhcps_config: {config!r} is no DhcpsConfig; make one, or evolve the present one")
        with Held(self.runtime):
            if self._dhcps is not None:
                raise DhcpAlreadyStarted(f"the DHCP server of {self!r} runs; stop it before its options are changed")
            self._dhcps_config = config

    def dhcps_start(self) -> None:
        """Give addresses; once the link is up, if it is down. DhcpAlreadyStarted, DhcpsStartFailed, NotSupported."""
        with Held(self.runtime):
            self._refuse_closed("start the DHCP server of")
            if (self.flags | self._awaited) & Flags.DHCP_CLIENT or self._dhcpc is not None:
                raise DhcpsStartFailed(f"{self!r} obtains its address by DHCP: it cannot give any on the same wire")
            if self._dhcps_status is DhcpStatus.STARTED:
                raise DhcpAlreadyStarted(f"the DHCP server of {self!r} is started already")
            if self.is_up:
                self._start_server(Action.DHCP_START)
            else:
                self._awaited |= Flags.DHCP_SERVER
                self._server_does(Action.DHCP_WAIT)

    def dhcps_stop(self) -> None:
        """Leases are kept, for the next start. DhcpAlreadyStopped."""
        with Held(self.runtime):
            self._refuse_closed("stop the DHCP server of")
            if self._dhcps_status is DhcpStatus.STOPPED:
                raise DhcpAlreadyStopped(f"the DHCP server of {self!r} is stopped already")
            self._awaited &= ~Flags.DHCP_SERVER
            self._stop_server(Action.DHCP_STOP)

    def dhcps_clients_by_mac(self, macs: Iterable[str | bytes]) -> dict[bytes, IPv4Address | None]:
        """What is leased to each of these; None: nothing."""
        if isinstance(macs, (str, bytes)):
            raise InvalidParams(f"dhcps_clients_by_mac: {macs!r} is no list; write [{macs!r}]")
        wanted = [InherentConfig(self.if_key, mac=mac).mac or bytes(6) for mac in macs]
        with Held(self.runtime):
            server = self._dhcps
            return {mac: None if server is None else server.client_address(mac) for mac in wanted}

    def assigned(self, mac: bytes, ip: IPv4Address, hostname: str) -> None:
        """From the server; the gate is held."""
        if self._dhcps is not None:
            self._publish(AssignedIp(self._netif, mac, ip, hostname))

    def _server_does(self, action: Action) -> None:
        self._dhcps_status = DHCP_SERVER[self._dhcps_status].get(action, self._dhcps_status)

    def _start_server(self, action: Action) -> None:
        assert self.interface is not None
        if not self.has_address:
            raise DhcpsStartFailed(f"{self!r} has no address, and so none to give; set one first")
        make: MakeServer | None = getattr(self.stack, "dhcp_server", None)
        if make is None:
            raise NotSupported(f"{self!r}: its stack has no DHCP server")
        config = self.dhcps_config
        if not config.dns:
            config = attrs.evolve(config, dns=tuple(IPv4Address(server) for server in self.dns))
        server = make(self.interface, config, self)
        server.start()
        self._awaited &= ~Flags.DHCP_SERVER
        self._dhcps = server
        self._server_does(action)

    def _stop_server(self, action: Action) -> None:
        server, self._dhcps = self._dhcps, None
        self._server_does(action)
        if server is not None:
            server.stop()

    # with the link

    def _dhcp_connected(self) -> None:
        """The action `connected`: what is flagged and was not stopped begins, what was unplugged goes on."""
        if self._dhcpc is None and self._dhcpc_status is DhcpStatus.INIT and self._awaits_address():
            self._start_client(Action.CONNECTED)
        self._serve()

    def _serve(self) -> None:
        if (self.flags | self._awaited) & Flags.DHCP_SERVER and self._dhcps_status is DhcpStatus.INIT:
            self._start_server(Action.CONNECTED)

    def _dhcp_stopped(self, *, release: bool) -> None:
        """The action `stop`."""
        self._stop_server(Action.STOP)
        self._stop_client(Action.STOP, release=release)
