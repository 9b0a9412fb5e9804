"""A driver that outlives the one inside: when that one dies, what comes in its place is the heir's to say.

Knows how one is put in the place of another under a runtime that polls it. Until there is another, frames are lost and
counted, as on a cable that has been pulled.
"""

from __future__ import annotations

from netif.link import Buffer, Driver, LinkCaps, Offload, Port
from tapio.wire import grant
from tapio.wrapper import Wrapper


class Nobody:
    """In the place of a driver: what is sent is lost."""

    def __init__(self) -> None:
        self.lost = 0  # frames

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        return grant(want, tx_checksum=False, rx_checksum=False)

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> None:
        return None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.lost += 1
        return True

    def advance(self, now: float) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """Nothing is open."""

    def __repr__(self) -> str:
        return f"<Nobody, {self.lost} frames lost>"


class Mending(Wrapper):
    """`bereft(error)` is called when the driver inside has died; an OSError out of it is the end of this one too."""

    def __init__(self, driver: Driver, nobody: Nobody | None = None) -> None:
        super().__init__(driver)
        self.nobody = nobody or Nobody()
        self.port: Port | None = None
        self._want: LinkCaps | None = None
        self._refused = False

    @property
    def lost(self) -> int:
        """Frames that were sent while there was nobody to take them."""
        return self.nobody.lost

    def bereft(self, error: OSError) -> None:
        raise NotImplementedError

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._want, self.port = want, port
        return self.driver.open(want, port)

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        try:
            return self.driver.receive()
        except OSError as error:
            self._bury(error)
            return None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        try:
            taken = self.driver.transmit(buffers, offload)
        except OSError as error:
            self._bury(error)
            self.nobody.lost += 1
            return True
        if not taken:
            self._refused = True
        return taken

    def advance(self, now: float) -> None:
        try:
            self.driver.advance(now)
        except OSError as error:
            self._bury(error)

    def _bury(self, error: OSError) -> None:
        self.replace(self.nobody)
        self.bereft(error)

    def replace(self, driver: Driver) -> None:
        """`driver` instead of the one inside, which is closed. The runtime forgets its descriptor before the next may
        have the same number."""
        before, self.driver = self.driver, self.nobody
        if self.port is not None:
            self.port.watch()
        if before is not self.nobody:
            before.close()
        self.driver = driver
        if self.port is not None and self._want is not None:
            driver.open(self._want, self.port)
            self.port.watch()
            if self._refused:  # by one that will not tell any more
                self._refused = False
                self.port.writable()

    def close(self) -> None:
        super().close()
        self.port = None
