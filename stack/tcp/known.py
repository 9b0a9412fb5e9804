"""The short way in: a segment of a connection that is known by its flow, and not for the fast path, from IP on.

Handshakes, FINs and whatever else is out of the ordinary take the plain path from the segment on (`arrival`); `ip` and
`layer` would bring it there by the same checks, one after the other, and still do wherever one of them fails here.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import NONE, Buffer, Offload
from netif.wire.checksum import partial_sum
from netif.wire.options import NO_OPTIONS, parse
from netif.wire.tcp import PROTOCOL, URG
from stack.tcp.segment import Segment, kept

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_FIXED = Struct("!IQ12xIIHH2xH")  # IP: its first word, two more; seq, ack, offset and flags, window, urgent pointer
BUT_TOS, FIVE_WORDS = 0xFF00FFFF, 0x45000000  # of IP's first word
FRAGMENT_PROTOCOL, WHOLE_TCP = 0x3FFF00FF0000, PROTOCOL << 16  # of the two behind it


def arrives(connection: Connection, frame: Buffer, at: int, offload: Offload | None) -> bool:
    """A packet of its flow, at least 40 bytes from `at` on. True: that was all; False: nothing has happened."""
    stack = connection.stack
    if stack.trace is not None or connection.ecn is not None:
        return False
    first, middle, seq, ack, offset_flags, window, urgent = _FIXED.unpack_from(frame, at)
    start = at + 20 + (offset_flags >> 12 << 2)
    end = at + (first & BUT_TOS) - FIVE_WORDS  # far off, where it is another version or length
    pseudo = connection.emitter.pseudo  # addresses and protocol
    if not at + 40 <= start <= end <= len(frame) or middle & FRAGMENT_PROTOCOL != WHOLE_TCP:
        return False
    if (first + middle + pseudo) % 65535 != PROTOCOL:
        return False
    gso_size = 0
    if offload is None or offload.checksum == NONE:
        if (partial_sum(frame[at + 20 : end]) + pseudo + end - at - 20) % 65535:
            return False
    else:
        gso_size = offload.gso_size
    stack.tcp.plain_in += 1
    said = parse(frame, at + 40, start) if start > at + 40 else NO_OPTIONS
    length = end - start
    payload = kept(frame, start, end) if length else b""
    segment = Segment(seq, ack, offset_flags & 0xFF, window, said, payload, length, gso_size)
    if offset_flags & URG:
        segment.urgent = urgent
    stack.current = connection
    stack.owe(connection)
    connection.segment_arrives(segment, stack.now)
    return True
