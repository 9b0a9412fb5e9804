"""What the stdlib's C code checks of an argument before the kernel sees it, with its exceptions and words.

Knows types and ranges alone: no state, no errno of a protocol. Source: CPython's Modules/socketmodule.c.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from operator import index
from socket import CMSG_LEN, CMSG_SPACE, MSG_CTRUNC
from struct import calcsize
from typing import Any, SupportsIndex

from netif.link import Buffer
from stack.socket.attempts import octets

_LARGEST = 0x7FFFFFFF  # of a C int
_LONGEST_LONG = (1 << 8 * calcsize("l") - 1) - 1
_MOST_BUFFERS = 1024  # of one call; Linux's UIO_MAXIOV
_LONGEST = 1 << 33  # seconds that C's 63 bits of nanoseconds hold
_HEADER = CMSG_LEN(0)

Said = tuple[int, int, Buffer]


def integer(value: SupportsIndex) -> int:
    """A C int. Raises TypeError, OverflowError."""
    number = index(value)
    if not -_LARGEST - 1 <= number <= _LARGEST:
        raise OverflowError(f"signed integer is {'less than minimum' if number < 0 else 'greater than maximum'}")
    return number


def long(value: SupportsIndex) -> int:
    """A C long. Raises TypeError, OverflowError."""
    number = index(value)
    if not -_LONGEST_LONG - 1 <= number <= _LONGEST_LONG:
        raise OverflowError("Python int too large to convert to C long")
    return number


def size(value: SupportsIndex, call: str) -> int:
    """Of a buffer. Raises TypeError, ValueError."""
    number = index(value)
    if number < 0:
        raise ValueError(f"negative buffersize in {call}")
    return number


def writable(buffer: Any) -> memoryview:
    """The same to be filled. Raises TypeError."""
    view = memoryview(buffer)
    if view.readonly:
        raise TypeError(f"read-write bytes-like object expected, not {type(buffer).__name__}")
    return view.cast("B")


def room(buffer: Any, nbytes: SupportsIndex, call: str, too_small: str) -> memoryview:
    """The first `nbytes` of a buffer, or all of it. Raises TypeError, ValueError."""
    view, count = writable(buffer), size(nbytes, call)
    if count > len(view):
        raise ValueError(too_small)
    return view[:count] if count else view


def seconds(value: Any) -> float | None:
    """Of a time-out. Raises TypeError, ValueError, OverflowError."""
    if value is None:
        return None
    time = float(value) if isinstance(value, float) else index(value)
    if time != time:
        raise ValueError("Invalid value NaN (not a number)")
    if not -_LONGEST <= time <= _LONGEST:
        raise OverflowError("timestamp out of range for platform time_t")
    if time < 0:
        raise ValueError("Timeout value out of range")
    return float(time)


def option_value(value: Any, length: int | None) -> Any:
    """What setsockopt was given: an int, or bytes; None with a length is NULL. Raises TypeError, OSError(EFAULT)."""
    if value is None and length is not None:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    if length is not None:
        raise TypeError("socket option should be integer, bytes-like object or None")
    if hasattr(value, "__index__") and -_LARGEST - 1 <= index(value) <= _LARGEST:
        return index(value)
    return value if isinstance(value, bytes) else memoryview(octets(value)).tobytes()


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
        items.append((integer(item[0]), integer(item[1]), octets(item[2])))
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
