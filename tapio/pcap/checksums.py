"""What a captured frame's checksum is worth, where libpcap does not say.

A local peer (over veth, on a loopback, a guest) leaves the checksum to a card that is not there: its field holds the
folded sum of the pseudo-header, and the frame may be of up to 64 KiB; what GRO has put together looks the same. One
complete checksum in 65,536 looks so by chance, too. Linux, Documentation/networking/checksum-offloads.rst.
"""

from __future__ import annotations

import logging
from struct import Struct

from netif.link import PARTIAL, VALID, Offload
from netif.wire import checksum, ethernet, tcp, udp

PILE = 20  # bad frames in a row from one station that make a warning
STATIONS = 64  # whose bad frames are counted at the same time

_IPV4 = Struct("!BxHxxHxBxx8s")  # version and length, total length, fragment, protocol, both addresses
_IPV6 = Struct("!4xHBx32s")  # payload length, next header, both addresses
_FIELDS = {tcp.PROTOCOL: 16, udp.PROTOCOL: udp.CHECKSUM_OFFSET}  # offset of the checksum field
_COMPLETE = Offload(VALID)

log = logging.getLogger(__name__)


class Checksums:
    """The judge of one interface's frames. `trust` None: a field that looks partial is, another is verified; True:
    nothing is verified; False: nothing is taken for partial."""

    def __init__(self, interface: str, trust: bool | None) -> None:
        self.trust = trust
        self.mtu = 1500  # bytes; of the interface: no datagram is longer
        self.our_mtu = 1500  # bytes; no segment is longer, as our MSS says
        self.partial = 0  # frames taken for partial
        self.bad = 0  # frames whose checksum is wrong
        self.uncut = 0  # datagrams gathered into one frame, which only their sender could cut again
        self._interface = interface
        self._runs: dict[bytes, int] = {}  # station: its bad frames in a row
        self._warned = 0  # frames piled up, datagrams lost: a bit each

    def judge(self, frame: bytes) -> tuple[bool, Offload | None]:
        """(whether it can be used, what is to be said of it); None where there is nothing to say, or it is wrong."""
        located = _locate(frame)
        if located is None:
            return True, None
        network, l4, end, protocol, pseudo = located
        offset = _FIELDS[protocol]
        field = frame[l4 + offset] << 8 | frame[l4 + offset + 1]
        size = 0
        if protocol == tcp.PROTOCOL and end - network > self.our_mtu:
            size = max(0, self.our_mtu - (l4 - network) - (frame[l4 + 12] >> 4 << 2))
        if field == pseudo and self.trust is not False:
            if protocol == udp.PROTOCOL and end - network > self.mtu:
                self._count_uncut(frame[6:12])
                return False, None
            self.partial += 1
            return True, Offload(PARTIAL, l4, offset, size)
        if not field and protocol == udp.PROTOCOL:
            return True, None  # RFC 768: none was made
        if self.trust or checksum.verify(frame, l4, end, pseudo):
            if self._runs:
                self._runs.pop(frame[6:12], None)
            return True, Offload(VALID, 0, 0, size) if size else _COMPLETE
        self._count_bad(frame[6:12])
        return True, None

    def _count_bad(self, station: bytes) -> None:
        self.bad += 1
        runs = self._runs
        if station not in runs and len(runs) >= STATIONS:
            del runs[next(iter(runs))]
        runs[station] = run = runs.get(station, 0) + 1
        if run == PILE:
            self._warn_once(
                1,
                f"{run} frames in a row from {ethernet.format_mac(station)} had a wrong checksum: if it is a local peer"
                " that leaves them undone, open with trust_checksums (,trust_checksums=yes); or there: ethtool -K"
                " DEVICE tx off",
            )

    def _count_uncut(self, station: bytes) -> None:
        self.uncut += 1
        self._warn_once(
            2,
            f"{ethernet.format_mac(station)} sends datagrams gathered into frames that libpcap cannot cut again, which"
            " are lost; there: ethtool -K DEVICE tx-udp-segmentation off",
        )

    def _warn_once(self, kind: int, text: str) -> None:
        """A peer that does so does so with every frame."""
        if not self._warned & kind:
            self._warned |= kind
            log.warning("%s: %s", self._interface, text)


def _locate(frame: bytes) -> tuple[int, int, int, int, int] | None:
    """(start of the IP header, of the TCP or UDP header, end of its payload, protocol, folded pseudo-header sum) of a
    frame that is whole; None: a fragment, something else, or malformed."""
    if len(frame) < 34:
        return None
    network, ethertype = 14, frame[12] << 8 | frame[13]
    if ethertype == ethernet.VLAN:
        network, ethertype = 18, frame[16] << 8 | frame[17]
    if ethertype == ethernet.IP:
        if len(frame) < network + 20:
            return None
        first, total, fragment, protocol, addresses = _IPV4.unpack_from(frame, network)
        l4, end = network + ((first & 15) << 2), network + total
        if fragment & 0x3FFF or first >> 4 != 4 or l4 < network + 20:
            return None
    elif ethertype == ethernet.IPV6:
        if len(frame) < network + 40:
            return None
        length, protocol, addresses = _IPV6.unpack_from(frame, network)
        l4 = network + 40
        end = l4 + length
    else:
        return None
    if protocol == tcp.PROTOCOL:
        if end < l4 + 20:
            return None
    elif protocol != udp.PROTOCOL or end < l4 + 8:
        return None
    if end > len(frame):
        return None
    return network, l4, end, protocol, (int.from_bytes(addresses, "big") + protocol + end - l4) % 65535 or 65535
