"""Switches by name: the same name on the same runtime is the same switch, for as long as it has a port."""

from __future__ import annotations

from typing import Unpack
from weakref import WeakKeyDictionary, WeakValueDictionary

from netif.link import LinkCaps, Port, Runtime
from tapio.memory import Bounds
from tapio.switch.port import SwitchPort
from tapio.switch.switch import Switch
from tapio.switch.vlan import membership

_switches: WeakKeyDictionary[Runtime, WeakValueDictionary[str, Switch]] = WeakKeyDictionary()


def named(name: str, runtime: Runtime) -> Switch:
    """Made, if there is none yet. Gate held."""
    switches = _switches.setdefault(runtime, WeakValueDictionary())
    switch = switches.get(name)
    if switch is None:
        switch = switches[name] = Switch()
    return switch


class NamedPort(SwitchPort):
    """A port of the switch `name`; of which one, its runtime decides when it is opened."""

    def __init__(self, name: str, *, vlan: int | None = None, **bounds: Unpack[Bounds]) -> None:
        """`vlan`: an access port of it; else a trunk of all. ValueError."""
        if not name:
            raise ValueError("a switch wants a name, as in switch:lab")
        super().__init__(Switch(), 0, membership(vlan, None, None), False, **bounds)
        self.name = name
        self._is_access = vlan is not None

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        if self._port is not None:
            NamedPort.close(self)
        self.switch = named(self.name, port.runtime)
        self.switch.knows_vlans |= self._is_access
        self.number = self.switch.next_number()
        return super().open(want, port)

    def close(self) -> None:
        super().close()
        self.switch = Switch()  # not to be kept by a port that has left it

    def __repr__(self) -> str:
        return f"<NamedPort {self.name} {self.number}, {len(self._inbox)} waiting, {self.dropped} dropped>"
