"""esp_netif_br_glue: what a bridge's interface is attached to, and what takes other interfaces' drivers as its ports.

The driver of the bridge's interface is a port of the `Bridge` that is made when it first opens, with the sizes of its
configuration. Its link is up while a port's is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from components.bridge import Bridge
from netif.config import BridgeConfig, Flags
from netif.errors import InvalidParams, InvalidState
from netif.lifecycle import State
from tapio import Switch, Wrapper

if TYPE_CHECKING:
    from netif.link import Driver, LinkCaps, Port
    from netif.netif import Netif

_ASKING = Flags.DHCP_CLIENT | Flags.DHCP_SERVER


class BridgeGlue(Wrapper):
    """A handle for `netif_attach`, and a driver. `bridge` is None until then."""

    def __init__(self) -> None:
        super().__init__(Switch().port())  # until there is a bridge
        self.bridge: Bridge | None = None
        self.netif: Netif | None = None
        self._ports: list[tuple[str, Driver]] = []  # that wait for the bridge

    def post_attach(self, netif: Netif, _handle: object) -> None:
        if not netif.flags & Flags.IS_BRIDGE:
            raise InvalidParams(f"{netif!r} has no IS_BRIDGE: make it by NETIF_INHERENT_DEFAULT_BR()")
        if self.netif is not None and self.netif is not netif:
            raise InvalidState(f"it is {self.netif!r}'s: make another by netif_br_glue_new()")
        self.netif = netif

    def add_port(self, port: Netif) -> None:
        if port.ip_info or port.flags & _ASKING:
            raise InvalidParams(f"{port!r} has an address, or asks for one: make a bridge's port with flags=Flags(0)")
        if port.state in (State.STARTED, State.UP):
            port.stop()
        driver: Any = port.driver or port.handle or port.driver_config.handle
        if driver is None or not hasattr(driver, "receive"):
            raise InvalidState(f"{port!r} has no driver: attach one first")
        if self.bridge is None:
            self._ports.append((port.if_key, driver))
        else:
            self.bridge.add(driver, port.if_key)

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        netif = self.netif
        assert netif is not None, "post_attach comes first"
        if self.bridge is None:
            self.bridge = self._bridge(netif, port)
        self.driver = self.bridge.host_port
        granted = super().open(want, port)
        port.runtime.post(partial(self.bridge.bear, netif))
        return granted

    def _bridge(self, netif: Netif, port: Port) -> Bridge:
        size = netif.config.base.bridge_info or BridgeConfig()
        bridge = Bridge(
            name=netif.if_key,
            runtime=port.runtime,
            dynamic=size.max_fdb_dyn_entries,
            static=size.max_fdb_sta_entries,
            ports=size.max_ports,
        )
        try:
            while self._ports:
                name, driver = self._ports.pop(0)
                bridge.add(driver, name)
        except BaseException:
            bridge.close(0)
            raise
        return bridge

    def close(self) -> None:
        bridge, self.bridge = self.bridge, None
        for _, driver in self._ports:
            driver.close()
        self._ports.clear()
        if bridge is not None:
            bridge.netif = None  # it is what closes us
            bridge.close(0)

    def __repr__(self) -> str:
        return f"<BridgeGlue {self.bridge or f'of {len(self._ports)} ports'}>"
