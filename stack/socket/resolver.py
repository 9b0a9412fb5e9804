"""Names and numbers: what `getaddrinfo` and its kin answer, and how an address argument becomes bytes.

Knows literals, `localhost`, the stack's own `hosts` table and the services file; asks nobody (there is no resolver).
IPv4 only: AF_INET6 is refused by errno, as on a host without IPv6. Errors are those of the stdlib (RFC 3493 section 6).
"""

from __future__ import annotations

import errno
import os
import socket as _kernel
from collections.abc import Mapping
from socket import (
    AF_INET,
    AF_UNSPEC,
    AI_PASSIVE,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    AddressFamily,
    SocketKind,
    gaierror,
)

from netif.wire import ip

Address = tuple[str, int]
ANY = b"\0\0\0\0"
BROADCAST = b"\xff\xff\xff\xff"
LOOPBACK = b"\x7f\0\0\1"

_PROTOCOLS = ((SOCK_STREAM, _kernel.IPPROTO_TCP), (SOCK_DGRAM, _kernel.IPPROTO_UDP), (SOCK_RAW, 0))


def look_up(host: str, hosts: Mapping[str, bytes]) -> bytes:
    """The 4 bytes that `host` stands for: a literal, `""` (any), `<broadcast>`, `localhost` or a name in `hosts`.

    Raises gaierror(EAI_NONAME) for any other name.
    """
    if host == "":
        return ANY
    if host == "<broadcast>":
        return BROADCAST
    if (known := hosts.get(host)) is not None:
        return known
    if host.rstrip(".").lower() == "localhost":
        return LOOPBACK
    try:
        return ip.parse_address(host)
    except ValueError:
        raise gaierror(_kernel.EAI_NONAME, f"Name or service not known: {host!r}") from None


def parse_endpoint(address: object, hosts: Mapping[str, bytes], caller: str) -> tuple[bytes, int]:
    """`(host, port)` as the stdlib takes it -> `(4 bytes, port)`. TypeError, OverflowError and gaierror as there."""
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError(f"{caller}(): AF_INET address must be a pair (host, port)")
    host, port = address
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii")
    if not isinstance(host, str):
        raise TypeError(f"{caller}(): host must be str, bytes or bytearray, not {type(host).__name__}")
    if not isinstance(port, int):
        raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    return look_up(host, hosts), port


def format_endpoint(address: tuple[bytes, int]) -> Address:
    return ip.format_address(address[0]), address[1]


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    *,
    hosts: Mapping[str, bytes] | None = None,
) -> list[tuple[AddressFamily, SocketKind, int, str, Address]]:
    """IPv4 answers only, in the stdlib's shape and order. Raises gaierror."""
    if family not in (AF_UNSPEC, AF_INET):
        raise gaierror(_kernel.EAI_FAMILY, "ai_family not supported")
    if isinstance(host, bytes):
        host = host.decode("idna")
    if host is None:
        address = ANY if flags & AI_PASSIVE else LOOPBACK
    else:
        address = look_up(host, hosts or {})
    answers: list[tuple[AddressFamily, SocketKind, int, str, Address]] = []
    for kind, protocol in _PROTOCOLS:
        if type not in (0, kind) or (proto and protocol and proto != protocol):
            continue
        number = _port_number(port, kind)
        if number is not None:
            answers.append((AF_INET, SocketKind(kind), protocol or proto, "", (ip.format_address(address), number)))
    if not answers:
        raise gaierror(_kernel.EAI_SERVICE, "Servname not supported for ai_socktype")
    return answers


def _port_number(port: str | bytes | int | None, kind: int) -> int | None:
    if port is None:
        return 0
    if isinstance(port, int):
        return port
    text = port.decode("ascii") if isinstance(port, bytes) else port
    if text.isdigit():
        return int(text)
    try:
        return _kernel.getservbyname(text, "tcp" if kind == SOCK_STREAM else "udp")
    except OSError:
        return None


def refuse_family(family: int) -> None:
    if family not in (-1, AF_INET):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
