"""Where a host's names come from, and its own getaddrinfo and kin: those of `stack.socket`, asked for this host.

Who blocks while the DNS is asked is `stack.socket`'s knowledge, which is imported when the first name is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netif.errors import InvalidParams
from netif.wire.ip import parse_address

if TYPE_CHECKING:
    from stack.stack import Stack


class Sources:
    """What a Stack is told, in text or in bytes. InvalidParams names what it cannot be."""

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[str, bytes] = {}
        self._dns: tuple[bytes, ...] = ()
        self._search: tuple[str, ...] = ()

    @property
    def hosts(self) -> dict[str, bytes]:
        """{name: address}; a table of bytes is taken as it is, and may grow."""
        return self._hosts

    @hosts.setter
    def hosts(self, table: dict[str, str | bytes] | dict[str, bytes]) -> None:
        if not isinstance(table, dict):
            raise InvalidParams(f"hosts: {table!r} is no table; write it as in {{'printer': '192.168.5.9'}}")
        entries = list(table.items())  # at once: whoever shares the table may be adding to it
        if all(_packed("hosts", address) is address for _, address in entries):
            self._hosts = table  # type: ignore[assignment]
        else:
            self._hosts = {name: _packed("hosts", address) for name, address in entries}

    @property
    def dns(self) -> tuple[bytes, ...]:
        """The name servers: the default interface's, from its next change on."""
        return self._dns

    @dns.setter
    def dns(self, servers: Iterable[str | bytes]) -> None:
        self._dns = tuple(_packed("dns", server) for server in _listed("dns", servers))

    @property
    def search(self) -> tuple[str, ...]:
        """Domains in which names are looked for, where the interface names none."""
        return self._search

    @search.setter
    def search(self, domains: Iterable[str]) -> None:
        self._search = _listed("search", domains)


def _listed(field: str, values: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(f"{field}: {values!r} is no list; write [{values!r}]")
    return tuple(values)


def _packed(field: str, address: str | bytes) -> bytes:
    try:
        return parse_address(address)
    except ValueError as error:
        raise InvalidParams(f"{field}: {error}") from None


def getaddrinfo(
    self: Stack, host: str | bytes | None, port: str | bytes | int | None, *arguments: int, **options: int
) -> list[Any]:
    """The stdlib's arguments and answers; IPv4 alone. Raises gaierror."""
    from stack.socket import getaddrinfo

    return getaddrinfo(host, port, *arguments, stack=self, **options)


def gethostbyname(self: Stack, hostname: str) -> str:
    from stack.socket import gethostbyname

    return gethostbyname(hostname, stack=self)


def gethostbyname_ex(self: Stack, hostname: str) -> tuple[str, list[str], list[str]]:
    from stack.socket import gethostbyname_ex

    return gethostbyname_ex(hostname, stack=self)


def gethostbyaddr(self: Stack, address: str) -> tuple[str, list[str], list[str]]:
    from stack.socket import gethostbyaddr

    return gethostbyaddr(address, stack=self)


def getnameinfo(self: Stack, sockaddr: tuple[str, int], flags: int = 0) -> tuple[str, str]:
    from stack.socket import getnameinfo

    return getnameinfo(sockaddr, flags, stack=self)


def getfqdn(self: Stack, name: str = "") -> str:
    from stack.socket import getfqdn

    return getfqdn(name, stack=self)


def socket_module(self: Stack) -> ModuleType:
    """The stdlib's `socket` as this host has it: `socket = host.socket_module`."""
    from stack.socket.use.names import module_of

    return module_of(self)
