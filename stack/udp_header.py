"""The headers in front of small datagrams to one destination, made once: only length and checksum differ between them.

Knows what `Ip.send` and `udp.emit` write for a datagram in one piece with DF, and how long that stays true. Refuses to
know who sends, and options. RFC 768, RFC 791; a frame of it is complete, its checksums included.
"""

from __future__ import annotations

from struct import Struct

from netif.wire.ip import DF, UDP
from netif.wire.udp import HEADER_LENGTH
from stack.routing import Route

_REST = Struct("!HHHBBH12sH")  # total length, ident, fragment, TTL, protocol, checksum; addresses and ports; UDP length


class HeaderMade:
    __slots__ = (
        "_flow", "_front", "_ip_sum", "_shift", "_size", "_start", "_sum", "_ttl", "_udp_sum",
        "generation", "interface", "ip", "link", "neighbour",
    )  # fmt: skip

    def __init__(self, route: Route, sport: int, dport: int, ttl: int, tos: int) -> None:
        """The neighbour's link is known."""
        assert route.neighbour.link is not None
        self.interface = route.interface
        self.ip = route.interface.stack.ip
        self.generation = route.generation
        self.neighbour = route.neighbour
        self.link = route.neighbour.link
        addresses = int.from_bytes(route.src + route.dst, "big")
        self._front = self.link + bytes((0x45, tos))
        self._flow = route.src + route.dst + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
        self._ttl = ttl
        self._ip_sum = 0x4500 + tos + DF + (ttl << 8) + UDP + addresses
        self._udp_sum = addresses + UDP + sport + dport
        self._fit(0)

    def _fit(self, size: int) -> None:
        total, length = 20 + HEADER_LENGTH + size, HEADER_LENGTH + size
        checksum = -(self._ip_sum + total) % 65535
        self._size = size
        self._start = self._front + _REST.pack(total, 0, DF, self._ttl, UDP, checksum, self._flow, length)
        self._sum = (self._udp_sum + 2 * length) % 65535  # the length is in the pseudo-header too
        self._shift = 8 * (size & 1)  # an odd last byte counts as if a zero byte followed

    def frame(self, data: bytes) -> bytes | None:
        """A whole frame; None: what the headers were made of holds no longer."""
        if self.generation != self.ip.generation or self.link is not self.neighbour.link:
            return None
        if len(data) != self._size:
            self._fit(len(data))
        checksum = -(self._sum + (int.from_bytes(data, "big") << self._shift)) % 65535 or 65535
        return self._start + checksum.to_bytes(2, "big") + data
