"""Socket options by level and number, with their Linux meaning and units.

One table says which options exist for a stream: what part of its TcpConfig they read and write, and in which unit
the application speaks. An option that is not here raises ENOPROTOOPT: none is accepted and then ignored.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Callable, Mapping
from socket import (
    IP_TOS,
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_TCP,
    SO_KEEPALIVE,
    SO_OOBINLINE,
    SO_RCVBUF,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_SNDBUF,
    SO_SNDTIMEO,
    SOL_SOCKET,
    TCP_KEEPCNT,
    TCP_KEEPINTVL,
    TCP_MAXSEG,
    TCP_NODELAY,
)
from typing import TYPE_CHECKING, Any

from stack.socket.linux import (
    SO_BINDTODEVICE,
    TCP_CORK,
    TCP_FASTOPEN,
    TCP_FASTOPEN_CONNECT,
    TCP_KEEPIDLE,
    TCP_LINGER2,
    TCP_NOTSENT_LOWAT,
    TCP_SYNCNT,
    TCP_USER_TIMEOUT,
    TCP_WINDOW_CLAMP,
)
from stack.tcp.congestion import CONTROLS, Factory

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.limits import Limits
    from stack.stack import Stack
    from stack.stats import Stats

Value = int | bytes | bytearray | memoryview
LINGER = struct.Struct("@ii")  # l_onoff, l_linger in seconds
TIMEVAL = struct.Struct("@ll")  # seconds, microseconds
SMALLEST = {SO_RCVBUF: 1152, SO_SNDBUF: 2304}  # bytes of a buffer that is asked for, Linux' SOCK_MIN_RCVBUF / 2 ...
CONGESTION_NAME = 16  # bytes; Linux' TCP_CA_NAME_MAX


def unsupported() -> OSError:
    return OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))


def invalid() -> OSError:
    return OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def as_int(value: Value) -> int:
    """An option's integer, given as one or as its bytes in host order. Raises OSError(EINVAL) if too short."""
    if isinstance(value, int):
        return value
    if len(value) < 4:
        raise invalid()
    return int(struct.unpack_from("@i", value)[0])


def as_number(value: Value) -> int:
    """The same for options of IP, of which a single byte will do."""
    return int((bytes(value) or b"\0")[0]) if not isinstance(value, int) and len(value) < 4 else as_int(value)


def buffer_size(option: int, value: int, limits: Limits, stats: Stats) -> int:
    """What SO_RCVBUF and SO_SNDBUF set, in bytes of payload. As in Linux, what is asked for is kept within bounds
    without a word, and getsockopt answers twice as much: there the rest is for the kernel's own overhead."""
    value &= 0xFFFFFFFF  # a negative one is very large, as in Linux
    if value > limits.socket_buffer:
        stats.count("socket_buffer_clamped")
    return max(min(value, limits.socket_buffer), SMALLEST[option])


def _among(first: int, last: int) -> Callable[[int], int]:
    """Only these values are allowed."""

    def check(value: int) -> int:
        if not first <= value <= last:
            raise invalid()
        return value

    return check


def _seconds(value: int) -> float:
    return float(_among(1, 32767)(value))  # Linux: MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL


def _fin_wait_2(value: int) -> float:
    """TCP_LINGER2: as Linux, at most two minutes; its -1, no FIN-WAIT-2 at all, is the shortest that we have."""
    return 0.001 if value < 0 else min(float(value), 120.0) or 60.0


def _user_timeout(value: int) -> float | None:
    """Milliseconds; 0 is the system's default."""
    if value < 0:
        raise invalid()
    return value / 1000 if value else None


def _type_of_service(value: int) -> int:
    return value & 0xFC  # the ECN bits are not the application's


def _segment_size(value: int) -> int | None:
    if value == 0:
        return None
    if not 88 <= value <= 32767:  # Linux's TCP_MIN_MSS and MAX_TCP_WINDOW
        raise invalid()
    return value


