"""The fast path in of a small datagram: from the IP header into the mailbox of a socket that has had one like it.

It does what `ip` and `udp_layer` would, and leaves to them, untouched, whatever it is not sure of. A flow is known once
they have taken a datagram of it all the way, and forgotten as soon as anything that they looked at may have changed:
our addresses, who holds which port, what sockets want. RFC 768, RFC 791.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

from netif.link import NONE, Buffer, Offload
from netif.wire.checksum import partial_sum
from netif.wire.ip import UDP

if TYPE_CHECKING:
    from stack.stack import Stack
    from stack.udp import Address, UdpEndpoint

# whose they are, from whom, and what the addresses sum up to
Flow: TypeAlias = "tuple[UdpEndpoint, Address, int]"

_HEADERS = Struct("!III12sHH")  # IPv4 in words, the addresses and ports as one; UDP length and checksum


def arrives(stack: Stack, frame: Buffer, at: int, offload: Offload | None) -> bool:
    """A packet of UDP to our own link-layer address, IP from `at` on. True: that was all; False: nothing has
    happened."""
    if len(frame) < at + 28:
        return False
    first, second, third, key, length, checksum = _HEADERS.unpack_from(frame, at)
    flow = stack.udp.flows.get(key)
    if flow is None:
        return False
    endpoint, source, addresses = flow
    # IPv4 without options, all of it the datagram; not a fragment; its header's checksum right
    end = at + 20 + length
    if (
        first & 0xFF00FFFF != 0x45000014 + length
        or second & 0x3FFF
        or length < 8
        or end > len(frame)
        or (first + second + third + addresses) % 65535
    ):
        return False
    if offload is None:
        if checksum and (partial_sum(frame[at + 20 : end]) + addresses + UDP + length) % 65535:
            return False
    elif offload[0] == NONE or offload[3]:  # to be verified, or several in one
        return False
    if endpoint.wants:
        return False
    stack.udp.fast_in += 1
    endpoint.keep((bytes(frame[at + 28 : end]), source, None))
    return True
