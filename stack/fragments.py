"""Puts datagrams together that arrive in fragments, in whatever order; bounded in number, bytes and time.

What overlaps, contradicts itself or grows past 65535 bytes is lost as a whole, and what still comes of it (RFC 5722 4);
an exact copy is harmless. Under pressure the source that holds most loses what grew least lately. RFC 791 3.2; RFC 815;
RFC 1122 3.3.2 (but 30 s, as Linux has it); RFC 1858 and 3128 (tiny fragments); RFC 3168 5.3 (ECN).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from netif.link import Buffer
from netif.wire import icmp
from netif.wire.ip import HEADER, MF, OFFSET_MASK, TCP, parse
from stack.timers import Timed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

REASSEMBLY_TIME = 30.0  # seconds from the first fragment on
PIECE_OVERHEAD = 128  # bytes that a piece costs beside its data
_TCP_HEADER = 20
_CE, _ECN = 3, 3
_FORBIDDEN_WITH_NOT_ECT = 0b1110  # sets of ECN codepoints, a bit each; Not-ECT is bit 0

Key: TypeAlias = "tuple[Interface, bytes, bytes, int, int]"  # interface, src, dst, protocol, identification


class Incomplete:
    """One datagram's pieces, in order and without overlap."""

    __slots__ = ("charge", "ecn", "end", "expires", "head", "key", "pieces", "received", "spoiled", "starts")

    def __init__(self, key: Key, expires: float) -> None:
        self.key = key
        self.expires = expires
        self.head = b""  # of the first fragment: link-layer and IP header
        self.starts: list[int] = []
        self.pieces: list[bytes] = []
        self.received = 0
        self.end: int | None = None  # bytes of payload, once the last fragment told
        self.ecn = 0  # the codepoints that were seen
        self.charge = PIECE_OVERHEAD  # bytes of memory
        self.spoiled = False  # lost, and so is what still comes of it

    def place(self, start: int, data: bytes, last: bool) -> bool:
        """Take a piece, or know it already. False: it overlaps another, or contradicts what is known of the end."""
        end = start + len(data)
        starts, pieces = self.starts, self.pieces
        at = bisect_left(starts, start)
        if at < len(starts) and starts[at] == start and pieces[at] == data:
            return (self.end == end) if last else self.end is None or end < self.end
        if at and starts[at - 1] + len(pieces[at - 1]) > start:
            return False
        if at < len(starts) and (end > starts[at] or last):
            return False
        if self.end is not None and end > self.end:
            return False
        starts.insert(at, start)
        pieces.insert(at, data)
        self.received += len(data)
        self.charge += len(data) + PIECE_OVERHEAD
        if last:
            self.end = end
        return True

    def spoil(self) -> None:
        self.spoiled = True
        self.head = b""
        self.starts, self.pieces = [], []
        self.charge = PIECE_OVERHEAD


