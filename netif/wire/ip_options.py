"""The options of an IPv4 header: walked safely, copied into fragments, answered in an echo reply.

What an option means is the stack's business, and so is whether the packet is taken. RFC 791 3.1; RFC 1122 3.2.1.8,
3.2.2.6; RFC 2113 (router alert); RFC 7126 (what hosts should do about each).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

END, NOP, RECORD_ROUTE, TIMESTAMP = 0, 1, 7, 68
SECURITY, LOOSE_SOURCE_ROUTE, STREAM_ID, STRICT_SOURCE_ROUTE, ROUTER_ALERT = 130, 131, 136, 137, 148
SOURCE_ROUTES = frozenset((LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE))
RECORDED = frozenset((RECORD_ROUTE, TIMESTAMP))  # what those on the way write into
MAX_LENGTH = 40
COPIED = 0x80  # the bit of an option's type: it goes into every fragment
_ONCE = frozenset((RECORD_ROUTE, TIMESTAMP, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE, ROUTER_ALERT))
_TIMESTAMPS_ALONE, _WITH_ADDRESSES, _PRESCRIBED = 0, 1, 3  # the flags of a timestamp option


class Option(NamedTuple):
    kind: int
    data: bytes  # the whole option, type and length included


class BadOptionError(Exception):
    """The options cannot be read; `pointer` is the offending byte's place in the IP header (RFC 792)."""

    def __init__(self, pointer: int) -> None:
        super().__init__(f"byte {pointer} of the IP header")
        self.pointer = pointer


def walk(options: bytes) -> Iterator[Option]:
    """Every option but the padding; BadOptionError when the next one cannot be read."""
    at = 0
    end = len(options)
    seen = set()
    while at < end:
        kind = options[at]
        if kind == END:
            return
        if kind == NOP:
            at += 1
            continue
        length = options[at + 1] if at + 1 < end else 0
        if length < 2 or length > end - at:
            raise BadOptionError(20 + at + 1 if at + 1 < end else 20 + at)
        if kind in _ONCE:
            if kind in seen:
                raise BadOptionError(20 + at)
            seen.add(kind)
        option = Option(kind, options[at : at + length])
        wrong = _wrong_byte(option)
        if wrong is not None:
            raise BadOptionError(20 + at + wrong)
        yield option
        at += length


def _wrong_byte(option: Option) -> int | None:
    """Where an option that we know contradicts its definition."""
    kind, data = option
    length = len(data)
    if kind in (RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE):
        if length < 3:
            return 1
        return 2 if data[2] < 4 or (data[2] <= length < data[2] + 3) else None
    if kind == TIMESTAMP:
        if length < 4:
            return 1
        flags = data[3] & 15
        size = 4 if flags == _TIMESTAMPS_ALONE else 8
        if data[2] < 5 or (data[2] <= length < data[2] + size - 1):
            return 2
        full = data[2] > length
        return 3 if flags not in (0, 1, 3) or (full and data[3] >> 4 == 15) else None
    return 1 if kind == ROUTER_ALERT and length < 4 else None


def padded(options: bytes) -> bytes:
    """Filled up to whole words."""
    return options + bytes(-len(options) % 4)


def copied(options: bytes) -> bytes:
    """What of them goes into the second and every further fragment. They have been walked before."""
    return padded(b"".join(data for kind, data in walk(options) if kind & COPIED))


def for_reply(options: bytes, address: bytes, milliseconds: int) -> bytes:
    """What of them an echo reply bears: record route and timestamp, this host among them (RFC 1122 3.2.2.6)."""
    parts = []
    for kind, data in walk(options):
        if kind == RECORD_ROUTE:
            parts.append(_recorded(data, address))
        elif kind == TIMESTAMP:
            parts.append(_stamped(data, address, milliseconds.to_bytes(4, "big")))
    return padded(b"".join(parts))


def in_transit(options: bytes, address: bytes, milliseconds: int) -> bytes:
    """As they leave a router by `address` (RFC 1812 5.3.13.5, 5.3.13.6); nothing moves. They have been walked."""
    made = bytearray(options)
    at = 0
    for kind, data in walk(options):
        at = options.index(data, at)  # nothing but padding stands between two of them
        if kind == RECORD_ROUTE:
            made[at : at + len(data)] = _recorded(data, address)
        elif kind == TIMESTAMP:
            made[at : at + len(data)] = _stamped(data, address, milliseconds.to_bytes(4, "big"))
        at += len(data)
    return bytes(made)


def _recorded(data: bytes, address: bytes) -> bytes:
    at = data[2] - 1
    if at + 4 > len(data):
        return data  # full: it stays as it is
    return data[:2] + bytes((data[2] + 4,)) + data[3:at] + address + data[at + 4 :]


def _stamped(data: bytes, address: bytes, stamp: bytes) -> bytes:
    """RFC 791: a time, with or without the address; or a count of those that found no room."""
    at = data[2] - 1
    flags = data[3] & 15
    entry = stamp if flags == _TIMESTAMPS_ALONE else address + stamp
    if at + len(entry) > len(data):
        return data[:3] + bytes((data[3] + 16,)) + data[4:]
    if flags == _PRESCRIBED and data[at : at + 4] != address:
        return data  # the next of the hosts that are asked is another
    return data[:2] + bytes((data[2] + len(entry),)) + data[3:at] + entry + data[at + len(entry) :]
