"""A stack that is no more than an input function: it owes nothing and waits for nothing.

`init_fn` may answer an interface whose `stack` is None; the runtime then needs somebody to stand in for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.errors import NotSupported
from netif.link import Buffer, Offload, Runtime, StackInterface

if TYPE_CHECKING:
    from netif.dhcp import AddressGiver, DhcpcConfig, DhcpClient, DhcpsConfig, DhcpServer, LeaseHolder


class BareStack:
    """A `link.NetStack` around one interface that has none."""

    def __init__(self, name: str, runtime: Runtime | None = None) -> None:
        """In the process's default runtime, if none is given."""
        if runtime is None:
            from netif.runtime import default_runtime

            runtime = default_runtime()
        self.name = name
        self.runtime: Runtime = runtime
        runtime.add_stack(self)

    def receive(self, interface: StackInterface, frame: Buffer, offload: Offload | None) -> None:
        interface.input(frame, offload)

    def advance(self, now: float) -> None:
        """It has no timers."""

    def next_deadline(self) -> float | None:
        return None

    def pending(self) -> bool:
        return False

    def flush(self, now: float) -> None:
        """It answers from its input function, or not at all."""

    def abort_current(self, error: BaseException) -> None:
        """It has nothing in hand."""

    def set_default(self, interface: StackInterface | None, dns: tuple[bytes, ...]) -> None:
        """It does not route."""

    def dhcp_client(self, interface: StackInterface, config: DhcpcConfig, holder: LeaseHolder) -> DhcpClient:
        raise NotSupported("this stack has no DHCP client: give the interface an address, as in ip='10.0.0.2/24'")

    def dhcp_server(self, interface: StackInterface, config: DhcpsConfig, giver: AddressGiver) -> DhcpServer:
        raise NotSupported("this stack has no DHCP server")

    def close(self, linger: float = 1.0) -> None:
        self.runtime.remove_stack(self)
