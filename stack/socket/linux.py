"""Numbers that Linux has and another system's `socket` may lack: the stdlib's own where it has them, else Linux's.

Sockets of ours mean the same wherever they run, so the names are there on every system. A number that stands for
something else there (macOS has IP_ADD_MEMBERSHIP where Linux has IP_RECVTTL) is moved out of its way: only the name is
good then. socket(7), ip(7), tcp(7); Linux, include/uapi/linux/in.h, tcp.h and include/linux/socket.h.
"""

from __future__ import annotations

import socket as _kernel

_ELSEWHERE = 1 << 16  # no system numbers its options so high


def _taken(prefix: str) -> set[int]:
    return {int(number) for name, number in vars(_kernel).items() if name.startswith(prefix) and name.isupper()}


_IN_USE = {prefix: _taken(prefix) for prefix in ("SO_", "IP_", "TCP_")}


def _of(name: str, linux: int) -> int:
    known: int | None = getattr(_kernel, name, None)
    if known is not None:
        return known
    prefix = name[: name.index("_") + 1]
    return linux | _ELSEWHERE if linux in _IN_USE.get(prefix, ()) else linux


SOCK_NONBLOCK = _of("SOCK_NONBLOCK", 0o4000)
SOCK_CLOEXEC = _of("SOCK_CLOEXEC", 0o2000000)

MSG_ERRQUEUE = _of("MSG_ERRQUEUE", 0x2000)
MSG_MORE = _of("MSG_MORE", 0x8000)
MSG_FASTOPEN = _of("MSG_FASTOPEN", 1 << 29)

SO_NO_CHECK = _of("SO_NO_CHECK", 11)
SO_PRIORITY = _of("SO_PRIORITY", 12)
SO_PASSCRED = _of("SO_PASSCRED", 16)
SO_PEERCRED = _of("SO_PEERCRED", 17)
SO_BINDTODEVICE = _of("SO_BINDTODEVICE", 25)
SO_PASSSEC = _of("SO_PASSSEC", 34)
SO_MARK = _of("SO_MARK", 36)
SO_PROTOCOL = _of("SO_PROTOCOL", 38)
SO_DOMAIN = _of("SO_DOMAIN", 39)
SO_BUSY_POLL = _of("SO_BUSY_POLL", 46)
SO_INCOMING_CPU = _of("SO_INCOMING_CPU", 49)
SO_ZEROCOPY = _of("SO_ZEROCOPY", 60)
SO_PASSPIDFD = _of("SO_PASSPIDFD", 76)
SO_PASSRIGHTS = _of("SO_PASSRIGHTS", 83)

IP_HDRINCL = _of("IP_HDRINCL", 3)
IP_OPTIONS = _of("IP_OPTIONS", 4)
IP_RECVOPTS = _of("IP_RECVOPTS", 6)
IP_PKTINFO = _of("IP_PKTINFO", 8)
IP_MTU_DISCOVER = _of("IP_MTU_DISCOVER", 10)
IP_RECVTTL = _of("IP_RECVTTL", 12)
IP_RECVTOS = _of("IP_RECVTOS", 13)
IP_MTU = _of("IP_MTU", 14)
IP_BIND_ADDRESS_NO_PORT = _of("IP_BIND_ADDRESS_NO_PORT", 24)
IP_MULTICAST_ALL = _of("IP_MULTICAST_ALL", 49)
IP_UNBLOCK_SOURCE = _of("IP_UNBLOCK_SOURCE", 37)
IP_BLOCK_SOURCE = _of("IP_BLOCK_SOURCE", 38)
IP_ADD_SOURCE_MEMBERSHIP = _of("IP_ADD_SOURCE_MEMBERSHIP", 39)
IP_DROP_SOURCE_MEMBERSHIP = _of("IP_DROP_SOURCE_MEMBERSHIP", 40)

TCP_CORK = _of("TCP_CORK", 3)
TCP_SYNCNT = _of("TCP_SYNCNT", 7)
TCP_LINGER2 = _of("TCP_LINGER2", 8)
TCP_KEEPIDLE: int = getattr(_kernel, "TCP_KEEPALIVE", None) or _of("TCP_KEEPIDLE", 4)  # the former is macOS' name
TCP_WINDOW_CLAMP = _of("TCP_WINDOW_CLAMP", 10)
TCP_INFO = _of("TCP_INFO", 11)
TCP_QUICKACK = _of("TCP_QUICKACK", 12)
TCP_CONGESTION = _of("TCP_CONGESTION", 13)
TCP_USER_TIMEOUT = _of("TCP_USER_TIMEOUT", 18)
TCP_FASTOPEN = _of("TCP_FASTOPEN", 23)
TCP_NOTSENT_LOWAT = _of("TCP_NOTSENT_LOWAT", 25)
TCP_FASTOPEN_CONNECT = _of("TCP_FASTOPEN_CONNECT", 30)