# (level, option) -> (field of TcpConfig, application's integer to the field's value, and back)
Field = tuple[str, Callable[[int], Any], Callable[[Any], int]]
STREAM: dict[tuple[int, int], Field] = {
    (SOL_SOCKET, SO_KEEPALIVE): ("keepalive", bool, int),
    (SOL_SOCKET, SO_RCVLOWAT): ("rcvlowat", lambda n: max(n, 1) if n >= 0 else 0x7FFFFFFF, int),
    (IPPROTO_IP, IP_TTL): ("ttl", lambda n: time_to_live(n), int),
    (IPPROTO_IP, IP_TOS): ("tos", _type_of_service, int),
    (SOL_SOCKET, SO_OOBINLINE): ("oob_inline", bool, int),
    (IPPROTO_TCP, TCP_FASTOPEN): ("fast_open_queue", _among(0, 0x7FFFFFFF), int),
    (IPPROTO_TCP, TCP_FASTOPEN_CONNECT): ("fast_open_connect", lambda n: bool(_among(0, 1)(n)), int),
    (IPPROTO_TCP, TCP_NODELAY): ("nodelay", bool, int),
    (IPPROTO_TCP, TCP_CORK): ("cork", bool, int),
    (IPPROTO_TCP, TCP_KEEPIDLE): ("keepalive_idle", _seconds, int),
    (IPPROTO_TCP, TCP_KEEPINTVL): ("keepalive_interval", _seconds, int),
    (IPPROTO_TCP, TCP_KEEPCNT): ("keepalive_count", _among(1, 127), int),
    (IPPROTO_TCP, TCP_SYNCNT): ("syn_retries", _among(1, 127), int),
    (IPPROTO_TCP, TCP_LINGER2): ("fin_wait_2", _fin_wait_2, lambda t: int(t) if t >= 1 else -1),
    (IPPROTO_TCP, TCP_MAXSEG): ("mss", _segment_size, lambda mss: mss or 536),
    (IPPROTO_TCP, TCP_USER_TIMEOUT): ("user_timeout", _user_timeout, lambda t: int((t or 0) * 1000)),
    (IPPROTO_TCP, TCP_WINDOW_CLAMP): ("window_clamp", lambda n: max(n, 1152) if n else None, lambda n: n or 0),
    (IPPROTO_TCP, TCP_NOTSENT_LOWAT): ("notsent_lowat", lambda n: n & 0xFFFFFFFF or None, lambda n: signed(n or 0)),
}
TIMEOUTS = (SO_RCVTIMEO, SO_SNDTIMEO)
DEVICE = (SOL_SOCKET, SO_BINDTODEVICE)


def parse_linger(value: Value) -> float | None:
    """`struct linger` -> seconds, or None for off."""
    if isinstance(value, int) or len(value) < LINGER.size:
        raise invalid()
    on, seconds = LINGER.unpack_from(value)
    return float(seconds) if on else None


def emit_linger(linger: float | None) -> bytes:
    return LINGER.pack(linger is not None, int(linger or 0))


def signed(number: int) -> int:
    """An unsigned C int as the stdlib reads it."""
    return number - (1 << 32) if number >= 1 << 31 else number


def _octets(value: Value) -> bytes:
    """A string option's bytes; an int's own, as C hands it over."""
    return value.to_bytes(4, sys.byteorder, signed=value < 0) if isinstance(value, int) else bytes(value)


def parse_congestion(value: Value, controls: Mapping[str, Factory]) -> str | Factory:
    """A control's name as its bytes -> what TcpConfig takes. OSError(ENOENT) if there is none, as Linux."""
    if not isinstance(value, int) and not len(value):
        raise invalid()
    name = _octets(value).partition(b"\0")[0].decode("ascii", "replace")
    if name not in controls:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    return name if name in CONTROLS else controls[name]


def emit_congestion(choice: str | Factory) -> bytes:
    name: str = choice if isinstance(choice, str) else getattr(choice, "name", "")
    return name.encode("ascii", "replace")[:CONGESTION_NAME].ljust(CONGESTION_NAME, b"\0")


def parse_device(value: Value, stack: Stack) -> Interface | None:
    """SO_BINDTODEVICE: an impl name or an if_key, to the end or to a zero byte; empty: none. OSError(ENODEV)."""
    name = _octets(value).partition(b"\0")[0].decode("utf-8", "replace")
    return stack.interface(name) if name else None


def emit_device(interface: Interface | None) -> bytes:
    return b"" if interface is None else interface.impl_name.encode() + b"\0"


def parse_timeval(value: Value) -> float | None:
    """`struct timeval` -> seconds, or None where it is zero (no time-out)."""
    if isinstance(value, int) or len(value) < TIMEVAL.size:
        raise invalid()
    seconds, micros = TIMEVAL.unpack_from(value)
    return (seconds + micros / 1e6) or None


def emit_timeval(timeout: float | None) -> bytes:
    return TIMEVAL.pack(int(timeout or 0), int((timeout or 0) % 1 * 1e6))


def time_to_live(value: int) -> int:
    """IP_TTL: 1 to 255, or -1 for the default."""
    if value == -1:
        return 64
    if not 1 <= value <= 255:
        raise invalid()
    return value
