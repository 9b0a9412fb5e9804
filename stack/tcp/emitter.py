"""Turns what a connection says into packets: one header, its checksum, its offload.

Knows the addresses, the route, the timestamps' base and how IP wants to be called; not why a segment is sent.
Headers are fresh bytes, for a wire may hold them; payload goes by in views. RFC 9293 3.1, RFC 7323 3 and appendix A.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire import options, tcp
from netif.wire.checksum import partial_sum, sum_buffers
from stack.seq import MASK
from stack.tcp.ecn import CODE_POINT
from stack.tcp.segment import Segment
from stack.tcp.template import Template, made

if TYPE_CHECKING:
    from stack.ip import Ip
    from stack.routing import Route

_PLAIN = tcp.HEADER
_STAMPED = Struct("!HHIIHHHHIII")  # the header, then NOP NOP 8 10, TSval, TSecr
_NOP_NOP_TIMESTAMP = 0x0101080A
_SMALL = 256  # bytes of a frame; up to it checksums are complete, so that captures read well


class Emitter:
    __slots__ = (
        "dport",
        "header_length",
        "ip",
        "mss",
        "partial_above",
        "plain",
        "pseudo",
        "route",
        "sport",
        "stamped",
        "template",
        "tos",
        "ttl",
    )

    def __init__(self, ip: Ip, route: Route, sport: int, dport: int, ttl: int, tos: int) -> None:
        self.ip = ip
        self.route = route
        self.sport = sport
        self.dport = dport
        self.ttl = ttl
        self.tos = tos & ~CODE_POINT  # as Linux: those bits are TCP's own (RFC 3168)
        self.mss = 536  # payload of a wire segment, net of options
        self.header_length = 20
        self.stamped = False
        self.pseudo = int.from_bytes(route.src + route.dst, "big") % 65535 + tcp.PROTOCOL
        self.plain = self.pseudo + sport + dport + 20 + 0x5000  # what all option-less headers have in common
        self.partial_above = _SMALL - 14 - 20 - 20
        self.template: Template | None = None  # while it holds (see there)

    def stamp(self) -> None:
        """From now on every segment carries a timestamp."""
        self.stamped = True
        self.header_length = 32
        self.plain += 12 + 0x3000 + 0x0101 + 0x080A
        self.partial_above -= 12

    def prepare(self) -> None:
        """See to it that there is a template, if this route can have one."""
        template = self.template
        if template is None or not template.holds():
            self.template = made(self) if self.ip.stack.tcp.templates.admits(self) else None

    def payload_limit(self) -> int:
        """The largest payload of one packet, super-frame or not: a multiple of mss."""
        mss = self.mss
        route = self.route
        if not route.tx_checksum:
            return mss  # a super-frame's checksum is never complete
        room = route.gso_max - (20 if len(route.src) == 4 else 40) - self.header_length
        return room - room % mss if room >= mss else mss

    def segment(
        self,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        tsval: int,
        tsecr: int,
        payload: tuple[Buffer, ...] = (),
        length: int = 0,
        ect: int = 0,
        said: bytes = b"",
        urgent: int = 0,
    ) -> None:
        """Send one segment of an open connection; `ect` is its packet's ECN code point, `said` are options beside the
        timestamp, in whole words; `urgent` is the pointer."""
        self.ip.stack.tcp.plain_out += 1
        seq &= MASK
        ack &= MASK
        route = self.route
        gso_size = self.mss if length > self.mss else 0
        if self.ip.stack.trace is not None:
            stamp = options.emit_timestamp(tsval, tsecr) if self.stamped else b""
            self._trace(seq, ack, flags, window, stamp + said, length, gso_size, urgent)
        partial_at: int | None = None
        if length > self.partial_above and route.tx_checksum:
            checksum = (self.pseudo + self.header_length + len(said) + length) % 65535
            partial_at = tcp.CHECKSUM_OFFSET
        else:
            words = self.plain + length + flags + window + seq + ack + urgent
            if self.stamped:
                words += tsval + tsecr
            if length:
                words += partial_sum(payload[0]) if len(payload) == 1 else sum_buffers(payload)
            if said:
                words += len(said) + (len(said) << 10) + int.from_bytes(said, "big")
            checksum = -words % 65535
        sport, dport = self.sport, self.dport
        if said:
            flags += len(said) << 10
        if self.stamped:
            header = _STAMPED.pack(
                sport, dport, seq, ack, 0x8000 + flags, window, checksum, urgent, _NOP_NOP_TIMESTAMP, tsval, tsecr
            )
            length += 32
        else:
            header = _PLAIN.pack(sport, dport, seq, ack, 0x5000 + flags, window, checksum, urgent)
            length += 20
        if said:
            header += said
            length += len(said)
        self.ip.send(
            route,
            tcp.PROTOCOL,
            header,
            payload,
            length,
            partial_at=partial_at,
            gso_size=gso_size,
            ttl=self.ttl,
            tos=self.tos | ect,
        )

    def syn(self, seq: int, ack: int, flags: int, window: int, said: bytes, payload: tuple[Buffer, ...] = ()) -> None:
        """Send a SYN or SYN-ACK."""
        self.ip.stack.tcp.plain_out += 1
        length = sum(map(len, payload))
        seq &= MASK
        ack &= MASK
        if self.ip.stack.trace is not None:
            self._trace(seq, ack, flags, window, said, length, 0)
        numbers = seq, ack, flags, window
        header = tcp.emit_complete(self.sport, self.dport, *numbers, said, payload, pseudo=self.pseudo)
        self.ip.send(self.route, tcp.PROTOCOL, header, payload, len(header) + length, ttl=self.ttl, tos=self.tos)

    def _trace(
        self, seq: int, ack: int, flags: int, window: int, said: bytes, length: int, gso_size: int, urgent: int = 0
    ) -> None:
        trace = self.ip.stack.trace
        assert trace is not None
        segment = Segment(seq, ack, flags, window, options.parse(said, 0, len(said)), b"", length, gso_size, urgent)
        trace("send", self.route.owner, segment)
