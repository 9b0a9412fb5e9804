"""IPv4 of one host: what comes in goes to a protocol's handler, what goes out finds its interface.

Several interfaces, weak host model: a packet is ours if its destination is any of our addresses. Options are skipped,
fragments counted and dropped. RFC 791; RFC 1122 3.2.1 and 3.3; RFC 6864.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Buffer, Offload
from stack.routing import Route

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

# (interface, src, dst, frame, start, end, offload): the payload is frame[start:end]
Handler: TypeAlias = "Callable[[Interface, bytes, bytes, Buffer, int, int, Offload | None], None]"


class Ip:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.handlers: dict[int, Handler] = {}  # unicast to us, by protocol number
        self.group_handlers: dict[int, Handler] = {}  # to a broadcast or group address: never TCP
        self.generation = 0  # changes with every interface, address and route

    def is_local(self, address: bytes) -> bool:
        """One of our own addresses, loopback included."""
        raise NotImplementedError

    def route(self, dst: bytes, src: bytes | None = None, interface: Interface | None = None) -> Route:
        """OSError: ENETUNREACH, or EADDRNOTAVAIL when `src` is not ours. Set `owner` on what you keep."""
        raise NotImplementedError

    def send(
        self,
        route: Route,
        protocol: int,
        header: bytes,
        payload: tuple[Buffer, ...],
        length: int,
        *,
        partial_at: int | None = None,
        gso_size: int = 0,
        ttl: int = 64,
        tos: int = 0,
        df: bool = True,
    ) -> None:
        """Send `header` (the layer 4 header) and `payload`, `length` bytes together.

        partial_at: where in `header` the checksum field stands, when it holds the pseudo-header sum alone (only with
        `route.tx_checksum`); None: complete. gso_size: cut into segments of that much payload (at most
        `route.gso_max`). A route that has become stale is renewed in place; where that fails, or the neighbour does
        not answer, the packet is dropped and `route.owner.unreachable(error)` follows, never within this call.
        EMSGSIZE is raised for a packet above `route.mtu` without gso_size.
        """
        raise NotImplementedError
