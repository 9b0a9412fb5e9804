"""The virtio-net header: ten bytes in front of each frame by which the kernel and we speak of offload.

Knows the layout and which `Offload` it means; refuses to know devices. Headers repeat, so both directions are dicts
that compute what they miss and start afresh when full.
Virtual I/O Device 1.2, 5.1.6 (legacy layout, native byte order); Linux, include/uapi/linux/virtio_net.h.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from netif.link import NONE, PARTIAL, VALID, Buffer, Medium, Offload
from netif.wire import ethernet, tcp

HEADER = Struct("=BBHHHH")  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
LENGTH: Final = 10
PLAIN = bytes(LENGTH)  # nothing to say of this frame
NEEDS_CSUM, DATA_VALID = 1, 2
GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 1, 4, 5, 0x80
_SUPER = frozenset((GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4))
_MOST = 4096  # headers remembered


class Offloads(dict[bytes, Offload | None]):
    """What a header read from the kernel says; None where it vouches for nothing, so that software must verify."""

    def __missing__(self, header: bytes) -> Offload | None:
        flags, gso_type, _, gso_size, start, offset = HEADER.unpack(header)
        if gso_type & ~GSO_ECN not in _SUPER:
            gso_size = 0
        offload: Offload | None
        if flags & NEEDS_CSUM:
            offload = Offload(PARTIAL, start, offset, gso_size)
        elif flags & DATA_VALID:
            offload = Offload(VALID, 0, 0, gso_size)
        else:
            offload = Offload(NONE, 0, 0, gso_size) if gso_size else None
        if len(self) >= _MOST:
            self.clear()
        self[header] = offload
        return offload


class PartialHeaders(dict[Offload, bytes]):
    """The header to write in front of a PARTIAL frame that is no super-frame."""

    def __missing__(self, offload: Offload) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        header = self[offload] = HEADER.pack(NEEDS_CSUM, 0, 0, 0, offload.start, offload.offset)
        return header


class SuperHeaders(dict[tuple[Offload, int, int, int], bytes]):
    """The header to write in front of a super-frame, by its offload and the bytes of its headers that matter."""

    def of(self, head: Buffer, offload: Offload) -> bytes:
        """`head` begins the frame and reaches at least to its layer 4 flags."""
        network = head[16] if head[12] == ethernet.VLAN >> 8 else head[12]
        if offload.offset != tcp.CHECKSUM_OFFSET:
            return self[offload, network, 0, 0]
        start = offload.start
        return self[offload, network, head[start + 12], head[start + 13] & tcp.CWR]

    def __missing__(self, key: tuple[Offload, int, int, int]) -> bytes:
        offload, network, data_offset, cwr = key
        if offload.offset != tcp.CHECKSUM_OFFSET:
            gso_type, header_len = GSO_UDP_L4, offload.start + 8
        else:
            gso_type = GSO_TCPV6 if network == ethernet.IPV6 >> 8 else GSO_TCPV4
            header_len = offload.start + (data_offset >> 4 << 2)
            if cwr:
                gso_type |= GSO_ECN  # CWR is for the first segment alone
        if len(self) >= _MOST:
            self.clear()
        header = self[key] = HEADER.pack(
            NEEDS_CSUM, gso_type, header_len, offload.gso_size, offload.start, offload.offset
        )
        return header


class BareSuperHeaders(SuperHeaders):
    """The same where nothing stands before the IP header."""

    def of(self, head: Buffer, offload: Offload) -> bytes:
        network = (ethernet.IPV6 if head[0] >> 4 == 6 else ethernet.IP) >> 8
        if offload.offset != tcp.CHECKSUM_OFFSET:
            return self[offload, network, 0, 0]
        start = offload.start
        return self[offload, network, head[start + 12], head[start + 13] & tcp.CWR]


SUPER_HEADERS = {Medium.ETHERNET: SuperHeaders, Medium.POINT_TO_POINT: BareSuperHeaders}
