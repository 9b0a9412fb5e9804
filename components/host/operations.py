"""What can be done to a host, as values: each is a line that a person could type, is applied, and survives in JSON.

Knows the table of them all; what they do is in the modules they come from. Applying one twice is as good as once.
"""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from components.host import addresses, clients, firewall, links, servers, sysctl
from components.host.kernel import Host


class Operation(Protocol):
    def line(self, netns: str | None) -> str:
        """As `ip`, `nft`, `sysctl` word it."""

    def apply(self, host: Host) -> None:
        """Anything that is raised means: refused, and nothing was changed."""


KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(links.AddTap, links.ChangeOwner, links.AddVeth, links.AddBridge, links.DeleteLink),
        *(links.SetUp, links.SetMaster, links.SetMac, sysctl.SetSysctl),
        *(addresses.AddAddress, addresses.DeleteAddress, addresses.PutRoute, addresses.DeleteRoute),
        *(addresses.AddProxy, addresses.DeleteProxy, servers.StartServer, servers.StopServer),
        *(clients.StartClient, clients.StopClient),
        *(firewall.LoadTable, firewall.DeleteTable, firewall.Iptables, firewall.MakeBuiltIn, firewall.DropBuiltIn),
    )
}


def encode(operation: Operation) -> dict[str, Any]:
    fields = attrs.asdict(operation)  # type: ignore[arg-type]
    return {"operation": type(operation).__name__, **fields}


def decode(plain: dict[str, Any]) -> Operation:
    """KeyError, TypeError: no such operation."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    kind = KINDS[str(fields.pop("operation"))]
    operation: Operation = kind(**fields)
    return operation
