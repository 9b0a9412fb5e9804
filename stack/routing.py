"""Where to: the table of prefixes, longest first, and the `Route` an endpoint keeps.

Keys are addresses of 4 or 16 bytes; a prefix of one family never matches the other. Which interface is the default is
decided above (`set_default`); here it is the prefix of length 0. RFC 1122 3.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EHOSTUNREACH
from typing import TYPE_CHECKING, NamedTuple

from netif.wire.ip import format_address
from stack.failure import failure
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.endpoint import Endpoint
    from stack.interface import Interface


class Neighbour(Timed):
    """How a link reaches one next hop: the link-layer header, ready to be put in front of a packet."""

    __slots__ = ("link",)

    def __init__(self, link: bytes | None = None) -> None:
        super().__init__()
        self.link = link  # None: the interface must be asked (`Interface.resolve`)

    def doubt(self, now: float) -> None:
        """Who sends there hears nothing: make sure that it is still there, with the next packet."""


class Route:
    """A way to one destination. Good while `generation` is `Ip.generation`; `Ip.send` renews it in place."""

    __slots__ = (
        "base",
        "df",
        "dst",
        "generation",
        "gso_max",
        "interface",
        "key",
        "local",
        "mtu",
        "neighbour",
        "next_hop",
        "owner",
        "src",
        "tx_checksum",
        "via",
    )

    def __init__(self, dst: bytes, src: bytes, via: Interface | None, interface: Interface, next_hop: bytes) -> None:
        self.dst = dst
        self.src = src
        self.via = via  # the interface that the endpoint insists on
        self.owner: Endpoint | None = None  # told by `unreachable` when there is no neighbour or no route
        self.lead(interface, next_hop)

    def lead(self, interface: Interface, next_hop: bytes) -> None:
        """From now on by this interface."""
        self.interface = interface
        self.next_hop = next_hop
        self.neighbour = interface.neighbour(next_hop)
        ip = interface.stack.ip
        path = ip.paths.get(self.dst)
        self.mtu = interface.mtu if path is None else min(interface.mtu, path.mtu)  # of an IP packet, by this path
        self.generation = ip.generation
        self.df = ip.paths.discovered and (
            path is None or path.df
        )  # what is not to be fragmented by us may not be by others
        self.gso_max = interface.gso_max  # of an IP packet that is a super-frame; mtu where there are none
        self.tx_checksum = interface.tx_checksum  # `Ip.send` takes partial_at
        self.local = interface.is_loopback
        self.key = -1  # what `base` was computed for: tos, ttl, protocol
        self.base = 0  # sum of the IP header's constant words

    def twin(self) -> Route:
        """The same way, for another owner."""
        neighbour = self.neighbour
        if neighbour.link is None:
            neighbour = self.neighbour = self.interface.neighbour(self.next_hop)
        made = Route.__new__(Route)
        made.dst, made.src, made.via, made.owner = self.dst, self.src, self.via, None
        made.interface, made.next_hop, made.neighbour = self.interface, self.next_hop, neighbour
        made.mtu, made.gso_max, made.df = self.mtu, self.gso_max, self.df
        made.tx_checksum, made.local, made.generation = self.tx_checksum, self.local, self.generation
        made.key, made.base = self.key, self.base
        return made

    def undelivered(self) -> None:
        """Its neighbour does not answer, and a packet that waited is lost."""
        if self.owner is not None:
            self.interface.stack.strand(self.owner, failure(EHOSTUNREACH))

    def __repr__(self) -> str:
        return f"<Route to {format_address(self.dst)} from {format_address(self.src)} by {self.interface.name}>"


class Prefix(NamedTuple):
    """One line of the table."""

    network: bytes
    length: int  # leading bits that count
    interface: Interface
    gateway: bytes | None  # None: on the link


class RoutingTable:
    """Prefixes by (address length, prefix length, network); a lookup tries the longest first."""

    __slots__ = ("_lines", "_masks")

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int, int], list[Prefix]] = {}
        self._masks: dict[int, dict[int, int]] = {}  # address length: {prefix length: mask}, longest first

    def __iter__(self) -> Iterator[Prefix]:
        for lines in self._lines.values():
            yield from lines

    def add(self, network: bytes, length: int, interface: Interface, gateway: bytes | None = None) -> None:
        """Of several lines for one prefix the first added is used, unless the asker insists on an interface."""
        size = len(network)
        mask = (1 << 8 * size) - (1 << 8 * size - length)
        number = int.from_bytes(network, "big") & mask
        line = Prefix(number.to_bytes(size, "big"), length, interface, gateway)
        self._lines.setdefault((size, length, number), []).append(line)
        masks = {**self._masks.get(size, {}), length: mask}
        self._masks[size] = dict(sorted(masks.items(), reverse=True))

    def clear(self) -> None:
        self._lines.clear()
        self._masks.clear()

    def lookup(self, dst: bytes, interface: Interface | None = None) -> Prefix | None:
        """The longest prefix that holds `dst`; with `interface`, among its lines alone."""
        size = len(dst)
        number = int.from_bytes(dst, "big")
        for length, mask in self._masks.get(size, {}).items():
            for line in self._lines.get((size, length, number & mask), ()):
                if interface is None or line.interface is interface:
                    return line
        return None
