"""Ethernet II: the 14-byte header and how a MAC address is written. Knows no VLAN tag but its ethertype.

RFC 894; IEEE 802.3 clause 3.
"""

from __future__ import annotations

from struct import Struct

from netif.wire import Buffer, Malformed

HEADER = Struct("!6s6sH")  # destination, source, ethertype
HEADER_LENGTH = 14
IP, ARP, VLAN, IPV6 = 0x0800, 0x0806, 0x8100, 0x86DD
BROADCAST = b"\xff" * 6

emit = HEADER.pack  # (dst, src, ethertype) -> 14 bytes


def parse(frame: Buffer) -> tuple[bytes, bytes, int]:
    """(dst, src, ethertype)."""
    if len(frame) < 14:
        raise Malformed("ethernet_header_short")
    dst, src, ethertype = HEADER.unpack_from(frame)
    return dst, src, ethertype


def format_mac(mac: bytes) -> str:
    return mac.hex(":")


def parse_mac(text: str) -> bytes:
    """Six bytes of hex, separated by colons or hyphens, or not at all."""
    digits = text.strip().replace("-", ":")
    parts = digits.split(":") if ":" in digits else [digits[at : at + 2] for at in range(0, len(digits), 2)]
    try:
        if len(parts) == 6 and all(1 <= len(part) <= 2 and part.isalnum() for part in parts):
            return bytes(int(part, 16) for part in parts)
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not a MAC address: write six bytes in hex, as in 02:00:00:00:00:01")
