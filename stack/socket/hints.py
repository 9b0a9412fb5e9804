"""What a look-up asks for beside a name: the kinds of sockets, their port, and flags, checked as glibc does.

Knows the services file, and a few services where there is none. Errors are getaddrinfo(3)'s; IPv4 only.
"""

from __future__ import annotations

import re
import socket as _kernel
import sys
from operator import index
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    AI_CANONNAME,
    AI_NUMERICSERV,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    gaierror,
)
from typing import Any, NoReturn

_KINDS: tuple[tuple[int, int], ...] = (
    (SOCK_STREAM, _kernel.IPPROTO_TCP),
    (SOCK_DGRAM, _kernel.IPPROTO_UDP),
    (SOCK_RAW, 0),
)
SERVICES = {  # where the system has no list
    "tcp": {"domain": 53, "echo": 7, "ftp": 21, "http": 80, "https": 443, "mqtt": 1883, "smtp": 25, "ssh": 22},
    "udp": {"domain": 53, "echo": 7, "ntp": 123, "tftp": 69},
}
WORDS = {
    _kernel.EAI_BADFLAGS: "Bad value for ai_flags",
    _kernel.EAI_ADDRFAMILY: "Address family for hostname not supported",
    _kernel.EAI_AGAIN: "Temporary failure in name resolution",
    _kernel.EAI_FAIL: "Non-recoverable failure in name resolution",
    _kernel.EAI_FAMILY: "ai_family not supported",
    _kernel.EAI_NODATA: "No address associated with hostname",
    _kernel.EAI_NONAME: "Name or service not known",
    _kernel.EAI_SERVICE: "Servname not supported for ai_socktype",
    _kernel.EAI_SOCKTYPE: "ai_socktype not supported",
}
_FLAGS = 0x7FF  # of getaddrinfo, and of getnameinfo, that glibc knows
_NAME_FLAGS = 0xFF
_NUMBER = re.compile(r"\s*([+-]?)([0-9]*)\Z", re.ASCII)  # as C's strtoul reads it
_LONG = 1 << 63  # beyond a C long


def fail(number: int, about: str = "") -> NoReturn:
    raise gaierror(number, WORDS[number] + about)


def check(host: object, port: Any, family: int, flags: int) -> None:
    """Before anything is looked up. Raises gaierror, OSError, OverflowError."""
    if host is None and port is None:
        fail(_kernel.EAI_NONAME)
    if port is not None and not isinstance(port, str | bytes):
        if not isinstance(port, int):
            raise OSError("Int or String expected")
        if sys.version_info < (3, 12) and not -_LONG <= port < _LONG:
            raise OverflowError("Python int too large to convert to C long")
    if flags & ~_FLAGS or (flags & AI_CANONNAME and host is None):
        fail(_kernel.EAI_BADFLAGS)
    if family not in (AF_UNSPEC, AF_INET, AF_INET6):
        fail(_kernel.EAI_FAMILY)
    if flags & AI_NUMERICSERV and port is not None and _number(port) is None:
        fail(_kernel.EAI_NONAME)


def check_name(sockaddr: Any, flags: int) -> tuple[str, int]:
    """getnameinfo's arguments. Raises TypeError, OSError, gaierror."""
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if not 2 <= len(sockaddr) <= 4 or not isinstance(sockaddr[0], str):
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    host, port = sockaddr[0], index(sockaddr[1])
    if index(flags) & ~_NAME_FLAGS:
        fail(_kernel.EAI_BADFLAGS)
    if port < 0:
        fail(_kernel.EAI_SERVICE)
    if len(sockaddr) != 2:
        raise OSError("IPv4 sockaddr must be 2 tuple")
    return host, port & 0xFFFF


def ports_for(port: str | bytes | int | None, type: int, proto: int, flags: int) -> list[tuple[int, int, int]]:
    """[(kind, protocol, port)] of the sockets that fit; as glibc has it, the first if the caller narrows them."""
    fitting = [
        (kind, protocol or proto)
        for kind, protocol in _KINDS
        if type in (0, kind) and (not proto or not protocol or proto == protocol)
    ]
    if not fitting:
        fail(_kernel.EAI_SOCKTYPE)
    if type or proto:
        fitting = fitting[:1]
        if fitting[0][0] == SOCK_RAW and port not in (None, "", b""):
            fail(_kernel.EAI_SERVICE)
    ports = [
        (kind, protocol, number)
        for kind, protocol in fitting
        if (number := _port_number(port, kind, flags)) is not None
    ]
    if not ports:
        fail(_kernel.EAI_SERVICE)
    return ports


def _port_number(port: str | bytes | int | None, kind: int, flags: int) -> int | None:
    if port is None:
        return 0
    number = _number(port)
    if number is not None:
        return number & 0xFFFF if 0 <= number < _LONG else None
    text = port.decode("ascii", "replace") if isinstance(port, bytes) else str(port)
    if kind == SOCK_RAW:
        return None
    transport = "tcp" if kind == SOCK_STREAM else "udp"
    try:
        return _kernel.getservbyname(text, transport)
    except OSError:
        return SERVICES[transport].get(text)


def _number(port: str | bytes | int) -> int | None:
    if isinstance(port, int):
        return port
    read = _NUMBER.match(port.decode("ascii", "replace") if isinstance(port, bytes) else port)
    return int(read[1] + (read[2] or "0")) if read is not None else None
