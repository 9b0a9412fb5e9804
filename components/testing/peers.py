"""Peers that misbehave, for plain socket code to meet: `serve(host, Reset(after=100))`, `dial(host, address, Reset())`.

A behaviour is any function of a host and its end of a connection; those here are the ones that programs are seldom
tried with. All of them are done by the host's own stack, so that what arrives is what a real one sends; for segments
that no stack would send there is `raw`. They last until the Lan ends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from socket import IPPROTO_TCP, SO_LINGER, SO_RCVBUF, SOL_SOCKET, TCP_NODELAY
from struct import pack
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from components.lan import Host
    from netif.link import Task

Behaviour: TypeAlias = "Callable[[Host, Any], None]"  # with a socket of the host, which is closed behind it
SMALL = 2048  # bytes that wait at most for one who does not read
ACKNOWLEDGED = 0.1  # seconds, in which what was read is; a delayed ACK takes 40 ms


def serve(host: Host, behaviour: Behaviour, port: int = 7) -> Task[Any]:
    """From now on `host` listens, and whoever connects meets `behaviour`. OSError."""
    listener = host.socket()
    try:
        _prepare(listener, behaviour)
        listener.bind(("", port))
        listener.listen()
    except BaseException:
        listener.close()
        raise

    def serving() -> None:
        with listener:
            while True:
                connection, _ = listener.accept()
                host.spawn(_meeting(host, connection, behaviour))

    return host.spawn(serving)


def dial(host: Host, address: tuple[str, int], behaviour: Behaviour) -> Task[Any]:
    """`host` connects to `address`, as soon as it runs, and behaves so."""

    def dialling() -> None:
        connection = host.socket()
        _prepare(connection, behaviour)
        connection.connect((host.stack.gethostbyname(address[0]), address[1]))
        _meeting(host, connection, behaviour)()

    return host.spawn(dialling)


def _prepare(made: Any, behaviour: Behaviour) -> None:
    small = getattr(behaviour, "receive_buffer", None)
    if small is not None:
        made.setsockopt(SOL_SOCKET, SO_RCVBUF, small)


def _meeting(host: Host, connection: Any, behaviour: Behaviour) -> Callable[[], None]:
    def meeting() -> None:
        with connection, suppress(OSError):  # the other end may go away whenever it likes
            behaviour(host, connection)

    return meeting


def read(connection: Any, count: int) -> bytes:
    """So many bytes, or what came before the end."""
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


@attrs.frozen
class TinySegments:
    """Sends `data` in segments of `size` bytes, one every so many seconds, once it has read `after` bytes."""

    data: bytes
    size: int = 1
    every: float = 0.001
    after: int = 0

    def __call__(self, host: Host, connection: Any) -> None:
        read(connection, self.after)
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        for at in range(0, len(self.data), self.size):
            connection.sendall(self.data[at : at + self.size])
            host.lan.sleep(self.every)


@attrs.frozen
class Reset:
    """Reads `after` bytes, sends `data`, and resets the connection in the middle of the stream (RST)."""

    after: int = 0
    data: bytes = b""

    def __call__(self, host: Host, connection: Any) -> None:
        read(connection, self.after)
        connection.sendall(self.data)
        host.lan.sleep(0.001)  # what was sent is on its way: a reset discards what is not
        connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))  # socket(7): close is an RST


@attrs.frozen
class ZeroWindow:
    """Reads nothing, so that its window closes; after `lasts` seconds it reads all. None: never (RFC 9293 3.8.6.1)."""

    lasts: float | None = None
    receive_buffer: int = SMALL

    def __call__(self, host: Host, connection: Any) -> None:
        if self.lasts is None:
            while True:
                host.lan.sleep(3600)
        host.lan.sleep(self.lasts)
        while connection.recv(65536):
            pass


@attrs.frozen
class SlowReader:
    """Reads `size` bytes every so many seconds."""

    size: int = 100
    every: float = 1.0
    receive_buffer: int = SMALL

    def __call__(self, host: Host, connection: Any) -> None:
        while connection.recv(self.size):
            host.lan.sleep(self.every)


@attrs.frozen
class BlackHole:
    """Reads `after` bytes; then nothing that anybody sends to its host arrives, nor leaves it, and nobody is told: for
    `lasts` seconds, or for good."""

    after: int = 0
    lasts: float | None = None

    def __call__(self, host: Host, connection: Any) -> None:
        read(connection, self.after)
        host.netif.unplug()
        if self.lasts is not None:
            host.lan.sleep(self.lasts)
            host.netif.replug()
        while connection.recv(65536):
            pass


@attrs.frozen
class HalfOpen:
    """Reads `after` bytes, then its host loses its memory of all connections, as by a reboot: the other end believes
    in one that is no more, until it says something and is reset (RFC 9293 3.5.1)."""

    after: int = 0

    def __call__(self, host: Host, connection: Any) -> None:
        read(connection, self.after)
        host.lan.sleep(ACKNOWLEDGED)
        host.netif.reboot()


@attrs.frozen
class PowerOff:
    """Reads `after` bytes, then the power of its host fails: no FIN, no RST, and nobody answers ARP either. With
    `lasts` it comes back after so many seconds, and remembers nothing."""

    after: int = 0
    lasts: float | None = None

    def __call__(self, host: Host, connection: Any) -> None:
        read(connection, self.after)
        host.netif.power_off()
        if self.lasts is not None:
            host.lan.sleep(self.lasts)
            host.netif.reboot()


@attrs.frozen
class Silent:
    """Takes everything, and never answers."""

    def __call__(self, host: Host, connection: Any) -> None:
        while connection.recv(65536):
            pass
