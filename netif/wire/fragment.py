"""A datagram cut into fragments (RFC 791 3.2): each with the header, the first with all of its options.

Knows bytes alone: who may be cut, and how large a fragment may be, is the stack's business.
"""

from __future__ import annotations

from collections.abc import Iterator

from netif.wire import Buffer, ip_options
from netif.wire.ip import MF, OFFSET_MASK


def cut(header: bytes, payload: tuple[Buffer, ...], mtu: int) -> Iterator[tuple[Buffer, ...]]:
    """The fragments of `header` (a whole IP header) and `payload`, each of `mtu` bytes at most: (header, *views).

    What fits is one of them. ValueError if the MTU has no room for 8 bytes of data.
    """
    views = [memoryview(buffer).cast("B") for buffer in payload if len(buffer)]
    left = sum(map(len, views))
    field = int.from_bytes(header[6:8], "big")
    if not left:
        yield (header,)
    while left:
        room = mtu - len(header)
        size = left if left <= room else room & ~7
        if size <= 0:
            raise ValueError(f"an MTU of {mtu} leaves no room for a fragment")
        left -= size
        more = MF if left else field & MF
        yield _with(header, size, field & ~(MF | OFFSET_MASK) | more | field & OFFSET_MASK), *_take(views, size)
        if left and not field & OFFSET_MASK and len(header) > 20:
            later = ip_options.copied(header[20:])
            header = bytes((0x45 + len(later) // 4,)) + header[1:20] + later
        field += size >> 3


def _with(header: bytes, size: int, field: int) -> bytes:
    """The header for so much payload at this place, its checksum right."""
    blank = header[:2] + (len(header) + size).to_bytes(2, "big") + header[4:6] + field.to_bytes(2, "big") + header[8:10]
    words = int.from_bytes(blank + b"\0\0" + header[12:], "big")
    return blank + (-words % 65535).to_bytes(2, "big") + header[12:]


def _take(views: list[memoryview], size: int) -> Iterator[memoryview]:
    """Remove the first `size` bytes of `views`."""
    while size:
        view = views[0]
        if len(view) <= size:
            views.pop(0)
            size -= len(view)
            yield view
        else:
            views[0] = view[size:]
            yield view[:size]
            size = 0
