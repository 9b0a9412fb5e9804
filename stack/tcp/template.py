"""The headers of a straight connection's segments: what stays as it is, and the sums of that, made once for a route.

Holds as long as the route does: until its generation, the neighbour's link header or a setting of the socket changes.
Says the same bytes as `Emitter.segment` by way of `Ip.send`, which are where it is explained; knows no option but the
timestamp. Headers are fresh bytes, for a wire may hold them. RFC 791 3.1, RFC 9293 3.1, RFC 7323 3.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import TYPE_CHECKING

from netif.link import VALID, Buffer, Offload
from netif.wire import tcp
from netif.wire.checksum import sum_buffers
from netif.wire.ip import DF

if TYPE_CHECKING:
    from stack.tcp.emitter import Emitter

_VOUCHED = Offload(VALID)
_REST = b"\0\0\x01\x01\x08\x0a"  # no urgent pointer; NOP NOP 8 10
_FEW = 800  # bytes; the sum of more of them is better taken in slices
_FORMS = [(size, stamped) for size in (2, 16) for stamped in (False, True)]  # of what stands before the IP length
# link header, version and TOS; length; ident, DF, TTL, protocol; checksum; addresses and ports
_IP = {size: f"!{size}sH6sH12s" for size in (2, 16)}
# seq, ack; offset and flags, window, checksum; urgent pointer, with it the options' kinds, TSval, TSecr
_TCP = {False: "IIHHHH", True: "IIHHH6sII"}
_DATA = {(size, stamped): Struct(_IP[size] + _TCP[stamped]) for size, stamped in _FORMS}
_ACK = {(size, stamped): Struct(f"!{size + 22}s{_TCP[stamped]}") for size, stamped in _FORMS}


class Template:
    __slots__ = (
        "bare",
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
        "pack_ack",
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
        self.middle = bytes((0, 0, DF >> 8, 0, ttl, tcp.PROTOCOL))
        self.flow = route.src + route.dst + emitter.sport.to_bytes(2, "big") + emitter.dport.to_bytes(2, "big")
        size = len(self.front)
        self.pack = _DATA[size, self.stamped].pack
        self.pack_ack = _ACK[size, self.stamped].pack
        self.overhead = 20 + emitter.header_length
        addresses = int.from_bytes(route.src + route.dst, "big") % 65535
        self.base = 0x4500 + tos + (ttl << 8) + tcp.PROTOCOL + DF + addresses + self.overhead
        self.words = (emitter.header_length << 10) + tcp.ACK  # the data offset and the flags
        self.bare = pack(_IP[size], self.front, self.overhead, self.middle, -self.base % 65535, self.flow)
        self.plain = emitter.plain + tcp.ACK  # the sum of all that, and of the options' kinds
        self.pseudo = emitter.pseudo + emitter.header_length
        start = len(link) + 20
        self.partial_above = emitter.partial_above if self.interface.tx_checksum else self.limit
        self.partial = emitter.ip.partial(start, tcp.CHECKSUM_OFFSET, 0)
        self.super = emitter.ip.partial(start, tcp.CHECKSUM_OFFSET, emitter.mss)

    def holds(self) -> bool:
        """Neither routes nor the neighbour have changed."""
        return self.generation == self.interface.stack.ip.generation and self.link is self.neighbour.link

    def ack(self, seq: int, ack: int, window: int, tsval: int, tsecr: int) -> None:
        """Send a segment without text. Numbers are those of the wire."""
        words, interface = self.words, self.interface
        if self.stamped:
            checksum = -(self.plain + seq + ack + window + tsval + tsecr) % 65535
            header = self.pack_ack(self.bare, seq, ack, words, window, checksum, _REST, tsval, tsecr)
        else:
            checksum = -(self.plain + seq + ack + window) % 65535
            header = self.pack_ack(self.bare, seq, ack, words, window, checksum, 0)
        interface.transmit((header,), _VOUCHED)

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
        if length > self.partial_above:
            checksum = (self.pseudo + length) % 65535
            offload = self.super if length > self.mss else self.partial
        else:
            if length > _FEW or len(payload) > 1:
                total = sum_buffers(payload)
            else:
                total = int.from_bytes(payload[0], "big") << (length & 1) * 8
            total += self.plain + length + more + window + seq + ack
            if self.stamped:
                total += tsval + tsecr
            checksum = -total % 65535
            offload = _VOUCHED
        front, flow, words, size = self.front, self.flow, self.words + more, length + self.overhead
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
