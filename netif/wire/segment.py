"""Frames for ports that were granted less: complete a PARTIAL checksum, cut a super-frame into wire segments.

What the offload says is trusted, as `link.Offload` defines it; of the frame only the headers are read. The segments are
those of Linux: identification counts up, PSH and FIN on the last alone, CWR on the first alone (RFC 3168 6.1.2).
"""

from __future__ import annotations

from struct import Struct

from netif.link import PARTIAL, VALID, LinkCaps, Medium, Offload
from netif.wire import Buffer, Malformed, ethernet, tcp, udp
from netif.wire.checksum import fold, partial_sum, sum_buffers

_FIRST_ONLY = tcp.CWR
_LAST_ONLY = tcp.PSH | tcp.FIN
_SMALL = 256  # bytes; frames up to this size always carry complete checksums
_COMPLETE = Offload(VALID)
_LINK_LENGTHS = {ethernet.IP: 14, ethernet.IPV6: 14, ethernet.VLAN: 18}  # by ethertype; a bare packet has none
_VARYING = Struct("!HH4sH")  # of the IPv4 header: total length, ident, fragment to protocol, checksum


def link_length(medium: Medium) -> int:
    """Bytes in front of the IP packet."""
    return ethernet.HEADER_LENGTH if medium is Medium.ETHERNET else 0


def finish(buffers: tuple[Buffer, ...], offload: Offload | None) -> bytes:
    """The frame as contiguous bytes, a PARTIAL checksum completed; a super-frame stays one."""
    if offload is None or offload.checksum != PARTIAL:
        return bytes(buffers[0]) if len(buffers) == 1 else b"".join(buffers)
    start = offload.start
    at = start + offload.offset
    head = buffers[0]
    if len(head) < at + 2:
        head = b"".join(buffers)
        buffers = (head,)
        if len(head) < at + 2:
            raise Malformed("gso_format")
    total = sum_buffers((head[start:], *buffers[1:]))
    field = -total % 65535
    if not field and offload.offset == udp.CHECKSUM_OFFSET:
        field = 65535  # RFC 768: 0 is for no checksum
    return b"".join((head[:at], field.to_bytes(2, "big"), head[at + 2 :], *buffers[1:]))


def cut(buffers: tuple[Buffer, ...], offload: Offload, *, partial: bool = False) -> list[bytes]:
    """The wire segments of a super-frame, checksums complete (with `partial`: left PARTIAL); a plain frame finished."""
    if not offload.gso_size:
        return [finish(buffers, None if partial else offload)]
    frame = bytes(buffers[0]) if len(buffers) == 1 else b"".join(buffers)
    link, l4, protocol = _locate(frame, offload)
    network = _Network(frame, link, l4, protocol)
    cut_segments = _cut_tcp if protocol == tcp.PROTOCOL else _cut_udp
    return cut_segments(frame, network, l4, offload.gso_size, partial)


def adapt(
    buffers: tuple[Buffer, ...], offload: Offload | None, caps: LinkCaps, *, delivering: bool = False
) -> list[tuple[tuple[Buffer, ...], Offload | None]]:
    """The frames that a port granted `caps` may have for this one; unchanged if it may have it whole.

    A port that sends needs `tx_checksum` for PARTIAL; one that is `delivering` to its stack needs `rx_checksum`, also
    for VALID. Malformed if the frame is not what its offload says.
    """
    if offload is None:
        return [(buffers, None)]
    partial_allowed = caps.rx_checksum if delivering else caps.tx_checksum
    vouched = _COMPLETE if partial_allowed or not delivering else None
    if offload.gso_size:
        length = sum(map(len, buffers)) - link_length(caps.medium)
        if length > caps.gso_max or not partial_allowed:
            if not partial_allowed or offload.checksum != PARTIAL:
                return [((segment,), vouched) for segment in cut(buffers, offload)]
            left = Offload(PARTIAL, offload.start, offload.offset)
            return [
                ((segment,), left) if len(segment) > _SMALL else ((finish((segment,), left),), vouched)
                for segment in cut(buffers, offload, partial=True)
            ]
    if offload.checksum == PARTIAL and not partial_allowed:
        return [((finish(buffers, offload),), vouched)]
    if offload.checksum == VALID and vouched is None:
        return [(buffers, None)]
    return [(buffers, offload)]


