"""ARP for IPv4 over Ethernet (RFC 826). Knows the 28 bytes, not what to make of them (RFC 5227 is the stack's)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from netif.wire import Buffer, Malformed

MESSAGE = Struct("!HHBBH6s4s6s4s")  # hardware, protocol, their lengths, operation, sha, spa, tha, tpa
LENGTH = 28
REQUEST, REPLY = 1, 2
ETHERNET, IP = 1, 0x0800


class Arp(NamedTuple):
    operation: int
    sha: bytes  # sender's hardware and protocol addresses
    spa: bytes
    tha: bytes  # target's
    tpa: bytes


def parse(frame: Buffer, offset: int) -> Arp:
    if len(frame) - offset < LENGTH:
        raise Malformed("arp_short")
    hardware, protocol, hardware_length, protocol_length, operation, sha, spa, tha, tpa = MESSAGE.unpack_from(
        frame, offset
    )
    if hardware != ETHERNET or protocol != IP or hardware_length != 6 or protocol_length != 4:
        raise Malformed("arp_format")
    return Arp(operation, sha, spa, tha, tpa)


def emit(operation: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes) -> bytes:
    return MESSAGE.pack(ETHERNET, IP, 6, 4, operation, sha, spa, tha, tpa)
