"""What may be done to an interface as the handler of an event, and the same by name: `netif_action_...`.

An action takes esp_netif's four arguments, `(netif, base, id, data)`, or the netif alone. Those on a group or an
address act on the last argument, so `(netif, group)` will do.
"""

from __future__ import annotations

from typing import Any

from netif.config import IpInfo
from netif.errors import InvalidArg
from netif.esp.process import of_netif
from netif.netif import Netif

__all__ = [
    "netif_action_add_address",
    "netif_action_connected",
    "netif_action_disconnected",
    "netif_action_got_ip",
    "netif_action_join_multicast_group",
    "netif_action_leave_multicast_group",
    "netif_action_remove_address",
    "netif_action_start",
    "netif_action_stop",
]


@of_netif
def netif_action_start(netif: Netif, *_event: object) -> None:
    """Join the stack and open the driver; with AUTOUP, `connected` but for DHCP."""
    netif.start()


@of_netif
def netif_action_stop(netif: Netif, *_event: object) -> None:
    """Leave the stack; connections are reset, a lease is given back."""
    netif.stop()


@of_netif
def netif_action_connected(netif: Netif, *_event: object) -> None:
    """The link is up; DHCP begins where it is flagged."""
    netif.connected()


@of_netif
def netif_action_disconnected(netif: Netif, *_event: object) -> None:
    """The link is down; connections wait for it until LostIp."""
    netif.disconnected()


@of_netif
def netif_action_got_ip(netif: Netif, *_event: object) -> None:
    """Log the address, in one line."""
    netif.log_address()


@of_netif
def netif_action_join_multicast_group(netif: Netif, *group: Any) -> None:
    """Take what is sent to an IPv4 group; as often as it is left."""
    netif.join_group(_last(group, "group"))


@of_netif
def netif_action_leave_multicast_group(netif: Netif, *group: Any) -> None:
    netif.leave_group(_last(group, "group"))


@of_netif
def netif_action_add_address(netif: Netif, *address: IpInfo | Any) -> None:
    """One more IPv4 address, as in "192.168.5.101/24"."""
    netif.add_address(_last(address, "address"))


@of_netif
def netif_action_remove_address(netif: Netif, *address: IpInfo | Any) -> None:
    netif.remove_address(_last(address, "address"))


def _last(arguments: tuple[Any, ...], what: str) -> Any:
    if not arguments:
        raise InvalidArg(f"the {what} is missing; give it as the last argument")
    return arguments[-1]
