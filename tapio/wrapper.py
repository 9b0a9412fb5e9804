"""A driver around a driver that changes nothing: what each wrapper begins with. The port is handed through."""

from __future__ import annotations

from collections.abc import Callable

from netif.link import Buffer, Driver, LinkCaps, Medium, Offload, Port, Runtime


class Wrapper:
    """`driver` is the one inside."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    @property
    def shared_wire(self) -> bool:
        """Other processes are on this wire: default MACs take care of that."""
        return bool(getattr(self.driver, "shared_wire", False))

    @property
    def dropped(self) -> int:
        """Frames for us that found no room inside."""
        return int(getattr(self.driver, "dropped", 0))

    @property
    def medium(self) -> Medium:
        return getattr(self.driver, "medium", Medium.ETHERNET)

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        return self.driver.open(want, port)

    def fileno(self) -> int | None:
        return self.driver.fileno()

    def wants_write(self) -> bool:
        return self.driver.wants_write()

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        return self.driver.receive()

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        return self.driver.transmit(buffers, offload)

    def advance(self, now: float) -> None:
        self.driver.advance(now)

    def set_mac(self, mac: bytes) -> None:
        """We have another MAC address from now on: for drivers that filter by it."""
        inner = getattr(self.driver, "set_mac", None)
        if inner is not None:
            inner(mac)

    def close(self) -> None:
        self.driver.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.driver!r}>"


class InnerPort:
    """The port as the driver inside has it: all is handed through, but room there is told to the wrapper."""

    def __init__(self, outer: Port, writable: Callable[[], None]) -> None:
        self.runtime: Runtime = outer.runtime
        self.dice = outer.dice
        self.now = outer.now
        self.readable = outer.readable
        self.poke = outer.poke
        self.watch = outer.watch
        self.call_at = outer.call_at
        self.failed = outer.failed
        self.beside = getattr(outer, "beside", None)  # which a port need not have
        self.writable = writable
