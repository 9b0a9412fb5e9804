"""Where the other end of a wire is: a path, or an address and a port."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import NamedTuple, TypeAlias

from tapio.wire import WireError

_INET = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^/:]+)):(\d{1,5})")


class Inet(NamedTuple):
    """Of TCP or UDP."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Endpoint: TypeAlias = "str | Inet"  # a path, or the other


def endpoint(text: str | os.PathLike[str]) -> Endpoint:
    """HOST:PORT, [ADDRESS]:PORT, or else a path. WireError."""
    text = os.fspath(text)
    match = _INET.fullmatch(text)
    if match is None:
        return text
    port = int(match[3])
    if port > 65535:
        raise WireError(errno.EINVAL, f"{text}: a port is a number up to 65535")
    return Inet(match[1] or match[2], port)


def explained(name: str, error: OSError) -> WireError:
    """In one line."""
    code = error.errno or errno.ETIMEDOUT
    if isinstance(error, socket.gaierror):
        return WireError(errno.EADDRNOTAVAIL, f"{name}: there is no such host ({error.strerror})")
    if isinstance(error, TimeoutError):
        return WireError(code, f"{name}: nobody answers there")
    if code == errno.ECONNREFUSED:
        return WireError(code, f"{name}: nobody listens there: start that first, or be the one who does: {name},listen")
    if code == errno.EADDRINUSE:
        return WireError(code, f"{name}: somebody has that address already: end that program, or choose another")
    return WireError(code, f"{name}: {os.strerror(code)}")
