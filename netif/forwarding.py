"""Whether an interface is a router's: if what comes in for others is sent on, who is answered for, who is translated.

What is set here is the interface's own, and outlives its starts and stops; what it means is the stack's to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.config import Address, NetifConfig
from netif.errors import InvalidParams, NotFound
from netif.lifecycle import Held
from netif.routed import Routed
from netif.wire import ip

if TYPE_CHECKING:
    from netif.netif import Netif
    from netif.router import ForwardingCounters, NaptEntry


_PROTOCOLS = {"tcp": ip.TCP, "udp": ip.UDP}


class Forwarding(Routed):
    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        super().__init__(netif, config)
        self._forwarding: bool | None = None
        self._proxy_arp = False
        self._napt = False
        self._portmaps: dict[tuple[int, int], tuple[bytes, int]] = {}  # by protocol and outside port

    @property
    def forwarding(self) -> bool | None:
        """What comes in for others is sent on; None: as its stack does (`Stack(forwarding=True)`)."""
        return self._forwarding

    def forwarding_enable(self, on: bool | None = True) -> None:
        """Send on what comes in for others, or not, whatever the stack does for its other interfaces; None: as it does
        for them. NotSupported by a stack that does not route."""
        with Held(self.runtime):
            self._refuse_closed("set the forwarding of")
            if self.interface is not None:
                self._verb("set_forwarding")(on)
            self._forwarding = on

    @property
    def proxy_arp(self) -> bool:
        return self._proxy_arp

    def proxy_arp_enable(self, on: bool = True) -> None:
        """Answer whoever asks on its link for an address to which its stack sends on by another link (RFC 1027): so
        that hosts of one subnet reach each other through a router. NotSupported by a stack that does not route."""
        with Held(self.runtime):
            self._refuse_closed("set the proxy ARP of")
            if self.interface is not None:
                self._verb("set_proxy_arp")(on)
            self._proxy_arp = on

    @property
    def forwarding_counters(self) -> ForwardingCounters:
        """Of what came in by it for others, since its start."""
        from netif.router import ForwardingCounters

        with Held(self.runtime):
            counters: ForwardingCounters | None = getattr(self.interface, "forwarding_counters", None)
            return counters or ForwardingCounters()

    # NAPT

    @property
    def napt(self) -> bool:
        return self._napt

    def napt_enable(self, on: bool = True) -> None:
        """This is an inside: what its hosts send by way of others bears the address of the interface that it leaves by
        (RFC 3022), and answers find back. They are forwarded for, whatever `forwarding` says of the rest. Ends what
        was under way when it is switched off. NotSupported by a stack that has no NAPT."""
        with Held(self.runtime):
            self._refuse_closed("translate for")
            if self.interface is not None and on is not self._napt:
                self._verb("set_napt")(on)
                self._napt = on
                self._map_ports()
            self._napt = on

    def portmap_add(self, protocol: str, port: int, address: Address, inside_port: int | None = None) -> None:
        """What comes from outside for `port` ("tcp" or "udp") of this host goes to `address`, behind this interface;
        to the same port there, unless another is named. Holds while NAPT is enabled here. InvalidParams, NoMem."""
        key = _protocol(protocol), _port(port)
        inside = _host(address), _port(port if inside_port is None else inside_port)
        with Held(self.runtime):
            self._refuse_closed("map a port of")
            if key in self._portmaps:
                raise InvalidParams(f"portmap: {protocol} port {port} is mapped already; portmap_remove it first")
            if self.interface is not None and self._napt:
                self._verb("add_portmap")(*key, *inside)
            self._portmaps[key] = inside

    def portmap_remove(self, protocol: str, port: int) -> None:
        """NotFound."""
        key = _protocol(protocol), _port(port)
        with Held(self.runtime):
            if key not in self._portmaps:
                raise NotFound(f"portmap: {self!r} has no mapping of {protocol} port {port}")
            del self._portmaps[key]
            if self.interface is not None and self._napt:
                self._verb("remove_portmap")(*key)

    def napt_table(self) -> tuple[NaptEntry, ...]:
        """The port mappings and the translations under way, of all interfaces of its stack."""
        with Held(self.runtime):
            return () if self.interface is None else tuple(self._verb("napt_table")())

    def _map_ports(self) -> None:
        for portmap, inside in self._portmaps.items() if self._napt else ():
            self._verb("add_portmap")(*portmap, *inside)

    def _furnish(self) -> None:
        super()._furnish()
        if self._napt:
            self._verb("set_napt")(True)
            self._map_ports()
        if self._forwarding is not None:
            self._verb("set_forwarding")(self._forwarding)
        if self._proxy_arp:
            self._verb("set_proxy_arp")(True)


def _protocol(name: str) -> int:
    try:
        return _PROTOCOLS[name]
    except (KeyError, TypeError):
        raise InvalidParams(f"portmap: {name!r} cannot be mapped; write 'tcp' or 'udp'") from None


def _port(port: int) -> int:
    if not isinstance(port, int) or not 0 < port < 65536:
        raise InvalidParams(f"portmap: {port!r} is no port; write 1 to 65535")
    return port


def _host(address: Address) -> bytes:
    try:
        packed = ip.parse_address(address)
    except ValueError as error:
        raise InvalidParams(f"portmap: {error}") from None
    if packed[0] in (0, 127) or packed[0] >= 224:
        raise InvalidParams(f"portmap: {ip.format_address(packed)} is no host's; give one behind this interface")
    return packed
