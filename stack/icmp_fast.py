"""The fast path of an echo request: from its IP header to its reply, where the last one from there took the plain way.

It does what `ip` and `icmp` would, and leaves to them, untouched, whatever it is not sure of. A way back counts for as
long as nothing has changed in our addresses and routes. RFC 792; RFC 1122 3.2.2.6.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire.checksum import partial_sum
from netif.wire.icmp import ECHO, ECHO_REPLY
from netif.wire.ip import ICMP

if TYPE_CHECKING:
    from stack.stack import Stack

_HEADERS = Struct("!III8sHHI")  # IPv4 in words, the addresses as one; type and code, checksum, ident and sequence
_REPLY = Struct("!HHI")  # the last three


def arrives(stack: Stack, frame: Buffer, at: int, offload: Offload | None) -> bool:
    """A packet of ICMP to our own link-layer address, IP from `at` on. True: that was all; False: nothing has
    happened."""
    if len(frame) < at + 28:
        return False
    first, second, third, addresses, kind, checksum, rest = _HEADERS.unpack_from(frame, at)
    route = stack.icmp.ways_back.get(addresses)
    if route is None or route.generation != stack.ip.generation or kind != ECHO << 8:
        return False
    # IPv4 without options, not a fragment; both checksums right
    length = (first & 0xFFFF) - 20
    end = at + 20 + length
    if (
        first >> 24 != 0x45
        or second & 0x3FFF
        or length < 8
        or end > len(frame)
        or (first + second + third + int.from_bytes(addresses, "big")) % 65535
        or partial_sum(frame[at + 20 : end]) != 0xFFFF
    ):
        return False
    stack.stats.count("echo_replied")
    checksum += ECHO << 8  # RFC 1624: only the type changes
    reply = _REPLY.pack(ECHO_REPLY, (checksum & 0xFFFF) + (checksum >> 16), rest) + frame[at + 28 : end]
    stack.ip.send(route, ICMP, reply, (), length, tos=first >> 16 & 0xFC, df=False)
    return True