class Fragments(Timed):
    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.held = 0  # bytes
        self._incomplete: dict[Key, Incomplete] = {}  # the one that grew longest ago comes first

    def __len__(self) -> int:
        return len(self._incomplete)

    def arrived(self, interface: Interface, frame: Buffer, offset: int) -> bytes | None:
        """One fragment, its IP header at `offset`. The datagram it completes: a frame with one whole IP header."""
        header_len, total_len, ident, field, _, protocol, src, dst, tos = parse(frame, offset)
        start = (field & OFFSET_MASK) << 3
        last = not field & MF
        size = total_len - header_len
        reason = _unfit(start, size, last, protocol)
        if reason is not None:
            interface.drop(reason)
            return None
        datagram = self._datagram((interface, src, dst, protocol, ident))
        if datagram.spoiled:
            interface.drop("ip_fragment_spoiled")
            return None
        before = datagram.charge
        if start + size + 20 > 0xFFFF:  # the "ping of death"
            self._spoil(datagram, "ip_fragment_oversize")
        elif not datagram.place(start, bytes(frame[offset + header_len : offset + total_len]), last):
            self._spoil(datagram, "ip_fragment_overlap")
        else:
            self.held += datagram.charge - before
            datagram.ecn |= 1 << (tos & _ECN)
            if not start:
                datagram.head = bytes(frame[: offset + header_len])
            if datagram.received == datagram.end:
                return self._whole(interface, datagram, offset)
            self._keep_within_bounds()
        return None

    def _datagram(self, key: Key) -> Incomplete:
        """It is the one that grew last from now on."""
        datagram = self._incomplete.pop(key, None)
        if datagram is None:
            datagram = Incomplete(key, self.stack.now + REASSEMBLY_TIME)
            self.held += datagram.charge
            if self.deadline is None:
                self.deadline = datagram.expires
                self.stack.arm(self)
        self._incomplete[key] = datagram
        return datagram

    def _whole(self, interface: Interface, datagram: Incomplete, offset: int) -> bytes | None:
        self._forget(datagram)
        head = datagram.head
        total_len = len(head) - offset + datagram.received
        if total_len > 0xFFFF:
            interface.drop("ip_fragment_oversize")
            return None
        first, tos, _, ident, _, ttl, protocol, _, src, dst = HEADER.unpack_from(head, offset)
        if datagram.ecn & 1 and datagram.ecn & _FORBIDDEN_WITH_NOT_ECT:
            interface.drop("ip_fragment_ecn")
            return None
        if datagram.ecn >> _CE:
            tos |= _CE
        header = HEADER.pack(first, tos, total_len, ident, 0, ttl, protocol, 0, src, dst) + head[offset + 20 :]
        checksum = (-int.from_bytes(header, "big") % 65535).to_bytes(2, "big")
        self.stack.stats.count("reassembled")
        return b"".join((head[:offset], header[:10], checksum, header[12:], *datagram.pieces))

    def _keep_within_bounds(self) -> None:
        limits = self.stack.limits
        while len(self._incomplete) > limits.reassembly_datagrams:
            self._evict(Counter(key[1] for key in self._incomplete))
        while self.held > limits.reassembly_bytes:
            shares: Counter[bytes] = Counter()
            for key, datagram in self._incomplete.items():
                shares[key[1]] += datagram.charge
            self._evict(shares)

    def _evict(self, shares: Counter[bytes]) -> None:
        most = max(shares.values())
        victim = next(each for each in self._incomplete.values() if shares[each.key[1]] == most)
        self._forget(victim)
        victim.key[0].drop("ip_reassembly_full")

    def _spoil(self, datagram: Incomplete, reason: str) -> None:
        self.held -= datagram.charge
        datagram.spoil()
        self.held += datagram.charge
        datagram.key[0].drop(reason)
        self._keep_within_bounds()

    def _forget(self, datagram: Incomplete) -> None:
        del self._incomplete[datagram.key]
        self.held -= datagram.charge
        if not self._incomplete:
            self.deadline = None

    def expire(self, now: float) -> None:
        """RFC 1122 3.3.2: whoever sent the first fragment is told that the others did not come."""
        for datagram in [each for each in self._incomplete.values() if each.expires <= now]:
            self._forget(datagram)
            interface, src, dst, _, _ = datagram.key
            interface.drop("ip_reassembly_time")
            if datagram.head:
                frame = _first_fragment(datagram)
                at = interface.link_length
                self.stack.icmp.time_exceeded(interface, icmp.REASSEMBLY_TIME_EXCEEDED, src, dst, frame, at)
        self.deadline = min((each.expires for each in self._incomplete.values()), default=None)

    def clear(self, interface: Interface) -> None:
        """The interface goes."""
        for datagram in [each for each in self._incomplete.values() if each.key[0] is interface]:
            self._forget(datagram)
            interface.drop("link_down")


def _first_fragment(datagram: Incomplete) -> bytes:
    """As it came, but for what padded the frame."""
    return datagram.head + datagram.pieces[0]


def _unfit(start: int, size: int, last: bool, protocol: int) -> str | None:
    """Why this cannot be a fragment of anything."""
    if not size or (not last and size & 7):
        return "ip_fragment"
    if protocol == TCP and (start == 8 or (not start and size < _TCP_HEADER)):
        return "ip_fragment_tiny"  # RFC 1858 3.2 and RFC 3128: a filter would have seen no flags
    return None
