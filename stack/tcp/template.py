"""The headers of a straight connection's segments: what stays as it is, and the sums of that, made once for a route.

Holds as long as the route does: until its generation, the neighbour's link header or a setting of the socket changes.
Says the same bytes as `Emitter.segment` by way of `Ip.send`, which are where it is explained; knows no option but the
timestamp. Headers are fresh bytes, for a wire may hold them. RFC 791 3.1, RFC 9293 3.1, RFC 7323 3.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import VALID, Buffer, Offload
from netif.wire import tcp
from netif.wire.checksum import sum_buffers
from netif.wire.ip import DF
from netif.wire.tcp import ACK

if TYPE_CHECKING:
    from stack.tcp.emitter import Emitter

_VOUCHED = Offload(VALID)
_REST = b"\0\0\x01\x01\x08\x0a"  # no urgent pointer; NOP NOP 8 10
_FEW = 800  # bytes; the sum of more of them is better taken in slices
# link header, version and TOS; length; ident, DF, TTL, protocol; checksum; addresses and ports; seq, ack; offset and
# flags, window, checksum; urgent pointer, with it the options' kinds, TSval, TSecr
_TCP = {False: "IIHHHH", True: "IIHHH6sII"}
_PACK = {(size, stamped): Struct(f"!{size}sH6sH12s{_TCP[stamped]}").pack for size in (2, 16) for stamped in _TCP}
# what many have in common is one object, for an idle connection keeps its template
_MIDDLE = [bytes((0, 0, DF >> 8, 0, ttl, tcp.PROTOCOL)) for ttl in range(256)]
_WORDS = {False: 0x5000 + ACK, True: 0x8000 + ACK}  # the data offset and the flags


class Template:
    __slots__ = (
        "base",
        "flow",
        "front",
        "generation",
        "interface",
        "limit",
        "link",
        "middle",
        "mss",
        "neighbour",
        "overhead",
        "pack",
        "partial",
        "partial_above",
        "plain",
        "pseudo",
        "stamped",
        "super",
        "words",
    )

    def __init__(self, emitter: Emitter, link: bytes) -> None:
        route = emitter.route
        tos, ttl = emitter.tos, emitter.ttl
        self.generation = route.generation
        self.interface = route.interface
        self.neighbour = route.neighbour
        self.link = link
        self.stamped = emitter.stamped
        self.mss = emitter.mss
        self.limit = emitter.payload_limit()  # bytes of payload in one packet
        self.front = link + bytes((0x45, tos))
        self.middle = _MIDDLE[ttl]
        self.flow = route.src + route.dst + emitter.sport.to_bytes(2, "big") + emitter.dport.to_bytes(2, "big")
        self.pack = _PACK[len(self.front), self.stamped]
        self.overhead = 20 + emitter.header_length
        addresses = int.from_bytes(route.src + route.dst, "big") % 65535
        self.base = 0x4500 + tos + (ttl << 8) + tcp.PROTOCOL + DF + addresses + self.overhead
        self.words = _WORDS[self.stamped]
        self.plain = emitter.plain  # the sum of all that is in `words` but ACK, and of the options' kinds
        self.pseudo = emitter.pseudo
        start = len(link) + 20
        self.partial_above = emitter.partial_above if self.interface.tx_checksum else self.limit
        self.partial = emitter.ip.partial(start, tcp.CHECKSUM_OFFSET, 0)
        self.super = emitter.ip.partial(start, tcp.CHECKSUM_OFFSET, emitter.mss)

    def holds(self) -> bool:
        """Neither routes nor the neighbour have changed."""
        return self.generation == self.interface.stack.ip.generation and self.link is self.neighbour.link

    def ack(self, seq: int, ack: int, window: int, tsval: int, tsecr: int) -> None:
        """Send a segment without text. Numbers are those of the wire."""
        front, flow, words, size = self.front, self.flow, self.words, self.overhead
        ip_checksum = -self.base % 65535
        if self.stamped:
            checksum = -(self.plain + ACK + window + seq + ack + tsval + tsecr) % 65535
            header = self.pack(
                front, size, self.middle, ip_checksum, flow, seq, ack, words, window, checksum, _REST, tsval, tsecr
            )
        else:
            checksum = -(self.plain + ACK + window + seq + ack) % 65535
            header = self.pack(front, size, self.middle, ip_checksum, flow, seq, ack, words, window, checksum, 0)
        self.interface.transmit((header,), _VOUCHED)

    def data(
        self,
        seq: int,
        ack: int,
        more: int,
        window: int,
        tsval: int,
        tsecr: int,
        payload: tuple[Buffer, ...],
        length: int,
    ) -> None:
        """Send a segment of `length` bytes; `more` are the flags beside ACK. Numbers are those of the wire."""
        size = length + self.overhead
        if length > self.partial_above:
            checksum = (self.pseudo + size - 20) % 65535
            offload = self.super if length > self.mss else self.partial
        else:
            if length > _FEW or len(payload) > 1:
                total = sum_buffers(payload)
            else:
                total = int.from_bytes(payload[0], "big") << (length & 1) * 8
            total += self.plain + length + ACK + more + window + seq + ack
            if self.stamped:
                total += tsval + tsecr
            checksum = -total % 65535
            offload = _VOUCHED
        front, flow, words = self.front, self.flow, self.words + more
        ip_checksum = -(self.base + length) % 65535
        if self.stamped:
            header = self.pack(
                front, size, self.middle, ip_checksum, flow, seq, ack, words, window, checksum, _REST, tsval, tsecr
            )
        else:
            header = self.pack(front, size, self.middle, ip_checksum, flow, seq, ack, words, window, checksum, 0)
        self.interface.transmit((header, *payload), offload)


def made(emitter: Emitter) -> Template | None:
    """None: this route, or this neighbour, asks for more than a template can say."""
    route = emitter.route
    link = route.neighbour.link
    if (
        link is None
        or len(link) not in (0, 14)
        or len(route.src) != 4
        or not route.df
        or emitter.mss + emitter.header_length + 20 > route.mtu
    ):
        return None
    return Template(emitter, link)
