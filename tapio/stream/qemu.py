"""Wires to QEMU and passt: `-netdev stream` (framed, over a Unix or TCP socket), from either end.

`QemuStream("/tmp/lan")` connects; when its other end goes, it fails, and connects anew when it is opened again. With
`listen=True` it is there before its guest is: it stays up when that one goes, and takes the next. Who lies about
lengths is hung up on. Sources: qemu(1) -netdev; passt(1).
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable

from netif.link import Driver, LinkCaps, Port
from tapio.stream import rendezvous
from tapio.stream.endpoint import Inet, endpoint, explained
from tapio.stream.member import Member
from tapio.stream.mending import Mending, Nobody

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for who listens to answer
_PAUSE = 1.0  # seconds without accepting, when there are no descriptors left


class Door(Nobody):
    """A listening socket while nobody is connected; `came(stream)` is told of who is."""

    def __init__(self, listener: socket.socket, came: Callable[[socket.socket], None]) -> None:
        super().__init__()
        self.came = came
        self._listener: socket.socket | None = listener
        self._port: Port | None = None
        self._closed_until: float | None = None

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        return super().open(want, port)

    def fileno(self) -> int | None:
        return self._listener.fileno() if self._listener is not None and self._closed_until is None else None

    def receive(self) -> None:
        if self._listener is None or self._port is None or self._closed_until is not None:
            return
        try:
            stream, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptors left: the listener would be readable for ever
            self._closed_until = self._port.now() + _PAUSE
            self._port.watch()
            self._port.call_at(self._closed_until)
            return
        self.came(stream)

    def advance(self, now: float) -> None:
        if self._closed_until is None or self._port is None:
            return
        if now < self._closed_until:
            self._port.call_at(self._closed_until)
        else:
            self._closed_until = None
            self._port.watch()

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()


class QemuStream(Mending):
    """One end of a stream. `address`: a path, or HOST:PORT. WireError."""

    shared_wire = True

    def __init__(self, address: str, *, listen: bool = False) -> None:
        self.where = endpoint(address)
        self.listen = listen
        self.guests = 0  # how many have connected to us
        self._malformed = 0
        self._identity: tuple[int, int] | None = None  # of the socket that we made
        if listen:
            door = Door(self._listen(), self._came)
            super().__init__(door, door)
        else:
            super().__init__(self._reach())

    @property
    def address(self) -> str:
        """Where it listens, or whom it speaks to."""
        return str(self.where)

    @property
    def connected(self) -> bool:
        """Somebody is at the other end."""
        return self.driver is not self.nobody

    @property
    def malformed(self) -> int:
        """Frames that were none, and those that could not be cut."""
        return self._malformed + int(getattr(self.driver, "malformed", 0))

    def _listen(self) -> socket.socket:
        where = self.where
        if isinstance(where, Inet):
            try:
                listener = socket.create_server((where.host, where.port), family=where.family, backlog=1)
            except OSError as error:
                raise explained(f"qemu:{where}", error) from None
            self.where = Inet(where.host, listener.getsockname()[1])
        else:
            listener = rendezvous.listen_at(where)
            self._identity = rendezvous.identity_of(where)
        listener.setblocking(False)
        return listener

    def _reach(self) -> Driver:
        where = self.where
        if isinstance(where, Inet):
            try:
                stream = socket.create_connection((where.host, where.port), PATIENCE)
            except OSError as error:
                raise explained(f"qemu:{where}", error) from None
        else:
            stream = rendezvous.connect_to(where)
        return self._end(stream)

    def _end(self, stream: socket.socket) -> Member:
        if stream.family != getattr(socket, "AF_UNIX", None):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Member(f"qemu:{self.where}", stream, "the other end")

    def _came(self, stream: socket.socket) -> None:
        self.guests += 1
        logger.info("qemu:%s: a guest has come", self.where)
        self.replace(self._end(stream))

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        if self.driver is self.nobody and not self.listen:
            self.driver = self._reach()
        return super().open(want, port)

    def bereft(self, error: OSError) -> None:
        if not self.listen:
            raise error
        level = logging.WARNING if error.errno == errno.EPROTO else logging.INFO
        logger.log(level, "%s; the next may come", error.strerror)

    def replace(self, driver: Driver) -> None:
        self._malformed += int(getattr(self.driver, "malformed", 0))
        super().replace(driver)

    def close(self) -> None:
        super().close()
        identity, self._identity = self._identity, None
        if identity is not None and isinstance(self.where, str):
            rendezvous.leave(self.where, identity)
        self.nobody.close()

    def __repr__(self) -> str:
        return f"<QemuStream {self.where}{' listening' if self.listen else ''} {self.driver!r}>"
