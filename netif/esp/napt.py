"""NAPT by esp_netif's names: one inside interface at a time, as there. `Netif.napt_enable` knows no such limit."""

from __future__ import annotations

from netif.errors import NetifError
from netif.esp.process import of_netif
from netif.netif import Netif

__all__ = ["netif_napt_disable", "netif_napt_enable"]


@of_netif
def netif_napt_enable(netif: Netif) -> None:
    """Its hosts go out under the address of whichever interface they leave by; those of the stack's other interfaces no
    longer. NetifError (ESP_FAIL) while it is down."""
    _check_up(netif, "netif_napt_enable")
    for other in netif.registry or ():
        if other is not netif and other.napt:
            other.napt_enable(False)
    netif.napt_enable(True)


@of_netif
def netif_napt_disable(netif: Netif) -> None:
    """NetifError (ESP_FAIL) while it is down."""
    _check_up(netif, "netif_napt_disable")
    netif.napt_enable(False)


def _check_up(netif: Netif, function: str) -> None:
    if not netif.is_up:
        raise NetifError(f"{function}: {netif!r} is down; wait for its link")
