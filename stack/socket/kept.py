"""Options that Linux keeps and answers, and which change nothing that a program could see on a stack of ours.

There are no CPUs, queues, marks or policies behind them, or Linux itself makes no use of them for that kind of socket.
What has an effect in Linux that is missing here is not in the tables: it raises ENOPROTOOPT, as does what is unknown.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from socket import (
    IPPROTO_IP,
    SO_ACCEPTCONN,
    SO_BROADCAST,
    SO_DEBUG,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_OOBINLINE,
    SO_RCVLOWAT,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_SNDLOWAT,
    SOL_SOCKET,
)
from struct import Struct
from typing import Any, TypeAlias

from stack.socket import options
from stack.socket.attempts import Attempts, fail
from stack.socket.linux import (
    IP_BIND_ADDRESS_NO_PORT,
    SO_BUSY_POLL,
    SO_INCOMING_CPU,
    SO_MARK,
    SO_NO_CHECK,
    SO_PASSCRED,
    SO_PASSPIDFD,
    SO_PASSRIGHTS,
    SO_PASSSEC,
    SO_PEERCRED,
    SO_PRIORITY,
    SO_ZEROCOPY,
)

Parse: TypeAlias = Callable[[options.Value], Any]
Kept: TypeAlias = Mapping[tuple[int, int], tuple[Any, Parse]]  # (level, option) -> (what it is at first, what is set)

_OF_UNIX = (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD, SO_PASSRIGHTS)  # for AF_UNIX alone
_CREDENTIALS = Struct("@iii")  # struct ucred: pid, uid, gid
_MOST_TO_SEND = 4 << 20  # bytes


def _flag(value: options.Value) -> int:
    return int(bool(options.as_int(value)))


def _none_below_zero(value: options.Value) -> int:
    number = options.as_int(value)
    if number < 0:
        raise options.invalid()
    return number


def _zero_or_one(value: options.Value) -> int:
    number = options.as_int(value)
    if number not in (0, 1):
        raise options.invalid()
    return number


def _send_buffer(value: options.Value) -> int:
    """Twice what was asked for, as Linux answers; what is sent as a packet waits in no buffer of ours."""
    return 2 * max(min(options.as_int(value) & 0xFFFFFFFF, _MOST_TO_SEND), options.SMALLEST[SO_SNDBUF])


def _linger(value: options.Value) -> bytes:
    return options.emit_linger(options.parse_linger(value))


def _low_water(value: options.Value) -> int:
    number = options.as_int(value)
    return 0x7FFFFFFF if number < 0 else number or 1


_OF_ALL: Kept = {
    (SOL_SOCKET, SO_DEBUG): (0, _flag),
    (SOL_SOCKET, SO_PRIORITY): (0, options.as_int),
    (SOL_SOCKET, SO_MARK): (0, options.as_int),
    (SOL_SOCKET, SO_BUSY_POLL): (0, _none_below_zero),
    (SOL_SOCKET, SO_INCOMING_CPU): (-1, options.as_int),
    (SOL_SOCKET, SO_ZEROCOPY): (0, _zero_or_one),
    (IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT): (0, lambda value: int(bool(options.as_number(value)))),
}
OF_STREAMS: Kept = {
    **_OF_ALL,
    (SOL_SOCKET, SO_BROADCAST): (0, _flag),
    (SOL_SOCKET, SO_NO_CHECK): (0, _flag),
}
OF_PACKETS: Kept = {
    **_OF_ALL,
    (SOL_SOCKET, SO_SNDBUF): (212992, _send_buffer),
    (SOL_SOCKET, SO_REUSEADDR): (0, _flag),
    (SOL_SOCKET, SO_REUSEPORT): (0, _flag),
    (SOL_SOCKET, SO_KEEPALIVE): (0, _flag),
    (SOL_SOCKET, SO_OOBINLINE): (0, _flag),
    (SOL_SOCKET, SO_RCVLOWAT): (1, _low_water),
    (SOL_SOCKET, SO_LINGER): (options.emit_linger(None), _linger),
}
_FACTS: Mapping[int, int | bytes] = {
    SO_ACCEPTCONN: 0,
    SO_SNDLOWAT: 1,
    SO_PEERCRED: _CREDENTIALS.pack(0, -1, -1),
}


def keep(core: Attempts, level: int, option: int, value: options.Value) -> None:
    """OSError: ENOPROTOOPT, EOPNOTSUPP, EINVAL."""
    known = core.keeps.get((level, option))
    if known is None:
        options.as_number(value) if level == IPPROTO_IP else options.as_int(value)  # EINVAL comes first
        raise _unknown(level, option)
    if core.kept is None:
        core.kept = {}
    core.kept[level, option] = known[1](value)


def recall(core: Attempts, level: int, option: int) -> int | bytes:
    known = core.keeps.get((level, option))
    if known is None:
        if level == SOL_SOCKET and option in _FACTS:
            return _FACTS[option]
        raise _unknown(level, option)
    value: int | bytes = known[0] if core.kept is None else core.kept.get((level, option), known[0])
    return value


def _unknown(level: int, option: int) -> OSError:
    return fail(errno.EOPNOTSUPP if level == SOL_SOCKET and option in _OF_UNIX else errno.ENOPROTOOPT)
