"""A packet that goes on leaves by its link: whole where the link takes it, else cut or finished as little as it needs.

A super-frame passes as one, PARTIAL checksums stay what they are; only their place in the frame moves, where link
headers differ. What is too large for the next link, and may be cut, goes in fragments (RFC 1812 5.2.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import PARTIAL, Buffer, LinkCaps, Offload
from netif.wire import ethernet
from netif.wire.fragment import cut
from netif.wire.ip import ANY
from netif.wire.segment import adapt
from stack.forwarding.packet import Packet
from stack.routing import Route

if TYPE_CHECKING:
    from stack.forwarding.layer import Forwarding
    from stack.interface import Interface

_JOINED = 2048  # bytes up to which a packet is copied into one buffer: cheaper than a second one
_QUOTED = 576  # bytes kept of a packet that waits, for an error about it
_LINK = bytes(12) + ethernet.IP.to_bytes(2, "big")  # stands for a link header while a frame is cut
_LINK_LENGTH = len(_LINK)


class Passage(Route):
    """The way of one packet whose neighbour is being looked for."""

    __slots__ = ("_forwarding", "came_by", "quote")

    def __init__(self, forwarding: Forwarding, packet: Packet, route: Route) -> None:
        super().__init__(route.dst, ANY, None, route.interface, route.next_hop)
        self._forwarding = forwarding
        self.came_by = packet.interface
        self.quote = bytes(packet.frame[packet.at : packet.at + _QUOTED])  # as it came in

    def undelivered(self) -> None:
        self._forwarding.undelivered(self)


def emit(forwarding: Forwarding, packet: Packet, route: Route) -> None:
    out, offload = route.interface, packet.offload
    head, rest = bytes(packet.head), packet.rest
    if not _takes_whole(out, packet):
        _send_apart(forwarding, packet, route, head, rest)
        return
    if out.link_length != packet.at:
        offload = _moved(offload, out.link_length - packet.at)
    link = route.neighbour.link
    if link is None:
        _resolve(forwarding, packet, route, [(head, bytes(rest))], offload)
    elif len(rest) <= _JOINED:
        out.transmit((b"".join((link, head, rest)),), offload)
    else:
        out.transmit((link + head, rest), offload)


def _takes_whole(out: Interface, packet: Packet) -> bool:
    offload = packet.offload
    if offload is None or not (offload.gso_size or offload.checksum == PARTIAL):
        return packet.total_len <= out.mtu
    return out.tx_checksum and packet.largest <= out.mtu and packet.total_len <= out.gso_max


def _moved(offload: Offload | None, by: int) -> Offload | None:
    """The same of a frame whose link header is so much longer."""
    if offload is None or offload.checksum != PARTIAL:
        return offload
    return Offload(PARTIAL, offload.start + by, offload.offset, offload.gso_size)


def _send_apart(forwarding: Forwarding, packet: Packet, route: Route, head: bytes, rest: memoryview) -> None:
    """In segments, or in fragments, or with a complete checksum: as the link needs it."""
    out = route.interface
    takes_partial = out.tx_checksum and packet.largest <= out.mtu  # fragments must be complete
    caps = LinkCaps(mac=b"", mtu=out.mtu, gso_max=out.gso_max, tx_checksum=takes_partial)
    offload = _moved(packet.offload, _LINK_LENGTH - packet.at)
    for buffers, left in adapt((_LINK + head, rest), offload, caps):
        whole = b"".join(buffers)
        start = _LINK_LENGTH + packet.header_len
        fragments = list(cut(whole[_LINK_LENGTH:start], (whole[start:],), out.mtu))
        if len(fragments) > 1:
            forwarding.stack.stats.count("fragmented")
        _transmit(forwarding, packet, route, fragments, _moved(left, out.link_length - _LINK_LENGTH))


def _transmit(
    forwarding: Forwarding, packet: Packet, route: Route, parts: list[tuple[Buffer, ...]], offload: Offload | None
) -> None:
    link = route.neighbour.link
    if link is None:
        _resolve(forwarding, packet, route, parts, offload)
        return
    for header, *body in parts:
        route.interface.transmit((link + bytes(header), *body), offload)


def _resolve(
    forwarding: Forwarding, packet: Packet, route: Route, parts: list[tuple[Buffer, ...]], offload: Offload | None
) -> None:
    passage = Passage(forwarding, packet, route)
    route.interface.resolve(passage, parts, offload)
    route.neighbour = passage.neighbour  # found, or being looked for: the next packet need not ask
