"""The stdlib module's names, over our stack: `import stack.socket as socket`.

`socket()` makes a socket of the process's default stack; `host.socket()` one of that host. Constants, exceptions and
number formats are the stdlib's own objects, so that code may compare them with those that it already has; so is what
has nothing to do with a network (socketpair, AF_UNIX), and stays the kernel's.
This package is the only part of the stack that may block or know a loop.
"""

from __future__ import annotations

import errno as _errno
import os as _os
import socket as _kernel
import sys as _sys
from types import FunctionType as _Function
from types import ModuleType as _Module
from typing import TYPE_CHECKING, Any

from stack.socket import names as _names
from stack.socket import resolver as _resolver
from stack.socket.blocking import socket
from stack.socket.constants import *  # noqa: F403 - this module is the stdlib's names
from stack.socket.constants import SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from stack.socket.descriptor import close as close
from stack.socket.descriptor import dup as dup

if TYPE_CHECKING:
    from stack.stack import Stack

SocketType = socket
has_ipv6 = False
error = OSError
timeout = TimeoutError
_UNSET: Any = _kernel._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]  # of http.client and its kin


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket:
    """A socket on a duplicate of a descriptor that stands for one of ours. Raises OSError(EBADF, ENOTSOCK)."""
    number = dup(fd)
    try:
        return socket(family, type, proto, number)
    except BaseException:
        close(number)
        raise


def create_connection(
    address: tuple[str, int],
    timeout: float | None = _UNSET,
    source_address: tuple[str, int] | None = None,
    *,
    all_errors: bool = False,
    stack: Stack | None = None,
) -> socket:
    """Connect to `(host, port)`, to each of the host's addresses until one answers; the stdlib's arguments.

    Raises OSError, TimeoutError, gaierror: of the last address, or ExceptionGroup of all with `all_errors`.
    """
    host, port = address
    reasons: list[OSError] = []
    for *_, where in getaddrinfo(host, port, 0, SOCK_STREAM, stack=stack):
        made = socket(stack=stack)
        try:
            if timeout is not _UNSET:
                made.settimeout(timeout)
            if source_address:
                made.bind(source_address)
            made.connect(where)
            return made
        except BaseException as reason:
            made.close()
            if not isinstance(reason, OSError):
                raise
            reasons.append(reason)
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", reasons)
        raise reasons[-1]
    finally:
        reasons.clear()  # no cycle by way of a traceback


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


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    *,
    stack: Stack | None = None,
) -> list[Any]:
    """As the stdlib's, IPv4 answers only; names by the stack's hosts table and its name servers. Raises gaierror."""
    asker = _host(stack)
    steps = _resolver.getaddrinfo(host, port, family, type, proto, flags, hosts=asker.hosts)
    return list(_names.ask(asker, steps))


def gethostbyname(hostname: str, *, stack: Stack | None = None) -> str:
    asker = _host(stack)
    return _names.ask(asker, _resolver.address_of(hostname, asker.hosts))


def gethostbyname_ex(hostname: str, *, stack: Stack | None = None) -> tuple[str, list[str], list[str]]:
    asker = _host(stack)
    return _names.ask(asker, _resolver.gethostbyname_ex(hostname, asker.hosts))


def gethostbyaddr(address: str, *, stack: Stack | None = None) -> tuple[str, list[str], list[str]]:
    """By the stack's hosts table, else by PTR records. Raises herror, gaierror."""
    asker = _host(stack)
    return _names.ask(asker, _resolver.gethostbyaddr(address, asker.hosts))


def getnameinfo(sockaddr: tuple[str, int], flags: int, *, stack: Stack | None = None) -> tuple[str, str]:
    """Names where they are known and not refused by NI_NUMERICHOST/NI_NUMERICSERV, else numbers."""
    asker = _host(stack)
    return _names.ask(asker, _resolver.getnameinfo(sockaddr, flags, asker.hosts))


def gethostname(*, stack: Stack | None = None) -> str:
    return _host(stack).name


def sethostname(name: str | bytes, /) -> None:
    """A host is named by who makes it, not by its programs: OSError(EPERM), as for whoever is not root."""
    _os.fsencode(name)
    raise PermissionError(_errno.EPERM, _os.strerror(_errno.EPERM))


def getfqdn(name: str = "", *, stack: Stack | None = None) -> str:
    asker = _host(stack)
    return _names.ask(asker, _resolver.getfqdn(name, asker.name, asker.hosts))


def if_nameindex(*, stack: Stack | None = None) -> list[tuple[int, str]]:
    """(index, impl name) of every interface, the loopback's first."""
    return [(index, link.impl_name) for index, link in list(_host(stack).links.items())]


def if_nametoindex(name: str, /, *, stack: Stack | None = None) -> int:
    """By impl name or if_key. Raises OSError."""
    known = _host(stack)
    try:
        return known.interface(_os.fsdecode(name)).index
    except OSError:
        raise OSError("no interface with this name") from None


def if_indextoname(index: int, /, *, stack: Stack | None = None) -> str:
    """OSError(ENXIO), OverflowError."""
    if index < 0:
        raise OverflowError("can't convert negative value to unsigned int")
    if index >= (1 << 32 if _sys.version_info >= (3, 13) else 1 << 64):
        raise OverflowError("index is too large")
    link = _host(stack).links.get(index & 0xFFFFFFFF)
    if link is None:
        raise OSError(_errno.ENXIO, _os.strerror(_errno.ENXIO))
    return link.impl_name


def _host(stack: Stack | None) -> Stack:
    from stack import default_stack

    return default_stack() if stack is None else stack


def has_dualstack_ipv6() -> bool:
    return False


def _is_ours(name: str, value: object) -> bool:
    """What the stdlib's module has for its own use does not become a name of ours."""
    private = name.startswith("_") and isinstance(value, _Function)
    return not (name.startswith("__") or name in ("_socket", "CAPI") or private or isinstance(value, _Module))


globals().update(
    {name: value for name, value in vars(_kernel).items() if name not in globals() and _is_ours(name, value)}
)
__all__ = list(_kernel.__all__)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The names that only the interpreter knows which runs this."""
