"""What a person calls frames: SYN, data, DNS, retransmission; and the filter (`tapio.filter`) that each one is.

A retransmission is known by its sequence numbers, which takes a memory: `Repeats`. Words are read in either case, and
in the plural.
"""

from __future__ import annotations

from collections.abc import Mapping

from netif.link import Buffer
from netif.wire import Malformed, ethernet, ip, tcp

REPEATED = "retransmission"
KINDS: Mapping[str, tuple[str, ...]] = {
    "SYN": ("syn",),
    "SYN-ACK": ("syn-ack",),
    "FIN": ("fin",),
    "RST": ("rst",),
    "ACK": ("ack",),
    "data": ("data",),
    REPEATED: ("tcp",),
    "TCP": ("tcp",),
    "UDP": ("udp",),
    "ICMP": ("icmp",),
    "ARP": ("arp",),
    "DNS": ("udp port 53", "tcp port 53"),
    "DHCP": ("udp port 67", "udp port 68"),
    "IP": ("ip",),
    "frame": ("frame",),
}  # each one's filter; of several, one has to hold
_BY_WORD = {name.lower(): name for name in KINDS}
_FLOWS = 4096  # that Repeats remembers; the oldest is forgotten
_MASK = 0xFFFFFFFF
_HALF = 1 << 31


def kind_of(word: str) -> str | None:
    """The key of KINDS that `word` means."""
    word = word.lower()
    return _BY_WORD.get(word) or (_BY_WORD.get(word[:-1]) if word.endswith("s") else None)


class Repeats:
    """Tells which segments carry nothing that was not sent before: data, SYN or FIN. Frames come in order."""

    def __init__(self) -> None:
        self._sent: dict[tuple[bytes, int, bytes, int], int] = {}  # the highest sequence number, by flow

    def is_repeated(self, frame: Buffer) -> bool:
        try:
            if ethernet.parse(frame)[2] != ethernet.IP:
                return False
            return self._look(frame, ethernet.HEADER_LENGTH)
        except Malformed:
            return False

    def _look(self, frame: Buffer, start: int) -> bool:
        header_len, total_len, _, fragment, _, protocol, src, dst, _ = ip.parse(frame, start)
        if protocol != tcp.PROTOCOL or fragment & ip.OFFSET_MASK:
            return False
        end = start + total_len
        sport, dport, seq, _, length, flags, _, _ = tcp.parse(frame, start + header_len, end)
        flags &= tcp.SYN | tcp.FIN
        count = end - start - header_len - length + flags.bit_count()
        if not count:
            return False
        flow, last = (src, sport, dst, dport), (seq + count) & _MASK
        before = self._sent.get(flow)
        if before is not None and (last - before - 1) & _MASK >= _HALF and not self._begins(flags, before - last):
            return True
        while flow not in self._sent and len(self._sent) >= _FLOWS:
            del self._sent[next(iter(self._sent))]
        self._sent[flow] = last
        return False

    @staticmethod
    def _begins(flags: int, behind: int) -> bool:
        """A SYN that is not the one before: the ports serve another connection."""
        return bool(flags & tcp.SYN) and behind != 0
