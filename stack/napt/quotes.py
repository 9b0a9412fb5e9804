"""ICMP errors through a NAPT: what they quote is translated back, as its sender or receiver knows it. RFC 5508 3.

They neither keep a session alive nor end one (REQ-6). What quotes nothing that went through is not ours to send on.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.wire import Malformed, icmp, tcp, udp
from netif.wire.checksum import complete, partial_sum, verify
from netif.wire.ip import ICMP, OFFSET_MASK, TCP, UDP
from stack.forwarding.packet import DST, SRC, Packet

if TYPE_CHECKING:
    from stack.napt.translator import Napt

_WORD = Struct("!H")
_SOURCE, _DESTINATION = 12, 16  # the addresses in a quoted header
_CHECKSUMS = {TCP: tcp.CHECKSUM_OFFSET, UDP: udp.CHECKSUM_OFFSET, ICMP: 2}
_KINDS = (icmp.UNREACHABLE, icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM)  # redirects and source quench stay (RFC 5508 9)


def is_error(packet: Packet) -> bool:
    return packet.word(0) >> 8 in _KINDS


class Quote:
    """The packet that an error is about, in a copy of the message that may be changed. Malformed."""

    def __init__(self, packet: Packet) -> None:
        frame, start, end = packet.frame, packet.at + packet.header_len, packet.at + packet.total_len
        if not verify(frame, start, end):
            raise Malformed("icmp_checksum")  # RFC 5508 REQ-3
        self.message = bytearray(frame[start:end])
        self.src, self.dst, self.protocol, self.at = icmp.parse_quote(
            self.message, icmp.HEADER_LENGTH, len(self.message)
        )
        (field,) = _WORD.unpack_from(self.message, icmp.HEADER_LENGTH + 6)
        if field & OFFSET_MASK or self.protocol not in _CHECKSUMS:
            raise Malformed("icmp_quote")

    def number(self, which: int) -> int:
        """A port of the quoted source or destination, or the ident of a query."""
        number: int = _WORD.unpack_from(self.message, self._place(which))[0]
        return number

    def _place(self, which: int) -> int:
        if self.protocol == ICMP:
            return self.at + 4
        return self.at + (0 if which == _SOURCE else 2)

    def readdress(self, which: int, address: bytes, number: int) -> None:
        message, place = self.message, self._place(which)
        at = icmp.HEADER_LENGTH + which
        moved = int.from_bytes(address, "big") - int.from_bytes(message[at : at + 4], "big")
        renumbered = number - self.number(which)
        message[at : at + 4] = address
        _WORD.pack_into(message, place, number)
        self._adjust(icmp.HEADER_LENGTH + 10, moved)
        checksum = self.at + _CHECKSUMS[self.protocol]
        is_made = self.protocol != UDP or any(message[checksum : checksum + 2])
        if is_made and checksum + 2 <= len(message):  # a quote may end before it
            self._adjust(checksum, renumbered if self.protocol == ICMP else moved + renumbered)

    def _adjust(self, at: int, by: int) -> None:
        (field,) = _WORD.unpack_from(self.message, at)
        _WORD.pack_into(self.message, at, (field - by) % 65535 or 65535)

    def packet(self, around: Packet, which: int, address: bytes) -> Packet:
        """The error with this quote, from or to `address`."""
        self.message[2:4] = bytes(2)
        _WORD.pack_into(self.message, 2, complete(partial_sum(self.message)))
        front = bytes(around.frame[: around.at]) + bytes(around.head[: around.header_len])
        made = Packet(around.interface, front + self.message, None)
        made.readdress_alone(which, address)
        return made


def outward(napt: Napt, packet: Packet, address: bytes) -> Packet | None:
    """From inside, about what came in: as the outside knows it (REQ-5). None: about nothing that did."""
    quote = Quote(packet)
    port = napt.table.outside_port((quote.protocol, quote.dst, quote.number(_DESTINATION)), address)
    if port is None:
        return None
    quote.readdress(_DESTINATION, address, port)
    return quote.packet(packet, SRC, address)


def inward(napt: Napt, packet: Packet) -> Packet | None:
    """From outside, about what went out: as the inside knows it (REQ-4). None: it is the router's own to read."""
    try:
        quote = Quote(packet)
    except Malformed:
        return None
    peer = quote.dst, quote.number(_DESTINATION)
    inside = napt.table.inside_of((quote.protocol, quote.src, quote.number(_SOURCE)), *peer)
    if inside is None or quote.src != packet.dst:
        return None
    quote.readdress(_SOURCE, inside[1], inside[2])
    return quote.packet(packet, DST, inside[1])
