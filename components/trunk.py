"""Several VLANs over one driver: `VlanTrunk("tap0").vlan(10)` is a driver for a netif, as often as there are VLANs.

A real driver can be opened once, so it is a trunk port of a switch, by a patch, and each `vlan()` an access port there.
Two ports of one VLAN reach each other too. For one VLAN alone `tapio.Vlan` is less.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from components.patch import Patch, wire
from tapio import Switch, SwitchPort

if TYPE_CHECKING:
    from components.patch import Told
    from netif.link import Driver, Runtime
    from tapio.memory import Bounds

_ALL = range(1, 4095)


class VlanTrunk:
    """The driver, or the wire of that name (docs/wires.md), is its own from here on; `close` closes it."""

    def __init__(
        self,
        driver: Driver | str,
        *,
        native: int | None = 1,
        runtime: Runtime | None = None,
        name: str = "trunk",
        failed: Told | None = None,
    ) -> None:
        """`native`: the VLAN of frames without a tag; None: they are not taken. `failed(end, error)`: as `Patch`'s; its
        `patch.other.reattach()` mends it. OSError, ValueError."""
        opened = wire(driver)
        try:
            self.switch = Switch()
            uplink = self.switch.port(native=native) if native is not None else self.switch.port(trunk=_ALL)
        except BaseException:
            opened.close()
            raise
        self.patch = Patch(uplink, opened, runtime=runtime, name=name, failed=failed)
        self.runtime = self.patch.runtime
        self.uplink = uplink

    def vlan(self, id: int, *, isolated: bool = False, **bounds: Unpack[Bounds]) -> SwitchPort:
        """A driver on this VLAN: what it sends has the tag on the wire. ValueError."""
        caps = self.patch.other.caps
        if caps is not None:
            bounds.setdefault("mtu", caps.mtu)
        return self.switch.port(vlan=id, isolated=isolated, **bounds)

    def close(self) -> None:
        """Idempotent. The drivers that `vlan` made are their netifs', and lead nowhere from here on."""
        self.patch.close()

    def __enter__(self) -> VlanTrunk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<VlanTrunk {self.patch.other!r}>"
