"""Names and numbers: what `getaddrinfo` and its kin answer, and how an address argument becomes bytes.

Knows literals, the stack's `hosts`, the services file, and which questions to put to the DNS: the functions below that
are generators yield those and are sent what was found; who waits meanwhile, and how, is `names`' knowledge.
IPv4 only: AF_INET6 is refused by errno, as on a host without IPv6. Errors are the stdlib's (RFC 3493 6).
"""

from __future__ import annotations

import errno
import os
import socket as _kernel
from collections.abc import Generator, Mapping
from functools import lru_cache
from operator import index
from socket import (
    AF_INET,
    AF_INET6,
    AI_CANONNAME,
    AI_NUMERICHOST,
    AI_PASSIVE,
    NI_DGRAM,
    NI_NAMEREQD,
    NI_NUMERICHOST,
    NI_NUMERICSERV,
    AddressFamily,
    SocketKind,
    gaierror,
    herror,
)
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from netif.wire import ip
from netif.wire.ip import ANY as ANY
from netif.wire.ip import BROADCAST
from stack.dns.hosts import LOOPBACK as LOOPBACK
from stack.dns.hosts import known, names_of
from stack.socket import hints

if TYPE_CHECKING:
    from stack.dns.findings import Finding

T = TypeVar("T")
Address = tuple[str, int]
AddressInfo: TypeAlias = tuple[AddressFamily, SocketKind, int, str, Address]
Hosts: TypeAlias = Mapping[str, bytes]

_OUTCOMES = {  # of a question to the DNS
    "NO_DATA": (_kernel.EAI_NODATA, ""),
    "NO_NAME": (_kernel.EAI_NONAME, ""),
    "AGAIN": (_kernel.EAI_AGAIN, ""),
    "UNASKED": (_kernel.EAI_NONAME, " (no name server is configured)"),
    "FAILED": (_kernel.EAI_FAIL, ""),
}


class Wanted(NamedTuple):
    """A question to the DNS."""

    name: str
    kind: str  # "A" ...
    search: bool = True


Steps: TypeAlias = Generator[Wanted, "Finding", T]


class UnknownName(gaierror):
    """`host` is no literal and not in the hosts table: who can wait may ask the DNS."""

    def __init__(self, host: str) -> None:
        super().__init__(_kernel.EAI_NONAME, f"{hints.WORDS[_kernel.EAI_NONAME]}: {host!r}")
        self.host = host


# addresses as arguments


def look_up(host: str, hosts: Hosts) -> bytes:
    """The 4 bytes that `host` stands for: a literal, `""` (any), `<broadcast>`, `localhost` or a name in `hosts`.

    UnknownName for any other, a gaierror(EAI_NONAME).
    """
    if host == "":
        return ANY
    if host == "<broadcast>":
        return BROADCAST
    if (address := literal(host)) is not None or (address := known(host, hosts)) is not None:
        return address
    raise UnknownName(host)


def literal(host: str) -> bytes | None:
    """The 4 bytes of an address in numbers: dotted decimal, or as inet_aton(3) reads it (127.1, 0x7f000001)."""
    try:
        return ip.parse_address(host)
    except ValueError:
        pass
    if not host[:1].isdigit() or not host.isascii() or any(char.isspace() for char in host):
        return None
    try:
        return _kernel.inet_aton(host)
    except OSError:
        return None


@lru_cache(maxsize=1024, typed=True)
def _numbers(host: object, port: object) -> tuple[bytes, int] | None:
    if type(host) is not str or type(port) is not int or not 0 <= port <= 0xFFFF:
        return None
    address = literal(host)
    return None if address is None or address == ANY else (address, port)


def numeric(address: object) -> tuple[bytes, int] | None:
    """Where `(host, port)` in numbers leads from any stack; None: it is a name, or ANY, or wrong."""
    try:
        return _numbers(*address) if type(address) is tuple and len(address) == 2 else None
    except TypeError:  # not hashable
        return None


def parse_endpoint(address: object, hosts: Hosts, caller: str) -> tuple[bytes, int]:
    """`(host, port)` as the stdlib takes it -> `(4 bytes, port)`. TypeError, OverflowError and UnknownName."""
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError(f"{caller}(): AF_INET address must be a pair (host, port)")
    host, port = address
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii")
    if not isinstance(host, str):
        raise TypeError(f"{caller}(): host must be str, bytes or bytearray, not {type(host).__name__}")
    if "\0" in host:
        raise TypeError("host name must not contain null character")
    if not isinstance(port, int):
        port = index(port)
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    return look_up(host, hosts), port


def format_endpoint(address: tuple[bytes, int]) -> Address:
    return ip.format_address(address[0]), address[1]


format_source = lru_cache(maxsize=1024)(format_endpoint)  # of datagrams, many of which come from few


def refuse_family(family: int) -> None:
    if index(family) not in (-1, AF_INET):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))


