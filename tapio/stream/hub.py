"""The first comer on `unix:PATH`: a learning switch for itself and all others, each of whom is one stream to it.

To each of these it is one stream of framed frames, which is also what QEMU and passt speak. Whoever does not keep up
loses frames at the switch; who goes away takes its port along. What becomes of the others when it goes, they know.
"""

from __future__ import annotations

import select
import socket
from typing import Any

from netif.link import Buffer, LinkCaps, Offload, Port, Runtime
from tapio.stream.framing import Channel
from tapio.stream.rendezvous import identity_of, leave
from tapio.switch import Switch, SwitchPort
from tapio.wire import MTU_MAX

_READ, _WRITE = 1, 4  # POLLIN and POLLOUT, of poll and epoll alike
_TICK = 0.005  # seconds between two looks where there is no epoll
_PAUSE = 1.0  # seconds without accepting, when there are no descriptors left
_TRUNK = LinkCaps(mac=b"", mtu=MTU_MAX, gso_max=MTU_MAX)


class Trunk:
    """The switch's end of one stream, and the port that its switch port sees."""

    def __init__(self, hub: Hub, stream: socket.socket, outer: Port) -> None:
        self.hub = hub
        self.runtime: Runtime = outer.runtime
        self.dice = outer.dice
        self.now = outer.now
        self.channel = Channel(stream)
        self.port = hub.switch.port()
        self.port.open(_TRUNK, self)

    def readable(self) -> None:
        self.hub.stirred[self] = None

    poke = readable

    def writable(self) -> None:
        """A switch port is never full to its sender."""

    def watch(self) -> None:
        """Nor has it a descriptor."""

    def call_at(self, when: float) -> None:
        """Nor deadlines."""

    def failed(self, error: OSError) -> None:
        """Nor does it fail."""

    def drain(self) -> None:
        """Send what the switch has for this stream, while it takes it."""
        channel = self.channel
        while not channel.blocked():
            item = self.port.receive()
            if item is None:
                return
            channel.send((item[0],))

    def serve(self) -> None:
        """Hand what has come to the switch."""
        self.channel.read()
        while (frame := self.channel.take()) is not None:
            self.port.transmit((frame,), None)
        if self.channel.lied():
            self.channel.read()

    def close(self) -> None:
        self.port.close()
        self.channel.close()


class Hub:
    """The switch, its own host's port on it, and the streams of the others behind one epoll."""

    def __init__(self, path: str, listener: socket.socket) -> None:
        self.path = path
        self.switch = Switch()
        self.own: SwitchPort = self.switch.port(tx_checksum=False, rx_checksum=False)
        self.trunks: dict[int, Trunk] = {}
        self.stirred: dict[Trunk, None] = {}  # trunks that the switch has frames for
        self._identity = identity_of(path)
        self._listener: socket.socket | None = listener
        self._port: Port | None = None
        self._accept_again: float | None = None
        self._polled = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if self._polled else select.poll()
        self._poll.register(listener.fileno(), _READ)

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        if not self._polled:
            port.call_at(port.now())
        return self.own.open(want, port)

    def fileno(self) -> int | None:
        return self._poll.fileno() if self._listener is not None and self._polled else None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[bytes, Offload | None] | None:
        item = self.own.receive()
        if item is None and self._listener is not None and self._port is not None:
            self._serve(self._listener, self._port)
            item = self.own.receive()
        return item

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.own.transmit(buffers, offload)
        if self.stirred:
            self._drain_stirred()
        return True

    def _serve(self, listener: socket.socket, port: Port) -> None:
        for fd, mask in self._poll.poll(0):
            if fd == listener.fileno():
                self._accept(listener, port)
                continue
            trunk = self.trunks[fd]
            try:
                if mask & _WRITE:
                    trunk.channel.flush()
                    if not trunk.channel.blocked():
                        self._poll.modify(fd, _READ)
                        self.stirred[trunk] = None
                if mask & ~_WRITE:
                    trunk.serve()
            except OSError:
                self._drop(trunk)
        if self.stirred:
            self._drain_stirred()

    def _accept(self, listener: socket.socket, port: Port) -> None:
        try:
            stream, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptors left: the listener would be readable for ever
            self._poll.unregister(listener.fileno())
            self._accept_again = port.now() + _PAUSE
            port.call_at(self._accept_again)
            return
        trunk = Trunk(self, stream, port)
        self.trunks[trunk.channel.fd] = trunk
        self._poll.register(trunk.channel.fd, _READ)

    def _drain_stirred(self) -> None:
        while self.stirred:
            trunk, _ = self.stirred.popitem()
            fd = trunk.channel.fd
            if self.trunks.get(fd) is not trunk or trunk.channel.blocked():
                continue
            try:
                trunk.drain()
            except OSError:
                self._drop(trunk)
                continue
            if trunk.channel.blocked():
                self._poll.modify(fd, _READ | _WRITE)

    def _drop(self, trunk: Trunk) -> None:
        """Its peer is gone: forget it, and the stations behind it."""
        self._poll.unregister(trunk.channel.fd)
        del self.trunks[trunk.channel.fd]
        trunk.close()

    def advance(self, now: float) -> None:
        listener, port = self._listener, self._port
        if listener is None or port is None:
            return
        if self._accept_again is not None:
            if now >= self._accept_again:
                self._accept_again = None
                self._poll.register(listener.fileno(), _READ)
            else:
                port.call_at(self._accept_again)
        if not self._polled:
            port.readable()
            port.call_at(now + _TICK)

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        leave(self.path, self._identity)
        listener.close()
        for trunk in self.trunks.values():
            trunk.close()
        self.trunks.clear()
        self.stirred.clear()
        self.own.close()
        if self._polled:
            self._poll.close()

    def __repr__(self) -> str:
        return f"<Hub {'open' if self._listener else 'closed'}, {len(self.trunks)} others>"
