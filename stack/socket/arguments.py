"""What the stdlib's C code checks of an argument before the kernel sees it, with its exceptions and words.

Knows types and ranges alone: no state, no errno of a protocol. Source: CPython's Modules/socketmodule.c.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from operator import index
from socket import CMSG_LEN, CMSG_SPACE, MSG_CTRUNC
from typing import Any, SupportsIndex

from netif.link import Buffer

_LARGEST = 0x7FFFFFFF  # of a C int
_MOST_BUFFERS = 1024  # of one call; Linux's UIO_MAXIOV
_HEADER = CMSG_LEN(0)

Said = tuple[int, int, Buffer]


def integer(value: SupportsIndex) -> int:
    """A C int. Raises TypeError, OverflowError."""
    number = index(value)
    if not -_LARGEST - 1 <= number <= _LARGEST:
        raise OverflowError(f"signed integer is {'less than minimum' if number < 0 else 'greater than maximum'}")
    return number


def size(value: SupportsIndex, call: str) -> int:
    """Of a buffer. Raises TypeError, ValueError."""
    number = index(value)
    if number < 0:
        raise ValueError(f"negative buffersize in {call}")
    return number


def readable(data: Any) -> memoryview:
    """The bytes of any contiguous buffer, one by one. Raises TypeError, BufferError."""
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not 'str'")
    view = memoryview(data)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def writable(buffer: Any) -> memoryview:
    """The same to be filled. Raises TypeError."""
    view = memoryview(buffer)
    if view.readonly:
        raise TypeError(f"read-write bytes-like object expected, not {type(buffer).__name__}")
    return view.cast("B")


def gathered(buffers: Iterable[Any], call: str = "sendmsg() argument 1") -> list[Any]:
    """Raises TypeError, OSError."""
    try:
        found = list(buffers)
    except TypeError:
        raise TypeError(f"{call} must be an iterable") from None
    if len(found) > _MOST_BUFFERS:
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    return found


def said(ancillary: Iterable[Any]) -> list[Said]:
    """What sendmsg is told beside the data. Raises TypeError."""
    items: list[Said] = []
    for item in gathered(ancillary, "sendmsg() argument 2"):
        if isinstance(item, (str, bytes)) or len(item) != 3:
            raise TypeError("[sendmsg() ancillary data items] must be sequences of length 3")
        items.append((integer(item[0]), integer(item[1]), readable(item[2])))
    return items


def fitting(told: Iterable[tuple[int, int, bytes]], room: int) -> tuple[list[tuple[int, int, bytes]], int]:
    """As much of what recvmsg tells as goes into `room` bytes with its headers, and MSG_CTRUNC if that is not all."""
    fits: list[tuple[int, int, bytes]] = []
    flags = 0
    for level, kind, data in told:
        if room < _HEADER + len(data):
            flags = MSG_CTRUNC
        if room >= _HEADER:
            fits.append((level, kind, data[: room - _HEADER]))
        room -= min(room, CMSG_SPACE(len(data)))
    return fits, int(flags)