# the stdlib's functions


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    *,
    hosts: Hosts,
) -> Steps[list[AddressInfo]]:
    """IPv4 answers only, in the stdlib's shape and order. Raises gaierror."""
    hints.check(host, port, family, flags)
    ports = hints.ports_for(port, type, proto, flags)
    if family == AF_INET6:
        numeric = host is not None and literal(_text(host)) is not None
        hints.fail(_kernel.EAI_ADDRFAMILY if numeric else _kernel.EAI_FAMILY)
    if host is None:
        canonical, addresses = "", [ANY if flags & AI_PASSIVE else LOOPBACK]
    else:
        canonical, addresses = yield from _addresses(_text(host), hosts, bool(flags & AI_NUMERICHOST))
    answers: list[AddressInfo] = []
    for address in addresses:
        for kind, protocol, number in ports:
            first = canonical if flags & AI_CANONNAME and not answers else ""
            answers.append((AF_INET, SocketKind(kind), protocol, first, (ip.format_address(address), number)))
    return answers


def _text(host: str | bytes) -> str:
    if not isinstance(host, (str, bytes, bytearray)):
        raise TypeError(f"a host must be str, bytes or bytearray, not {type(host).__name__}")
    try:
        return host if isinstance(host, str) else host.decode("ascii")
    except UnicodeDecodeError:
        hints.fail(_kernel.EAI_NONAME, f": {host!r}")


def _whole_text(host: str | bytes) -> str:
    text = _text(host)
    if "\0" in text:
        raise TypeError("host name must not contain null character")
    return text


def _addresses(host: str, hosts: Hosts, numeric: bool = False) -> Steps[tuple[str, list[bytes]]]:
    """(canonical name, addresses)."""
    if (address := literal(host)) is not None:
        return host, [address]
    if ":" in host:
        hints.fail(_kernel.EAI_ADDRFAMILY, f": {host!r}")  # IPv6's: we speak IPv4 alone
    if numeric or not host:
        hints.fail(_kernel.EAI_NONAME, f": {host!r}")
    if (address := known(host, hosts)) is not None:
        return host, [address]
    finding = yield Wanted(host, "A")
    if not finding.records:
        number, why = _OUTCOMES[finding.outcome.name]
        hints.fail(number, f": {host!r}{why}")
    return format_name(finding.canonical), list(dict.fromkeys(record.data for record in finding.records))


def format_name(name: bytes) -> str:
    from netif.wire import dns

    return dns.format_name(name)


def address_of(host: str | bytes, hosts: Hosts) -> Steps[str]:
    """The first address of a host, as gethostbyname and an address argument have it."""
    host = _whole_text(host)
    if host in ("", "<broadcast>"):
        return ip.format_address(look_up(host, hosts))
    _, addresses = yield from _addresses(host, hosts)
    return ip.format_address(addresses[0])


def gethostbyname_ex(host: str | bytes, hosts: Hosts) -> Steps[tuple[str, list[str], list[str]]]:
    """(canonical name, aliases, addresses)."""
    host = _whole_text(host)
    if host in ("", "<broadcast>"):
        raise herror(3, "Unknown server error")
    canonical, addresses = yield from _addresses(host, hosts)
    asked = host.removesuffix(".")
    aliases = [asked] if asked.lower() != canonical.lower() else []
    return canonical, aliases, [ip.format_address(address) for address in addresses]


def gethostbyaddr(host: str, hosts: Hosts) -> Steps[tuple[str, list[str], list[str]]]:
    """(name, aliases, [address]) of an address, or of a name's first one. Raises herror, gaierror."""
    address = ip.parse_address((yield from address_of(host, hosts)))
    names = yield from _names(address, hosts)
    if not names:
        raise herror(1, "Unknown host")
    return names[0], names[1:], [ip.format_address(address)]


def _names(address: bytes, hosts: Hosts) -> Steps[list[str]]:
    """By the hosts table, else by PTR records; empty: nobody knows one."""
    names = names_of(address, hosts)
    if not names:
        from netif.wire import dns

        finding = yield Wanted(format_name(dns.reverse_name(address)) + ".", "PTR", False)
        names = [format_name(record.data) for record in finding.records]
    return names


def getnameinfo(sockaddr: tuple[str, int], flags: int, hosts: Hosts) -> Steps[tuple[str, str]]:
    """Names where they are known and not refused by NI_NUMERICHOST and NI_NUMERICSERV, else numbers."""
    host, port = hints.check_name(sockaddr, flags)
    address = literal(host)
    if address is None:
        hints.fail(_kernel.EAI_NONAME, f": {host!r}")
    names = [] if flags & NI_NUMERICHOST else (yield from _names(address, hosts))
    if not names and flags & NI_NAMEREQD:
        hints.fail(_kernel.EAI_NONAME, f": {host!r}")
    service = str(port)
    if not flags & NI_NUMERICSERV:
        transport = "udp" if flags & NI_DGRAM else "tcp"
        try:
            service = _kernel.getservbyport(port, transport)
        except OSError:
            service = next((name for name, number in hints.SERVICES[transport].items() if number == port), service)
    return names[0] if names else ip.format_address(address), service


def getfqdn(name: str, own: str, hosts: Hosts) -> Steps[str]:
    """The first of a host's names with a dot in it; `own`: what we are called. Never raises."""
    name = name.strip()
    if name in ("", "0.0.0.0"):
        name = own
    try:
        first, aliases, _ = yield from gethostbyaddr(name, hosts)
    except OSError:
        return name
    return next((each for each in [first, *aliases] if "." in each), first)
