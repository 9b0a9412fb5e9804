"""A packet on its way through: what its header says, and a beginning of its own that may be changed.

The rest stays where it came in. Checksums follow each change by what has changed alone (RFC 1624), so that a packet
that was damaged before is damaged after it; where a driver is to complete one, only the addresses are in it.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import PARTIAL, Buffer, Offload
from netif.wire import Malformed, icmp, tcp, udp
from netif.wire.ip import DF, ICMP, MF, OFFSET_MASK, TCP, UDP, parse
from stack.link_local import is_link_local

if TYPE_CHECKING:
    from stack.interface import Interface

SRC, DST = 12, 16  # where in an IP header the addresses stand
_WORD = Struct("!H")
_L4 = 20  # bytes behind the IP header that belong to `head` too
_LEAST = {TCP: tcp.HEADER_LENGTH, UDP: udp.HEADER_LENGTH, ICMP: icmp.HEADER_LENGTH}
_CHECKSUM = {TCP: tcp.CHECKSUM_OFFSET, UDP: udp.CHECKSUM_OFFSET, ICMP: 2}
_GROUPS, _LOOPBACK = 224, 127


class Packet:
    __slots__ = (
        "at",
        "dst",
        "field",
        "frame",
        "head",
        "header_len",
        "interface",
        "offload",
        "protocol",
        "src",
        "total_len",
        "ttl",
    )

    def __init__(self, interface: Interface, frame: Buffer, offload: Offload | None) -> None:
        """Malformed: the IP header cannot be read."""
        at = interface.link_length
        self.interface = interface  # it came in by
        self.frame = frame
        self.at = at  # of the IP header in it
        self.offload = offload
        (
            self.header_len,
            self.total_len,
            _,
            self.field,
            self.ttl,
            self.protocol,
            self.src,
            self.dst,
            _,
        ) = parse(frame, at)
        self.head = bytearray(frame[at : at + min(self.total_len, self.header_len + _L4)])

    @property
    def rest(self) -> memoryview:
        return memoryview(self.frame)[self.at + len(self.head) : self.at + self.total_len]

    @property
    def is_fragment(self) -> bool:
        return bool(self.field & (MF | OFFSET_MASK))

    @property
    def may_be_cut(self) -> bool:
        return not self.field & DF

    @property
    def is_martian(self) -> bool:
        """RFC 1812 5.3.7; RFC 3927 2.7 (link-local addresses stay on their link)."""
        src, dst = self.src, self.dst
        return (
            src[0] >= _GROUPS
            or src[0] in (0, _LOOPBACK)
            or dst[0] in (0, _LOOPBACK)
            or is_link_local(src)
            or is_link_local(dst)
        )

    @property
    def largest(self) -> int:
        """Bytes of the largest packet that this frame is on a wire."""
        if self.offload is None or not self.offload.gso_size:
            return self.total_len
        header = udp.HEADER_LENGTH
        if self.protocol == TCP:
            if len(self.head) < self.header_len + tcp.HEADER_LENGTH:
                raise Malformed("gso_format")
            header = self.head[self.header_len + 12] >> 4 << 2
        return min(self.total_len, self.header_len + header + self.offload.gso_size)

    def hop(self) -> None:
        """RFC 1812 5.3.1: one from the time to live."""
        head = self.head
        head[8] -= 1
        _WORD.pack_into(head, 10, ((head[10] << 8 | head[11]) + 0x100) % 65535)

    def checksum(self) -> None:
        """The header's, anew: its options have changed."""
        head = self.head
        head[10:12] = bytes(2)
        _WORD.pack_into(head, 10, -int.from_bytes(head[: self.header_len], "big") % 65535)

    # for translation

    def word(self, at: int) -> int:
        """Of the layer 4 header. Malformed: there is no whole header."""
        if len(self.head) < self.header_len + _LEAST[self.protocol]:
            raise Malformed(_SHORT[self.protocol])
        at += self.header_len
        return self.head[at] << 8 | self.head[at + 1]

    def readdress_alone(self, which: int, address: bytes) -> int:
        """Another address, SRC or DST, that layer 4 does not know of. By how much the sum of words has grown."""
        head = self.head
        moved = int.from_bytes(address, "big") - int.from_bytes(head[which : which + 4], "big")
        head[which : which + 4] = address
        self._adjust(10, moved)
        if which == SRC:
            self.src = address
        else:
            self.dst = address
        return moved

    def _adjust(self, at: int, by: int) -> None:
        (field,) = _WORD.unpack_from(self.head, at)
        _WORD.pack_into(self.head, at, (field - by) % 65535)

    def identify(self, ident: int) -> None:
        """Another identification: two hosts that become one may have used the same (RFC 6864 5.3.1)."""
        (former,) = _WORD.unpack_from(self.head, 4)
        _WORD.pack_into(self.head, 4, ident)
        self._adjust(10, ident - former)

    def readdress(self, which: int, address: bytes, at: int, number: int) -> None:
        """Another address, and another word (a port, an ident) at `at` of the layer 4 header."""
        head, start, protocol = self.head, self.header_len, self.protocol
        renumbered = number - self.word(at)
        _WORD.pack_into(head, start + at, number)
        moved = self.readdress_alone(which, address)
        place = start + _CHECKSUM[protocol]
        (field,) = _WORD.unpack_from(head, place)
        if self.offload is not None and self.offload.checksum == PARTIAL:
            field = (field + moved) % 65535 or 65535
        elif protocol == ICMP:
            field = (field - renumbered) % 65535
        elif protocol == TCP:
            field = (field - moved - renumbered) % 65535
        elif field:  # RFC 768: 0 is for no checksum, RFC 3022 4.1: and stays so
            field = (field - moved - renumbered) % 65535 or 65535
        _WORD.pack_into(head, place, field)


_SHORT = {TCP: "tcp_header_short", UDP: "udp_header_short", ICMP: "icmp_header_short"}
