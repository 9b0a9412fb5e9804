"""The one notation for what is on the wire, both ways: in traces, tests and documents, after tcpdump and packetdrill.

A segment is `FLAGS SEQ:END(LENGTH) ack N win N urg N <options>`; the flags are letters of "FSRP.UEW" ("." is ACK, "E"
ECE, "W" CWR, "-" none), and SYN and FIN do not count in LENGTH. Options: `mss 1460`, `sackOK`, `TS val 1 ecr 2`,
`wscale 7`, `sack 1:2 3:4`, `nop`, `eol`, `opt-253 0x0102`. `Relative` counts from each flow's initial numbers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netif.wire import Buffer, Malformed, arp, ethernet, icmp, igmp, ip, options, tcp, udp
from netif.wire.options import Options

_FLAGS = "FSRP.UEW"  # bit 0 first
_MASK = 0xFFFFFFFF
_MAX_FLOWS = 4096  # that Relative remembers; the oldest is forgotten
_PROTOCOLS = {ip.ICMP: "icmp", ip.IGMP: "igmp", ip.TCP: "tcp", ip.UDP: "udp", ip.ICMPV6: "icmp6"}
_UNREACHABLE = {
    icmp.NET_UNREACHABLE: "net unreachable",
    icmp.HOST_UNREACHABLE: "host unreachable",
    icmp.PROTOCOL_UNREACHABLE: "protocol unreachable",
    icmp.PORT_UNREACHABLE: "port unreachable",
    icmp.ADMINISTRATIVELY_PROHIBITED: "administratively prohibited",
}

_IGMP = {igmp.V1_REPORT: "report v1", igmp.V2_REPORT: "report v2", igmp.LEAVE: "leave"}
_RECORDS = {
    igmp.IS_IN: "is_in",
    igmp.IS_EX: "is_ex",
    igmp.TO_IN: "to_in",
    igmp.TO_EX: "to_ex",
    igmp.ALLOW: "allow",
    igmp.BLOCK: "block",
}


class SegmentText(NamedTuple):
    """What the text of a segment says; None where it says nothing."""

    flags: int
    seq: int
    end: int
    ack: int | None
    window: int | None
    options: Options
    length: int  # payload bytes
    option_bytes: bytes  # in the text's order, filled up to whole words with NOP
    urgent: int = 0


class Relative:
    """Sequence numbers counted from each flow's SYN, or from the first seen; acknowledgements from the other way's."""

    def __init__(self) -> None:
        self._bases: dict[tuple[bytes, int, bytes, int], int] = {}

    def format_frame(self, frame: Buffer, *, start: int = 14) -> str:
        return format_frame(frame, start=start, relative=self)

    def bases(self, src: bytes, sport: int, dst: bytes, dport: int, header: tcp.TcpHeader) -> tuple[int, int]:
        """What this segment's sequence and acknowledgement numbers count from."""
        seq, ack, flags = header[2], header[3], header[5]
        ours, theirs = (src, sport, dst, dport), (dst, dport, src, sport)
        if flags & tcp.SYN and self._bases.get(ours) != seq:  # a new connection
            self._learn(ours, seq)
            if not flags & tcp.ACK:
                self._bases.pop(theirs, None)
        if flags & tcp.ACK and theirs not in self._bases:
            self._learn(theirs, ack - 1 & _MASK)
        if ours not in self._bases:
            if flags & tcp.RST:
                return seq, self._bases.get(theirs, 0)
            self._learn(ours, seq - 1 & _MASK)
        return self._bases[ours], self._bases.get(theirs, 0)

    def _learn(self, flow: tuple[bytes, int, bytes, int], base: int) -> None:
        while len(self._bases) >= _MAX_FLOWS:
            del self._bases[next(iter(self._bases))]
        self._bases[flow] = base


def format_frame(frame: Buffer, *, start: int = 14, relative: Relative | None = None) -> str:
    """One line for any frame; `start` is the link header's length: 14, or 0 for a bare IP packet. Never raises."""
    try:
        ethertype = ethernet.IP
        if start:
            dst, src, ethertype = ethernet.parse(frame)
        if ethertype == ethernet.IP:
            return _format_ip(frame, start, relative)
        if ethertype == ethernet.ARP:
            return _format_arp(arp.parse(frame, start))
    except Malformed as malformed:
        return f"malformed {malformed.reason} ({len(frame)})"
    return (
        f"{ethernet.format_mac(src)} > {ethernet.format_mac(dst)}: ethertype 0x{ethertype:04x} ({len(frame) - start})"
    )


def _format_arp(message: arp.Arp) -> str:
    sender, target = ip.format_address(message.spa), ip.format_address(message.tpa)
    if message.operation == arp.REQUEST:
        return f"who-has {target} tell {sender}"
    if message.operation == arp.REPLY:
        return f"{sender} is-at {ethernet.format_mac(message.sha)}"
    return f"arp operation {message.operation} {sender} > {target}"


