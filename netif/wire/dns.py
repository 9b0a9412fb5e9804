"""DNS messages: names, questions and the records of the kinds a host asks for. No state, no opinion on who is right.

A name is bytes as on the wire without compression (b"\\3www\\2cf\\4test\\0"); its `.lower()` is the key to compare by,
since the length of a label is never a letter. Records of other kinds keep their data as bytes. What is read is copied.
RFC 1035 3 and 4; 2181 8 (TTL) and 11; 2782 (SRV); 3596 (AAAA); 6891 (OPT).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import attrs

from netif.wire import Buffer, Malformed

HEADER = Struct("!HHHHHH")  # id, flags, how many questions, answers, authorities, additional records
_QUESTION = Struct("!HH")  # type, class
_RECORD = Struct("!HHIH")  # type, class, TTL, length of the data
_SRV = Struct("!HHH")  # priority, weight, port
_SOA = Struct("!IIIII")  # serial, refresh, retry, expire, minimum

PORT = 53
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41
KINDS = {"A": A, "NS": NS, "CNAME": CNAME, "SOA": SOA, "PTR": PTR, "MX": MX, "TXT": TXT, "AAAA": AAAA, "SRV": SRV}
IN = 1  # the class
QR, AA, TC, RD, RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080  # flags
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16  # response codes

LARGEST = 65535  # bytes of a message, by TCP
PLAIN = 512  # bytes of one by UDP, without EDNS
_LONGEST_NAME = 255
_LONGEST_LABEL = 63
_POINTERS = 16  # in one name: far more than any compressor needs
_OPCODE = 0x7800
_ROOT = b"\0"

Name: TypeAlias = bytes


class Mx(NamedTuple):
    preference: int
    exchange: Name


class Srv(NamedTuple):
    priority: int
    weight: int
    port: int
    target: Name


class Soa(NamedTuple):
    mname: Name
    rname: Name
    serial: int
    refresh: int  # seconds, as the rest
    retry: int
    expire: int
    minimum: int


class Question(NamedTuple):
    name: Name
    kind: int
    class_: int = IN


class Record(NamedTuple):
    """data: bytes for A and AAAA, a name for CNAME, NS and PTR, (bytes, ...) for TXT; Mx, Srv, Soa; else raw bytes."""

    name: Name
    kind: int
    ttl: int  # seconds
    data: Any
    class_: int = IN


@attrs.frozen(kw_only=True)
class Message:
    ident: int = 0
    flags: int = 0  # without the response code
    rcode: int = NOERROR  # with EDNS' eight more bits
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()  # but for OPT
    edns: int | None = None  # the largest UDP payload that the sender takes, in bytes; None: no EDNS


# names


def parse_name(text: str) -> Name:
    """From text: dots between labels, one at the end or not, `\\.` and `\\065` for odd bytes, IDNA beyond ASCII.

    ValueError for what no name can be.
    """
    if text in ("", "."):
        return _ROOT
    labels = text.removesuffix(".").split(".") if "\\" not in text else _unescaped(text)
    name = bytearray()
    for label in labels:
        data = label.encode("latin-1") if label.isascii() or "\\" in text else label.encode("idna")
        if not 0 < len(data) <= _LONGEST_LABEL:
            raise ValueError(f"{text!r} is not a name: each part between dots has 1 to 63 bytes")
        name.append(len(data))
        name += data
    if len(name) >= _LONGEST_NAME:
        raise ValueError(f"{text!r} is not a name: it has over 253 bytes")
    return bytes(name) + _ROOT


def _unescaped(text: str) -> list[str]:
    labels, at = [""], 0
    while at < len(text):
        char = text[at]
        digits = text[at + 1 : at + 4]
        if char == ".":
            labels.append("")
        elif char == "\\" and len(digits) == 3 and digits.isdecimal() and int(digits) < 256:
            labels[-1] += chr(int(digits))
            at += 3
        elif char == "\\":
            labels[-1] += text[at + 1 : at + 2]
            at += 1
        else:
            labels[-1] += char
        at += 1
    return labels if labels[-1] else labels[:-1]


def labels_of(name: Name) -> list[bytes]:
    labels, at = [], 0
    while name[at]:
        labels.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    return labels


def format_name(name: Name) -> str:
    """As text without the last dot; `.` for the root. `parse_name` reads it."""
    return ".".join("".join(map(_escaped, label)) for label in labels_of(name)) or "."


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '.\\"();@$':
        return "\\" + char
    return char if 0x21 <= byte <= 0x7E else f"\\{byte:03d}"


def is_within(name: Name, zone: Name) -> bool:
    """`name` is `zone` or below it."""
    name, zone = name.lower(), zone.lower()
    at = 0
    while len(name) - at > len(zone):
        at += 1 + name[at]
    return name[at:] == zone


def reverse_name(address: bytes) -> Name:
    """Where the PTR of an address of 4 or 16 bytes stands (RFC 1035 3.5, 3596 2.5)."""
    if len(address) == 4:
        return parse_name(".".join(str(byte) for byte in reversed(address)) + ".in-addr.arpa")
    return parse_name(".".join(reversed(address.hex())) + ".ip6.arpa")


# parse


def parse(data: Buffer) -> Message:
    """The whole message; bytes behind the last record are ignored. Malformed."""
    if len(data) < HEADER.size:
        raise Malformed("dns_header_short")
    message = bytes(data)
    ident, flags, *counts = HEADER.unpack_from(message)
    at = HEADER.size
    questions = []
    for _ in range(counts[0]):
        name, at = _read_name(message, at)
        if at + _QUESTION.size > len(message):
            raise Malformed("dns_record_short")
        questions.append(Question(name, *_QUESTION.unpack_from(message, at)))
        at += _QUESTION.size
    sections: list[tuple[Record, ...]] = []
    for count in counts[1:]:
        records, at = _read_records(message, at, count)
        sections.append(records)
    rcode = flags & 15
    options = [record for section in sections for record in section if record.kind == OPT]
    if options:
        if len(options) > 1 or options[0] not in sections[2] or options[0].name != _ROOT:  # RFC 6891 6.1.1
            raise Malformed("dns_opt")
        sections[2] = tuple(record for record in sections[2] if record.kind != OPT)
        rcode |= options[0].ttl >> 24 << 4
    return Message(
        ident=ident,
        flags=flags & ~15,
        rcode=rcode,
        questions=tuple(questions),
        answers=sections[0],
        authority=sections[1],
        additional=sections[2],
        edns=options[0].class_ if options else None,
    )


def _read_records(message: bytes, at: int, count: int) -> tuple[tuple[Record, ...], int]:
    records = []
    for _ in range(count):
        name, at = _read_name(message, at)
        if at + _RECORD.size > len(message):
            raise Malformed("dns_record_short")
        kind, class_, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        end = at + length
        if end > len(message):
            raise Malformed("dns_record_short")
        if ttl >> 31 and kind != OPT:
            ttl = 0  # RFC 2181 8
        read = _READ.get(kind)
        data = message[at:end] if read is None or class_ != IN else read(message, at, end)
        records.append(Record(name, kind, ttl, data, class_))
        at = end
    return tuple(records), at


def _read_name(message: bytes, at: int) -> tuple[Name, int]:
    """(the name, where it ends). A pointer leads to before the name it is in: no way round (RFC 1035 4.1.4)."""
    name = bytearray()
    begin, end, pointers = at, 0, 0
    while True:
        if at >= len(message):
            raise Malformed("dns_name")
        length = message[at]
        if length >= 0xC0:
            if at + 2 > len(message):
                raise Malformed("dns_name")
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            pointers += 1
            if at >= begin or pointers > _POINTERS:
                raise Malformed("dns_pointer")
            begin = at
        elif length > _LONGEST_LABEL or at + 1 + length > len(message) or len(name) + 1 + length > _LONGEST_NAME:
            raise Malformed("dns_name")
        else:
            name += message[at : at + 1 + length]
            at += 1 + length
            if not length:
                return bytes(name), end or at


def _only_name(message: bytes, at: int, end: int) -> Name:
    name, after = _read_name(message, at)
    if after != end:
        raise Malformed("dns_rdata")
    return name


def _address(length: int) -> Callable[[bytes, int, int], bytes]:
    def read(message: bytes, at: int, end: int) -> bytes:
        if end - at != length:
            raise Malformed("dns_rdata")
        return message[at:end]

    return read


def _mx(message: bytes, at: int, end: int) -> Mx:
    if end - at < 3:
        raise Malformed("dns_rdata")
    return Mx(int.from_bytes(message[at : at + 2], "big"), _only_name(message, at + 2, end))


def _srv(message: bytes, at: int, end: int) -> Srv:
    if end - at <= _SRV.size:
        raise Malformed("dns_rdata")
    priority, weight, port = _SRV.unpack_from(message, at)
    return Srv(priority, weight, port, _only_name(message, at + _SRV.size, end))


def _soa(message: bytes, at: int, end: int) -> Soa:
    mname, at = _read_name(message, at)
    rname, at = _read_name(message, at)
    if end - at != _SOA.size:
        raise Malformed("dns_rdata")
    return Soa(mname, rname, *_SOA.unpack_from(message, at))


def _txt(message: bytes, at: int, end: int) -> tuple[bytes, ...]:
    strings = []
    while at < end:
        strings.append(message[at + 1 : at + 1 + message[at]])
        at += 1 + message[at]
    if at != end or not strings:  # RFC 1035 3.3.14: one or more
        raise Malformed("dns_rdata")
    return tuple(strings)


_READ: dict[int, Callable[[bytes, int, int], Any]] = {
    A: _address(4),
    AAAA: _address(16),
    CNAME: _only_name,
    NS: _only_name,
    PTR: _only_name,
    MX: _mx,
    SRV: _srv,
    SOA: _soa,
    TXT: _txt,
}


# emit


def query(ident: int, name: Name, kind: int, edns: int | None = None) -> bytes:
    """One question to a server that is to find the answer for us."""
    return emit(Message(ident=ident, flags=RD, questions=(Question(name, kind),), edns=edns))


def emit(message: Message) -> bytes:
    """Without compression."""
    counts = [len(message.questions), len(message.answers), len(message.authority), len(message.additional)]
    counts[3] += message.edns is not None
    parts = [HEADER.pack(message.ident, message.flags | message.rcode & 15, *counts)]
    parts += (name + _QUESTION.pack(kind, class_) for name, kind, class_ in message.questions)
    for section in (message.answers, message.authority, message.additional):
        parts += map(_emit_record, section)
    if message.edns is not None:
        parts.append(_ROOT + _RECORD.pack(OPT, message.edns, message.rcode >> 4 << 24, 0))
    return b"".join(parts)


def _emit_record(record: Record) -> bytes:
    kind, data = record.kind, record.data
    if isinstance(data, Mx):
        data = data.preference.to_bytes(2, "big") + data.exchange
    elif isinstance(data, Srv):
        data = _SRV.pack(data.priority, data.weight, data.port) + data.target
    elif isinstance(data, Soa):
        data = data.mname + data.rname + _SOA.pack(*data[2:])
    elif isinstance(data, tuple):
        data = b"".join(bytes([len(string)]) + string for string in data)
    return record.name + _RECORD.pack(kind, record.class_, record.ttl, len(data)) + bytes(data)
