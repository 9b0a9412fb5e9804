"""The stdlib module's names, over our stack: `import stack.socket as socket`.

`socket()` makes a socket of the process's default stack; `host.socket()` one of that host. Constants, exceptions and
number formats are the stdlib's own objects, so that code may compare them with those that it already has.
This package is the only part of the stack that may block or know a loop.
"""

from __future__ import annotations

import socket as _kernel
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stack.socket import resolver as _resolver
from stack.socket.blocking import socket
from stack.socket.constants import *  # noqa: F403 - this module is the stdlib's names
from stack.socket.constants import EAI_NONAME, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, herror

if TYPE_CHECKING:
    from stack.stack import Stack

SocketType = socket
has_ipv6 = False
error = OSError
timeout = TimeoutError
_UNSET: Any = object()


def create_connection(
    address: tuple[str, int],
    timeout: float | None = _UNSET,
    source_address: tuple[str, int] | None = None,
    *,
    all_errors: bool = False,
    stack: Stack | None = None,
) -> socket:
    """Connect to `(host, port)`; the stdlib's arguments. Raises OSError, TimeoutError, gaierror."""
    made = socket(stack=stack)
    try:
        if timeout is not _UNSET:
            made.settimeout(timeout)
        if source_address:
            made.bind(source_address)
        made.connect(address)
    except BaseException as reason:
        made.close()
        if all_errors and isinstance(reason, OSError):
            raise ExceptionGroup("create_connection failed", [reason]) from None
        raise
    return made


def create_server(
    address: tuple[str, int],
    *,
    family: int = _kernel.AF_INET,
    backlog: int | None = None,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
    stack: Stack | None = None,
) -> socket:
    """A listening socket at `(host, port)`. Raises OSError(EADDRINUSE, EADDRNOTAVAIL), ValueError."""
    if dualstack_ipv6:
        raise ValueError("dualstack_ipv6 not supported on this platform")
    made = socket(family, SOCK_STREAM, stack=stack)
    try:
        made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128 if backlog is None else backlog)
    except BaseException:
        made.close()
        raise
    return made


def _default_hosts() -> Mapping[str, bytes]:
    from stack import default_stack

    return default_stack().hosts


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[Any]:
    """As the stdlib's, by the default stack's names. Raises gaierror."""
    return list(_resolver.getaddrinfo(host, port, family, type, proto, flags, hosts=_default_hosts()))


def gethostbyname(hostname: str) -> str:
    return _resolver.format_endpoint((_resolver.look_up(hostname, _default_hosts()), 0))[0]


def gethostname() -> str:
    from stack import default_stack

    return default_stack().name


def getfqdn(name: str = "") -> str:
    return name or gethostname()


def gethostbyaddr(address: str) -> tuple[str, list[str], list[str]]:
    """The name of one of the stack's `hosts`, or of localhost. Raises herror."""
    packed = _resolver.look_up(address, {})
    names = [name for name, known in _default_hosts().items() if known == packed]
    if packed == _resolver.LOOPBACK:
        names.append("localhost")
    if not names:
        raise herror(1, "Unknown host")
    return names[0], names[1:], [address]


def if_nameindex(*, stack: Stack | None = None) -> list[tuple[int, str]]:
    """(index, impl name) of every interface, the loopback's first."""
    return [(index, link.impl_name) for index, link in list(_host(stack).links.items())]


def if_nametoindex(name: str, /, *, stack: Stack | None = None) -> int:
    """By impl name or if_key. OSError(ENODEV)."""
    return _host(stack).interface(name).index


def if_indextoname(index: int, /, *, stack: Stack | None = None) -> str:
    """OSError(ENODEV)."""
    return _host(stack).interface(index).impl_name


def _host(stack: Stack | None) -> Stack:
    from stack import default_stack

    return default_stack() if stack is None else stack


def getnameinfo(address: tuple[str, int], flags: int) -> tuple[str, str]:
    """Names where they are known and not refused by NI_NUMERICHOST/NI_NUMERICSERV, else numbers."""
    host, port = address[0], str(address[1])
    if not flags & _kernel.NI_NUMERICHOST:
        try:
            host = gethostbyaddr(host)[0]
        except herror:
            if flags & _kernel.NI_NAMEREQD:
                raise _kernel.gaierror(EAI_NONAME, "Name or service not known") from None
    if not flags & _kernel.NI_NUMERICSERV:
        try:
            port = _kernel.getservbyport(address[1], "udp" if flags & _kernel.NI_DGRAM else "tcp")
        except OSError:
            port = str(address[1])
    return host, port


def has_dualstack_ipv6() -> bool:
    return False