def _format_ip(frame: Buffer, start: int, relative: Relative | None) -> str:
    header_len, total_len, ident, fragment, _, protocol, src, dst, _ = ip.parse(frame, start)
    l4, end = start + header_len, start + total_len
    name = _PROTOCOLS.get(protocol, f"proto {protocol}")
    hosts = f"{ip.format_address(src)} > {ip.format_address(dst)}"
    if fragment & (ip.MF | ip.OFFSET_MASK):
        first = (fragment & ip.OFFSET_MASK) * 8
        more = "+" if fragment & ip.MF else ""
        return f"{hosts}: {name} frag {first}:{first + end - l4}({end - l4}){more} id {ident}"
    try:
        if protocol == ip.TCP:
            return _format_tcp(frame, l4, end, src, dst, relative)
        if protocol == ip.UDP:
            sport, dport, length, _ = udp.parse(frame, l4, end)
            return f"{_ends(src, sport, dst, dport)}: udp ({length - udp.HEADER_LENGTH})"
        if protocol == ip.ICMP:
            return f"{hosts}: icmp {_format_icmp(frame, l4, end)}"
        if protocol == ip.IGMP:
            return f"{hosts}: igmp {_format_igmp(frame, l4, end)}"
    except Malformed as malformed:
        return f"{hosts}: malformed {malformed.reason} ({end - l4})"
    return f"{hosts}: {name} ({end - l4})"


def _ends(src: bytes, sport: int, dst: bytes, dport: int) -> str:
    return f"{ip.format_address(src)}.{sport} > {ip.format_address(dst)}.{dport}"


def _format_tcp(frame: Buffer, l4: int, end: int, src: bytes, dst: bytes, relative: Relative | None) -> str:
    header = tcp.parse(frame, l4, end)
    sport, dport, seq, ack, header_len, flags, window, urgent = header
    seq_base, ack_base = relative.bases(src, sport, dst, dport, header) if relative else (0, 0)
    option_bytes = bytes(frame[l4 + 20 : l4 + header_len])
    segment = format_segment(
        flags,
        seq - seq_base & _MASK,
        end - l4 - header_len,
        ack - ack_base & _MASK,
        window,
        option_bytes,
        urgent=urgent,
        sack_base=ack_base,
    )
    return f"{_ends(src, sport, dst, dport)}: {segment}"


def _format_igmp(frame: Buffer, l4: int, end: int) -> str:
    kind, group = igmp.parse(frame, l4, end)
    if kind == igmp.QUERY:
        query = igmp.parse_query(frame, l4, end)
        about = f" {ip.format_address(group)}" if any(group) else ""
        return f"query v{query.version}{about}{_format_sources(query.sources)}"
    if kind == igmp.V3_REPORT:
        return f"report v3 {', '.join(map(_format_record, igmp.parse_records(frame, l4, end)))}"
    name = _IGMP.get(kind, f"type {kind}")
    return f"{name} {ip.format_address(group)}"


def _format_record(record: igmp.Record) -> str:
    kind = _RECORDS.get(record.kind, f"record {record.kind}")
    return f"{ip.format_address(record.group)} {kind}{_format_sources(record.sources)}"


def _format_sources(sources: tuple[bytes, ...]) -> str:
    return f" {{{' '.join(map(ip.format_address, sources))}}}" if sources else ""


def _format_icmp(frame: Buffer, l4: int, end: int) -> str:
    kind, code, rest, payload = icmp.parse(frame, l4, end)
    if kind in (icmp.ECHO, icmp.ECHO_REPLY):
        what = "echo request" if kind == icmp.ECHO else "echo reply"
        return f"{what} id {rest >> 16} seq {rest & 0xFFFF} ({end - payload})"
    if kind == icmp.UNREACHABLE and code == icmp.FRAGMENTATION_NEEDED:
        what = f"fragmentation needed mtu {rest & 0xFFFF}"
    elif kind == icmp.UNREACHABLE:
        what = _UNREACHABLE.get(code, f"unreachable code {code}")
    elif kind == icmp.TIME_EXCEEDED:
        what = "reassembly time exceeded" if code == icmp.REASSEMBLY_TIME_EXCEEDED else "time exceeded"
    else:
        what = f"type {kind} code {code}"
    if kind not in icmp.ERRORS:
        return f"{what} ({end - payload})"
    src, dst, protocol, quoted = icmp.parse_quote(frame, payload, end)
    if protocol in (ip.TCP, ip.UDP):
        hosts = _ends(src, frame[quoted] << 8 | frame[quoted + 1], dst, frame[quoted + 2] << 8 | frame[quoted + 3])
    else:
        hosts = f"{ip.format_address(src)} > {ip.format_address(dst)}"
    return f"{what} [{hosts}: {_PROTOCOLS.get(protocol, f'proto {protocol}')}]"


def format_flags(flags: int) -> str:
    return "".join(letter for bit, letter in enumerate(_FLAGS) if flags >> bit & 1) or "-"


