"""What a stack sends, held against what a capture says that it sent: order and content, but for what may differ.

Per connection of ours the initial sequence number, the timestamp clock, and the port that we open it from are mapped
from the capture's onto today's; the far side's frames are rewritten by that. IP idents, timestamp values, checksums
and padding are not compared. `strict` compares bytes, and rewrites nothing.
RFC 9293 3.1, RFC 7323 3, RFC 2018 3, RFC 1624 3 (a checksum, updated).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, TypeVar

from netif.wire import Malformed, ethernet, ip, options, tcp, udp
from netif.wire.checksum import partial_sum
from netif.wire.notation import Relative

log = logging.getLogger(__name__)

MISMATCHES = 100  # lines that are kept, and logged; all are counted
_CONNECTIONS = 4096  # whose numbers are mapped; the oldest is forgotten
_MASK = 0xFFFFFFFF
_ARP_LENGTH = 28
_FIELDS = {tcp.PROTOCOL: tcp.CHECKSUM_OFFSET, udp.PROTOCOL: udp.CHECKSUM_OFFSET, ip.ICMP: 2}

Number = TypeVar("Number")
Key: TypeAlias = tuple[bytes, int, bytes, int]  # source and destination


class Shift(NamedTuple):
    """Today's numbers of one connection of ours, less the capture's; and our port of today."""

    seq: int
    stamp: int
    port: int


class Segment(NamedTuple):
    """Where a frame has its TCP header, and what stands there."""

    l4: int
    end: int  # of the header
    key: Key
    seq: int
    flags: int
    stamp: int | None  # our clock's, in the timestamp option


def find_options(frame: bytes | bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(kind, offset of its value, length of its value) of each, as far as the list can be walked."""
    while at < end and (kind := frame[at]) != options.END:
        length = 1 if kind == options.NOP else frame[at + 1] if at + 1 < end else 0
        if not length or (kind != options.NOP and length < 2) or at + length > end:
            return
        if kind != options.NOP:
            yield kind, at + 2, length - 2
        at += length


def ip_start(frame: bytes, link: int) -> int | None:
    """Where the IPv4 header begins; None: there is none."""
    if not link:
        return 0
    return link if frame[12:14] == b"\x08\0" else None


def segment_of(frame: bytes, link: int) -> Segment | None:
    """None: no TCP segment that is whole."""
    start = ip_start(frame, link)
    if start is None:
        return None
    try:
        header_len, total_len, _, fragment, _, protocol, src, dst, _ = ip.parse(frame, start)
        if protocol != ip.TCP or fragment & (ip.MF | ip.OFFSET_MASK):
            return None
        l4 = start + header_len
        sport, dport, seq, _, tcp_len, flags, _, _ = tcp.parse(frame, l4, start + total_len)
    except Malformed:
        return None
    stamp = None
    for kind, at, length in find_options(frame, l4 + 20, l4 + tcp_len):
        if kind == options.TIMESTAMP and length == 8:
            stamp = word(frame, at)
    return Segment(l4, l4 + tcp_len, (src, sport, dst, dport), seq, flags, stamp)


def word(frame: bytes | bytearray, at: int) -> int:
    return int.from_bytes(frame[at : at + 4], "big")


def add(frame: bytearray, at: int, amount: int) -> None:
    """To the 32 bits at `at`."""
    frame[at : at + 4] = (word(frame, at) + amount & _MASK).to_bytes(4, "big")


def opens(segment: Segment) -> bool:
    """It is the first of a connection, from whichever port."""
    return segment.flags & (tcp.SYN | tcp.ACK) == tcp.SYN


def remember(numbers: dict[Key, Number], key: Key, number: Number) -> None:
    while len(numbers) >= _CONNECTIONS:
        del numbers[next(iter(numbers))]
    numbers[key] = number


