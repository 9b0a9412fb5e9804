"""`switch:NAME`: a port of a switch in this process, perhaps with a wire outside behind the switch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.patch import Patch
from components.wires.grammar import BadWire
from tapio.switch import NamedPort

if TYPE_CHECKING:
    from netif.link import Driver, LinkCaps, Port


class Uplinked(NamedPort):
    """A port of a switch, which is joined to `uplink` for as long as the port is open."""

    def __init__(self, name: str, uplink: Driver, *, vlan: int | None = None) -> None:
        super().__init__(name, vlan=vlan)
        self.uplink = uplink
        self.patch: Patch | None = None

    @property
    def shared_wire(self) -> bool:
        """Other processes are on it: default MACs take care of that."""
        return bool(getattr(self.uplink, "shared_wire", False))

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        if self.patch is not None and self.patch.runtime is not port.runtime:
            raise ValueError(f"the uplink of {self.name} stays on one runtime: give its stacks the same one")
        caps = super().open(want, port)
        if self.patch is None:
            try:
                self.patch = Patch(self.switch.port(), self.uplink, runtime=port.runtime, name=f"uplink of {self.name}")
            except BaseException:
                super().close()
                raise
        return caps

    def close(self) -> None:
        patch, self.patch = self.patch, None
        if patch is not None:
            patch.close()
        else:
            self.uplink.close()
        super().close()


def switch(name: str, options: Mapping[str, str]) -> Driver:
    from components.wires import open_wire

    vlan = options.get("vlan")
    if vlan is not None and not (vlan.isdecimal() and 0 < int(vlan) < 4095):
        raise BadWire(f"vlan={vlan} is no VLAN: write a number from 1 to 4094")
    vid = None if vlan is None else int(vlan)
    if "uplink" not in options:
        return NamedPort(name, vlan=vid)
    return Uplinked(name, open_wire(options["uplink"]), vlan=vid)