def format_segment(
    flags: int,
    seq: int,
    length: int,
    ack: int = 0,
    window: int | None = None,
    segment_options: Options | bytes = b"",
    *,
    urgent: int = 0,
    sack_base: int = 0,
) -> str:
    """ "P. 1:6(5) ack 1 win 512 <mss 1460>"; the acknowledgement is shown if the flags have ACK."""
    text = f"{format_flags(flags)} {seq & _MASK}:{seq + length & _MASK}({length})"
    if flags & tcp.ACK:
        text += f" ack {ack & _MASK}"
    if window is not None:
        text += f" win {window}"
    if flags & tcp.URG:
        text += f" urg {urgent}"
    if isinstance(segment_options, Options):
        segment_options = options.emit(segment_options)
    return f"{text} <{format_options(segment_options, sack_base)}>" if segment_options else text


def format_options(data: bytes, sack_base: int = 0) -> str:
    """The options in the order of the wire; SACK edges count from `sack_base`."""
    names: list[str] = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind in (options.NOP, options.END):
            names.append("nop" if kind == options.NOP else "eol")
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            names.append(f"bad 0x{data[at:].hex()}")
            break
        names.append(_format_option(kind, data[at + 2 : at + length], sack_base))
        at += length
    return ",".join(names)


def _format_option(kind: int, value: bytes, sack_base: int) -> str:
    words = [int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4)]
    if kind == options.MSS and len(value) == 2:
        return f"mss {words[0]}"
    if kind == options.WINDOW_SCALE and len(value) == 1:
        return f"wscale {words[0]}"
    if kind == options.SACK_PERMITTED and not value:
        return "sackOK"
    if kind == options.TIMESTAMP and len(value) == 8:
        return f"TS val {words[0]} ecr {words[1]}"
    if kind == options.SACK and value and len(value) % 8 == 0:
        edges = [word - sack_base & _MASK for word in words]
        return " ".join(["sack", *(f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=True))])
    return f"opt-{kind} 0x{value.hex()}"


_SEGMENT = re.compile(
    r"\s*(?P<flags>[FSRP.UEW]+|-)\s+(?P<seq>\d+):(?P<end>\d+)\((?P<length>\d+)\)"
    r"(?:\s+ack\s+(?P<ack>\d+))?(?:\s+win\s+(?P<win>\d+))?(?:\s+urg\s+(?P<urg>\d+))?(?:\s+<(?P<options>[^>]*)>)?\s*"
)


def parse_segment(text: str) -> SegmentText:
    """The reverse of `format_segment`; ValueError says what is wrong."""
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a segment: write it as in 'P. 1:6(5) ack 1 win 512 <nop,nop,TS val 1 ecr 2>'"
        )
    letters = match["flags"]
    flags = 0 if letters == "-" else sum(1 << _FLAGS.index(letter) for letter in set(letters))
    seq, end, length = int(match["seq"]), int(match["end"]), int(match["length"])
    ack = None if match["ack"] is None else int(match["ack"])
    if (end - seq - length) & _MASK:
        raise ValueError(f"{text!r}: {seq}:{end} is not of {length} bytes")
    if ack is not None and not flags & tcp.ACK:
        raise ValueError(f"{text!r} has an ack, but no '.' among its flags")
    window = None if match["win"] is None else int(match["win"])
    option_bytes = parse_options(match["options"] or "")
    parsed = options.parse(option_bytes, 0, len(option_bytes))
    return SegmentText(flags, seq, end, ack, window, parsed, length, option_bytes, int(match["urg"] or 0))


def parse_options(text: str) -> bytes:
    """The options of "mss 1460,sackOK" as bytes, filled up to whole words with NOP."""
    data = b"".join(_parse_option(name.strip()) for name in text.split(",") if name.strip())
    if len(data) > options.MAX_LENGTH:
        raise ValueError(f"{text!r} takes {len(data)} bytes: at most {options.MAX_LENGTH} fit")
    return data + bytes((options.NOP,)) * (-len(data) % 4)


def _parse_option(text: str) -> bytes:
    name, _, value = text.partition(" ")
    try:
        match name:
            case "nop" | "eol" | "sackOK" if not value:
                return {"nop": b"\1", "eol": b"\0", "sackOK": bytes((options.SACK_PERMITTED, 2))}[name]
            case "mss":
                return bytes((options.MSS, 4)) + int(value).to_bytes(2, "big")
            case "wscale":
                return bytes((options.WINDOW_SCALE, 3, int(value)))
            case "TS":
                val, tsval, ecr, tsecr = value.split()
                if (val, ecr) == ("val", "ecr"):
                    stamps = int(tsval).to_bytes(4, "big") + int(tsecr).to_bytes(4, "big")
                    return bytes((options.TIMESTAMP, 10)) + stamps
            case "sack":
                edges = [int(edge) for block in value.split() for edge in block.split(":", 1)]
                if edges and len(edges) == 2 * len(value.split()):
                    block_bytes = b"".join(edge.to_bytes(4, "big") for edge in edges)
                    return bytes((options.SACK, 2 + len(block_bytes))) + block_bytes
            case _ if name.startswith("opt-") and value.startswith("0x"):
                data = bytes.fromhex(value[2:])
                return bytes((int(name[4:]), 2 + len(data))) + data
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{text!r} is not a TCP option: write mss N, sackOK, TS val N ecr N, wscale N, sack A:B, nop or eol"
    )
