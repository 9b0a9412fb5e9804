"""The wire `unix:PATH` between processes of ordinary users: no root, no device.

The first comer becomes a learning switch for itself and all later ones (`hub`). When it goes, in order or not, one of
the others takes the path and is the switch, and the rest join that one: frames are lost meanwhile, and connections
survive. The switch has everything to learn then, and floods until it has. Tries are some time apart, by the port's
clock, and bounded: where nobody can be the switch within `PATIENCE`, the wire fails.
"""

from __future__ import annotations

import errno
import socket
from os import PathLike, fspath

from netif.link import Buffer, LinkCaps, Offload, Port
from tapio.stream.hub import Hub
from tapio.stream.member import Member
from tapio.stream.mending import Mending
from tapio.stream.rendezvous import meet, meet_again
from tapio.wire import WireError

PATIENCE = 5.0  # seconds for a switch in the place of one that has left
PROVEN = 1.0  # seconds after which a switch that has said nothing is no mistake all the same
AGAIN = (0.005, 0.5)  # seconds between two tries: at first, each time twice as much, and at most


class UnixWire(Mending):
    """The driver of one end; `first` says whether it is the switch."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self.successions = 0  # how often it has found a switch, or become it, in the place of one that left
        if not hasattr(socket, "AF_UNIX"):
            raise WireError(errno.EAFNOSUPPORT, f"unix:{path}: this system has no such sockets")
        super().__init__(self._end(*meet(self.path)))
        self._error: OSError | None = None  # of the switch that left
        self._since = self._found = 0.0  # when it did, and when another was found
        self._pause = 0.0
        self._try_at: float | None = None
        self._proven = True  # the switch in its place has said something

    def _end(self, stream: socket.socket, first: bool) -> Hub | Member:
        self.first = first
        return Hub(self.path, stream) if first else Member(f"unix:{self.path}", stream)

    @property
    def shared_wire(self) -> bool:
        return True

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        if self.driver is not self.nobody:
            return super().open(want, port)
        self._want, self.port = want, port  # a stop came in between, or the wire has failed
        self._proven = True
        self.bereft(self._error or WireError(errno.ECONNRESET, f"unix:{self.path}: the switch is gone"))
        return self.nobody.open(want, port)

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        item = super().receive()
        if not self._proven and item is not None:
            self._proven = True
        return item

    def bereft(self, error: OSError) -> None:
        """The switch is gone: find another, or be it."""
        if self.port is None:
            raise error
        now = self.port.now()
        if self._proven or now - self._found > PROVEN:
            self._since, self._pause, self._error = now, AGAIN[0], error
            self._proven = False
            self._look(now)
        else:  # what was found was none
            self._later(now)

    def advance(self, now: float) -> None:
        super().advance(now)
        if self._try_at is None or self.port is None:
            return
        if now < self._try_at:
            self.port.call_at(self._try_at)
        else:
            self._try_at = None
            self._look(now)

    def _look(self, now: float) -> None:
        met = meet_again(self.path)
        if met is None:
            self._later(now)
            return
        self._found = now
        self.successions += 1
        self.replace(self._end(*met))

    def _later(self, now: float) -> None:
        assert self.port is not None
        if now - self._since >= PATIENCE:
            assert self._error is not None
            self._proven = True
            raise WireError(
                self._error.errno or errno.ECONNRESET,
                f"{self._error.strerror}, and nobody could be it in its place within {PATIENCE:g} s",
            )
        self._try_at = now + self._pause
        self._pause = min(2 * self._pause, AGAIN[1])
        self.port.call_at(self._try_at)

    def close(self) -> None:
        super().close()
        self._try_at = None

    def __repr__(self) -> str:
        return f"<UnixWire {self.path} {self.driver!r}>"