def _locate(frame: bytes, offload: Offload) -> tuple[int, int, int]:
    """(link header length, offset of the layer 4 header, its protocol)."""
    try:
        if offload.checksum == PARTIAL and offload.start % 4 == 0:  # IP headers are whole words, Ethernet's is not
            link = 0
        else:
            link = _LINK_LENGTHS.get(frame[12] << 8 | frame[13], 0)
            while link > ethernet.HEADER_LENGTH and (frame[link - 2] << 8 | frame[link - 1]) == ethernet.VLAN:
                link += 4  # a tag within a tag
        if frame[link] >> 4 == 4:
            l4, protocol = link + ((frame[link] & 15) << 2), frame[link + 9]
        else:
            l4, protocol = link + 40, frame[link + 6]
        if protocol == tcp.PROTOCOL:
            payload = l4 + (frame[l4 + 12] >> 4 << 2)
        else:
            payload = l4 + 8
    except IndexError:
        raise Malformed("gso_format") from None
    if (
        frame[link] >> 4 not in (4, 6)
        or protocol not in (tcp.PROTOCOL, udp.PROTOCOL)
        or l4 < link + 20
        or payload < l4 + (20 if protocol == tcp.PROTOCOL else 8)
        or (offload.checksum == PARTIAL and offload.start != l4)
        or payload >= len(frame)
    ):
        raise Malformed("gso_format")
    return link, l4, protocol


class _Network:
    """The link and IP headers of one super-frame, written anew for each of its segments."""

    __slots__ = ("_front", "_ident", "_middle", "_network_len", "_rest", "_words", "pseudo")

    def __init__(self, frame: bytes, link: int, l4: int, protocol: int) -> None:
        if frame[link] >> 4 == 4:
            self._front, self._middle, self._rest = (
                frame[: link + 2],
                frame[link + 6 : link + 10],
                frame[link + 12 : l4],
            )
            self._ident = frame[link + 4] << 8 | frame[link + 5]
            self._network_len = l4 - link
            self._words = sum_buffers((frame[link : link + 2], self._middle, self._rest))
            self.pseudo = partial_sum(frame[link + 12 : link + 20]) + protocol
        else:
            self._front, self._middle, self._rest = frame[: link + 4], b"", frame[link + 6 : l4]
            self._network_len = l4 - link - 40  # IPv6 does not count its own header
            self.pseudo = partial_sum(frame[link + 8 : link + 40]) + protocol

    def header(self, index: int, length: int) -> bytes:
        """Of segment number `index`, whose layer 4 header and payload are `length` bytes."""
        length += self._network_len
        if not self._middle:
            return self._front + length.to_bytes(2, "big") + self._rest
        ident = self._ident + index & 0xFFFF
        return (
            self._front
            + _VARYING.pack(length, ident, self._middle, -(self._words + length + ident) % 65535)
            + self._rest
        )


def _cut_tcp(frame: bytes, network: _Network, l4: int, size: int, partial: bool) -> list[bytes]:
    sport, dport, seq, ack, offset_flags, window, _, urgent = tcp.HEADER.unpack_from(frame, l4)
    header_len = offset_flags >> 12 << 2
    start, end = l4 + header_len, len(frame)
    options = frame[l4 + 20 : start]
    words = network.pseudo + header_len + sport + dport + ack + window + urgent + partial_sum(options)
    segments = []
    for index, at in enumerate(range(start, end, size)):
        payload = frame[at : at + size]
        flags = offset_flags if index == 0 else offset_flags & ~_FIRST_ONLY
        if at + size < end:
            flags &= ~_LAST_ONLY
        length = header_len + len(payload)
        position = seq + at - start & 0xFFFFFFFF
        if partial:
            field = fold(network.pseudo + length)
        else:
            field = -(words + len(payload) + position + flags + partial_sum(payload)) % 65535
        header = tcp.HEADER.pack(sport, dport, position, ack, flags, window, field, urgent)
        segments.append(b"".join((network.header(index, length), header, options, payload)))
    return segments


def _cut_udp(frame: bytes, network: _Network, l4: int, size: int, partial: bool) -> list[bytes]:
    sport, dport, _, _ = udp.HEADER.unpack_from(frame, l4)
    words = network.pseudo + sport + dport
    segments = []
    for index, at in enumerate(range(l4 + udp.HEADER_LENGTH, len(frame), size)):
        payload = frame[at : at + size]
        length = udp.HEADER_LENGTH + len(payload)
        if partial:
            field = fold(network.pseudo + length)
        else:
            field = -(words + length + length + partial_sum(payload)) % 65535 or 65535
        header = udp.HEADER.pack(sport, dport, length, field)
        segments.append(b"".join((network.header(index, length), header, payload)))
    return segments