class Dialogue:
    """`link` bytes stand in front of each frame's IP header."""

    def __init__(self, link: int, strict: bool) -> None:
        self.link = link
        self.strict = strict
        self.matched = 0  # frames of ours that were as recorded
        self.differing = 0  # mismatches of all kinds
        self.mismatches: list[str] = []  # the first of them, a line each
        self._shifts: dict[Key, Shift] = {}  # by the capture's ports
        self._ports: dict[Key, int] = {}  # the capture's, by today's
        self._recorded, self._today = Relative(), Relative()

    def is_same(self, expected: bytes, got: bytes) -> bool:
        if self.strict or expected == got:
            return expected == got
        return self._canonical(expected, None) == self._canonical(got, expected)

    def _canonical(self, frame: bytes, recorded: bytes | None) -> bytes:
        """A frame without what may differ; one of today (with `recorded`) has the capture's numbers."""
        start = ip_start(frame, self.link)
        if start is None:
            is_arp = frame[12:14] == ethernet.ARP.to_bytes(2, "big")
            return frame[: self.link + _ARP_LENGTH] if is_arp else frame
        try:
            header_len, total_len, _, fragment, _, protocol, *_ = ip.parse(frame, start)
        except Malformed:
            return frame
        plain = bytearray(frame[: start + total_len])
        plain[start + 4 : start + 6] = plain[start + 10 : start + 12] = bytes(2)
        at = start + header_len + _FIELDS.get(protocol, 0)
        if protocol in _FIELDS and not fragment & ip.OFFSET_MASK and at + 2 <= len(plain):
            plain[at : at + 2] = bytes(2)
        segment = segment_of(frame, self.link)
        if segment is not None:
            self._neutral(plain, segment, is_today=recorded is not None)
        return bytes(plain)

    def _neutral(self, plain: bytearray, segment: Segment, *, is_today: bool) -> None:
        l4, key = segment.l4, self._key_then(segment.key) if is_today else segment.key
        shift = self._shifts.get(key)
        plain[l4 : l4 + 2] = bytes(2) if opens(segment) else key[1].to_bytes(2, "big")
        if shift is None or segment.flags & tcp.SYN:
            plain[l4 + 4 : l4 + 8] = bytes(4)
        elif is_today:
            add(plain, l4 + 4, -shift.seq)
        for kind, at, length in find_options(plain, l4 + 20, segment.end):
            if kind == options.TIMESTAMP:
                plain[at : at + length] = bytes(length)

    def accept(self, expected: bytes, got: bytes) -> None:
        """This frame of ours stands for that one, whether they are the same or not."""
        if self.strict:
            return
        was, now = segment_of(expected, self.link), segment_of(got, self.link)
        if was is None or now is None:
            return
        if opens(was) and opens(now) and was.key[2:] == now.key[2:]:
            remember(self._ports, now.key, was.key[1])
        elif was.key != self._key_then(now.key):
            return
        if now.flags & tcp.SYN:
            self._recorded.format_frame(expected, start=self.link)
            self._today.format_frame(got, start=self.link)
        if now.flags & tcp.SYN or was.key not in self._shifts:
            stamp = 0 if now.stamp is None or was.stamp is None else now.stamp - was.stamp
            shift = Shift(now.seq - was.seq & _MASK, stamp & _MASK, now.key[1])
            remember(self._shifts, was.key, shift)

    def _key_then(self, key: Key) -> Key:
        """With the capture's port."""
        src, sport, dst, dport = key
        return src, self._ports.get(key, sport), dst, dport

    def rewritten(self, frame: bytes, *, partial: bool) -> bytes:
        """A frame of the far side that speaks of today's numbers; its checksum is as right as it was."""
        if self.strict:
            return frame
        segment = segment_of(frame, self.link)
        if segment is None:
            return frame
        if segment.flags & tcp.SYN:
            self._recorded.format_frame(frame, start=self.link)
            self._today.format_frame(frame, start=self.link)
        src, sport, dst, dport = segment.key
        shift = self._shifts.get((dst, dport, src, sport))
        if shift is None:
            return frame
        changed, l4 = bytearray(frame), segment.l4
        changed[l4 + 2 : l4 + 4] = shift.port.to_bytes(2, "big")
        if segment.flags & tcp.ACK:
            add(changed, l4 + 8, shift.seq)
        for kind, at, length in find_options(changed, l4 + 20, segment.end):
            if kind == options.SACK:
                for edge in range(at, at + length - 3, 4):
                    add(changed, edge, shift.seq)
            elif kind == options.TIMESTAMP and length == 8 and segment.flags & tcp.ACK:
                add(changed, at + 4, shift.stamp)
        if not partial:
            field = l4 + tcp.CHECKSUM_OFFSET
            more = partial_sum(changed[l4 : segment.end]) - partial_sum(frame[l4 : segment.end])
            sum_now = (changed[field] << 8 | changed[field + 1]) - more
            changed[field : field + 2] = (sum_now % 65535).to_bytes(2, "big")
        return bytes(changed)

    def is_alike(self, expected: bytes, got: bytes) -> bool:
        """Whether one may have been meant by the other: the same protocol between the same ends."""
        was, now = segment_of(expected, self.link), segment_of(got, self.link)
        if was is not None or now is not None:
            return was is not None and now is not None and was.key == self._key_then(now.key)
        start = self.link
        return expected[:start] == got[:start] and expected[start + 9 : start + 24] == got[start + 9 : start + 24]

    # what is told

    def differs(self, number: int, at: float, expected: bytes, got: bytes) -> None:
        was = self._recorded.format_frame(expected, start=self.link)
        now = self._today.format_frame(got, start=self.link)
        detail = "" if was != now else f" ({self._first_difference(expected, got)})"
        self.tell(f"frame {number}, at {at:.6f}: expected {was}; got {now}{detail}")

    def _first_difference(self, expected: bytes, got: bytes) -> str:
        if not self.strict:
            expected, got = self._canonical(expected, None), self._canonical(got, expected)
        for at, (was, now) in enumerate(zip(expected, got, strict=False)):
            if was != now:
                return f"byte {at} is 0x{now:02x}, and was 0x{was:02x}"
        return f"{len(got)} bytes, and were {len(expected)}"

    def missing(self, number: int, at: float, expected: bytes) -> None:
        was = self._recorded.format_frame(expected, start=self.link)
        self.tell(f"frame {number}, at {at:.6f}: expected {was}; got nothing")

    def unexpected(self, at: float, got: bytes) -> None:
        self.tell(f"at {at:.6f}: expected nothing; got {self._today.format_frame(got, start=self.link)}")

    def untimely(self, number: int, at: float, late: float, got: bytes) -> None:
        when = f"{abs(late):.6f} s too {'late' if late > 0 else 'early'}"
        self.tell(f"frame {number}, at {at:.6f}: {when}: {self._today.format_frame(got, start=self.link)}")

    def tell(self, line: str) -> None:
        self.differing += 1
        if len(self.mismatches) < MISMATCHES:
            self.mismatches.append(line)
            log.warning("%s", line)
