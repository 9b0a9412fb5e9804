"""A host's own getaddrinfo and its kin: those of `stack.socket`, asked for this host. Methods of Stack.

Who blocks while the DNS is asked is `stack.socket`'s knowledge, which is imported when the first name is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stack.stack import Stack


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
