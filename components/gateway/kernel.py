"""Kernel sockets: how their addresses are written, how they are made, and how one ends with a RST.

They are made of the stdlib's classes as they were when this was imported, since a program may have sockets of a stack
in their place meanwhile. Knows no names but "localhost": the machine's resolver would make everybody wait.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SO_LINGER, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from typing import Literal, TypeAlias

import attrs

from netif.link import Buffer

KernelSocket = socket.socket
Address: TypeAlias = tuple[str, int]
Kind: TypeAlias = Literal["tcp", "udp"]
Networks: TypeAlias = "str | Iterable[str]"

BACKLOG = 128  # connections that the kernel has accepted, and we have not
_TYPES = {"tcp": SOCK_STREAM, "udp": SOCK_DGRAM}
_RESET = struct.pack("ii", 1, 0)


def parse(address: str | Address, what: str) -> tuple[str, int | None]:
    """ "127.0.0.1:1883", "[::1]:80" or "localhost:80", or a pair; without a port: None. ValueError."""
    host, port = address if isinstance(address, tuple) else _split(address)
    try:
        number = None if port is None else int(port)
        host = str(ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise ValueError(f"{what}: {address!r} is no address; write it as in '127.0.0.1:1883'") from None
    if number is not None and not 0 < number < 65536:
        raise ValueError(f"{what}: {number} is no port; take 1 to 65535")
    return host, number


def _split(address: str) -> tuple[str, str | None]:
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, rest[1:] if rest else None
    if address.count(":") > 1:
        return address, None
    host, colon, port = address.partition(":")
    return host, port if colon else None


@attrs.frozen
class Allowed:
    """Where the kernel's side may lie: on this machine's loopback, and wherever the caller has said."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @staticmethod
    def parse(networks: Networks, what: str) -> Allowed:
        """ "anywhere", a network or several. ValueError."""
        if networks == "anywhere":
            return Allowed((IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))
        words = (networks,) if isinstance(networks, str) else tuple(networks)
        try:
            return Allowed(tuple(map(ip_network, words)))
        except ValueError as error:
            how = "write 'anywhere', or networks as in 192.168.5.0/24"
            raise ValueError(f"{what}={networks!r}: {error}; {how}") from None

    def takes(self, host: str) -> bool:
        address: IPv4Address | IPv6Address = ip_address(host)
        return address.is_loopback or any(address in network for network in self.networks)


def make(host: str, kind: Kind) -> KernelSocket:
    """One that does not block."""
    made = KernelSocket(AF_INET6 if ":" in host else AF_INET, _TYPES[kind])
    made.setblocking(False)
    if kind == "tcp":
        made.setsockopt(IPPROTO_TCP, socket.TCP_NODELAY, 1)  # who writes has waited long enough
    return made


def bound(host: str, port: int, kind: Kind) -> KernelSocket:
    """At an address of this machine, listening if it is TCP. OSError says which."""
    made = make(host, kind)
    try:
        if kind == "tcp":
            made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        made.bind((host, port))
        if kind == "tcp":
            made.listen(BACKLOG)
    except OSError as error:
        made.close()
        why = os.strerror(error.errno or 0)
        raise OSError(error.errno, f"publish: {host}:{port}: {why}; port=0 takes a free one") from None
    except BaseException:
        made.close()
        raise
    return made


def accept(listener: KernelSocket) -> KernelSocket:
    """As `listener.accept()`, which would make a socket of whatever class bears that name now. OSError."""
    fd, _ = listener._accept()  # type: ignore[attr-defined]
    made = KernelSocket(fileno=fd)
    made.setblocking(False)
    made.setsockopt(IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def receive(sock: KernelSocket, count: int) -> bytes | None:
    """None: nothing yet. OSError."""
    try:
        return sock.recv(count)
    except (BlockingIOError, InterruptedError):
        return None


def send(sock: KernelSocket, data: Buffer) -> int:
    """How many bytes it takes now. OSError."""
    try:
        return sock.send(data)
    except (BlockingIOError, InterruptedError):
        return 0


def reset(sock: KernelSocket) -> None:
    """Close it; its peer gets a RST."""
    sock.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
    sock.close()
