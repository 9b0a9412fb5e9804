"""DHCP messages as a client and a server exchange them over Ethernet; what their options hold is `dhcp_options`.

Reading joins an option that comes in pieces (RFC 3396) and looks into `file` and `sname` where option 52 says so;
writing cuts and overloads in the same way, once a limit is given. A message without type, plain BOOTP, is Malformed.
RFC 2131 2; RFC 2132 2, 9.3 and 9.6.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from struct import Struct

import attrs

from netif.wire import Buffer, Malformed
from netif.wire.dhcp_options import END, MESSAGE_TYPE, OVERLOAD, PAD
from netif.wire.ip import ANY

SERVER_PORT, CLIENT_PORT = 67, 68
BOOTREQUEST, BOOTREPLY = 1, 2
# op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, magic cookie
HEADER = Struct("!BBBBIHH4s4s4s4s6s10x64s128s4s")
COOKIE = b"\x63\x82\x53\x63"  # RFC 2131 3
BROADCAST_FLAG = 0x8000
LEAST = 300  # bytes of a message on the wire (RFC 1542 2.1)
LEAST_ACCEPTED = 548  # bytes of a message that everybody takes: an IP datagram of 576 (RFC 2131 2)
LARGEST = 65535 - 28  # bytes that a UDP datagram holds

_ETHERNET = (1, 6)  # htype and hlen


class MessageType(enum.IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@attrs.frozen(kw_only=True)
class Message:
    """One message. Addresses are 4 bytes, `chaddr` 6; `options` is without 52 and 53, and keeps its order on the wire,
    the most important first."""

    op: int
    kind: MessageType
    xid: int
    chaddr: bytes
    secs: int = 0
    broadcast: bool = False  # the client asks for answers by broadcast
    hops: int = 0
    ciaddr: bytes = ANY
    yiaddr: bytes = ANY
    siaddr: bytes = ANY
    giaddr: bytes = ANY
    sname: bytes = b""  # without its padding
    file: bytes = b""
    options: Mapping[int, bytes] = attrs.field(factory=dict)


def parse(frame: Buffer, start: int, end: int) -> Message:
    """The message in frame[start:end], a UDP datagram's payload."""
    if end - start < HEADER.size:
        raise Malformed("dhcp_short")
    op, htype, hlen, hops, xid, secs, flags, *addresses, chaddr, sname, file, cookie = HEADER.unpack_from(frame, start)
    if cookie != COOKIE:
        raise Malformed("dhcp_cookie")
    if op not in (BOOTREQUEST, BOOTREPLY) or (htype, hlen) != _ETHERNET:
        raise Malformed("dhcp_format")
    ciaddr, yiaddr, siaddr, giaddr = addresses
    pieces: dict[int, list[bytes]] = {}
    _walk(bytes(frame[start + HEADER.size : end]), pieces)
    overload = b"".join(pieces.pop(OVERLOAD, ())) or b"\0"
    if len(overload) != 1 or overload[0] > 3:
        raise Malformed("dhcp_overload")
    if overload[0] & 1:
        _walk(file, pieces)
        file = b""
    if overload[0] & 2:
        _walk(sname, pieces)
        sname = b""
    pieces.pop(OVERLOAD, None)
    kind = b"".join(pieces.pop(MESSAGE_TYPE, ()))
    if len(kind) != 1 or not 1 <= kind[0] <= 8:
        raise Malformed("dhcp_message_type")
    return Message(
        op=op,
        kind=MessageType(kind[0]),
        xid=xid,
        chaddr=chaddr,
        secs=secs,
        broadcast=bool(flags & BROADCAST_FLAG),
        hops=hops,
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=giaddr,
        sname=sname.rstrip(b"\0"),
        file=file.rstrip(b"\0"),
        options={code: b"".join(parts) for code, parts in pieces.items()},  # RFC 3396 5
    )


def _walk(data: bytes, pieces: dict[int, list[bytes]]) -> None:
    """One area of options; an end that is missing is as good as one (many servers forget it)."""
    at, end = 0, len(data)
    while at < end and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        after = at + 2 + data[at + 1] if at + 1 < end else end + 1
        if after > end:
            raise Malformed("dhcp_option_length")
        pieces.setdefault(data[at], []).append(data[at + 2 : after])
        at = after


def emit(message: Message, *, limit: int = LARGEST) -> bytes:
    """The message, at most `limit` bytes (LEAST_ACCEPTED or more): beyond that options go into `file` and `sname` where
    those are empty, and one that finds no room is left out."""
    assert limit >= LEAST_ACCEPTED, limit
    first = bytes((MESSAGE_TYPE, 1, message.kind))
    rooms = [limit - HEADER.size - len(first) - 4, 0 if message.file else 127, 0 if message.sname else 63]
    areas = [bytearray(), bytearray(), bytearray()]
    for code, value in message.options.items():
        _place(code, value, areas, rooms)
    overload = bool(areas[1]) + 2 * bool(areas[2])
    if overload:
        first += bytes((OVERLOAD, 1, overload))
    header = HEADER.pack(
        message.op,
        *_ETHERNET,
        message.hops,
        message.xid,
        message.secs,
        BROADCAST_FLAG if message.broadcast else 0,
        message.ciaddr,
        message.yiaddr,
        message.siaddr,
        message.giaddr,
        message.chaddr,
        _area(areas[2], message.sname),
        _area(areas[1], message.file),
        COOKIE,
    )
    return (header + first + bytes(areas[0]) + bytes((END,))).ljust(LEAST, b"\0")


def _area(options: bytearray, text: bytes) -> bytes:
    return bytes(options) + bytes((END,)) if options else text


def _place(code: int, value: bytes, areas: list[bytearray], rooms: list[int]) -> None:
    """Whole where it fits whole; one of more than 255 bytes in pieces, from the front (RFC 3396 7)."""
    size = len(value)
    if size <= 255:
        for area, room in zip(areas, rooms, strict=True):
            if len(area) + 2 + size <= room:
                area += bytes((code, size)) + value
                return
        return
    pieces: list[tuple[bytearray, bytes]] = []
    for area, room in zip(areas, rooms, strict=True):
        left = room - len(area)
        while value and left > 2:
            take = min(255, left - 2, len(value))
            pieces.append((area, bytes((code, take)) + value[:take]))
            value = value[take:]
            left -= 2 + take
    if not value:
        for area, piece in pieces:
            area += piece
