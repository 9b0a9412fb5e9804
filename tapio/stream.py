"""The wire `unix:PATH` between processes of ordinary users: no root, no device.

The first comer becomes a learning switch for itself and all later ones; to each of these it is one stream of framed
frames, which is also what QEMU and passt speak. The wire knows no offload: frames are whole segments with complete
checksums. Whoever does not keep up loses frames at the switch; who goes away takes its port along, and when the switch
goes every wire to it fails.
"""

from __future__ import annotations

import errno
import select
import socket

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port, Runtime
from netif.wire import Malformed
from netif.wire.segment import cut
from tapio.framing import Channel
from tapio.rendezvous import identity_of, leave, meet
from tapio.switch import Switch, SwitchPort
from tapio.wire import MTU_MAX, WireError, grant
from tapio.wrapper import Wrapper

_READ, _WRITE = 1, 4  # POLLIN and POLLOUT, of poll and epoll alike
_TICK = 0.005  # seconds between two looks where there is no epoll
_PAUSE = 1.0  # seconds without accepting, when there are no descriptors left
_TRUNK = LinkCaps(mac=b"", mtu=MTU_MAX, gso_max=MTU_MAX)


class UnixWire(Wrapper):
    """The driver of one end; `first` says whether it is the switch."""

    def __init__(self, path: str) -> None:
        self.path = str(path)
        if not hasattr(socket, "AF_UNIX"):
            raise WireError(errno.EAFNOSUPPORT, f"unix:{path}: this system has no such sockets")
        stream, self.first = meet(self.path)
        super().__init__(Hub(self.path, stream) if self.first else Member(self.path, stream))

    @property
    def shared_wire(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<UnixWire {self.path} {self.driver!r}>"


class Member:
    """One stream to the switch, or to whatever speaks its framing."""

    def __init__(self, path: str, stream: socket.socket) -> None:
        self.path = path
        self.malformed = 0  # frames that could not be cut
        self._channel: Channel | None = Channel(stream)
        self._port: Port | None = None
        self._refused = False

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        return grant(want, tx_checksum=False, rx_checksum=False)

    def fileno(self) -> int | None:
        return self._channel.fd if self._channel is not None else None

    def wants_write(self) -> bool:
        return self._channel is not None and self._channel.blocked()

    def receive(self) -> tuple[bytes, None] | None:
        if self._channel is None:
            return None
        try:
            frame = self._channel.receive()
        except OSError as error:
            raise self._gone(error) from None
        return None if frame is None else (frame, None)

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        channel = self._channel
        if channel is None:
            return True
        if channel.blocked():
            self._refused = True
            return False
        try:
            if offload is not None and (offload.checksum == PARTIAL or offload.gso_size):
                self._send_cut(channel, buffers, offload)
            else:
                channel.send(buffers)
        except OSError as error:
            raise self._gone(error) from None
        if channel.blocked() and self._port is not None:
            self._port.watch()
        return True

    def _send_cut(self, channel: Channel, buffers: tuple[Buffer, ...], offload: Offload) -> None:
        """A frame beyond what this wire was granted; what finds no room is lost, as on any wire."""
        try:
            pieces = cut(buffers, offload)
        except Malformed:
            self.malformed += 1
            return
        for piece in pieces:
            if not channel.blocked():
                channel.send((piece,))

    def advance(self, now: float) -> None:
        channel, port = self._channel, self._port
        if channel is None or port is None or not channel.blocked():
            return
        try:
            channel.flush()
        except OSError as error:
            raise self._gone(error) from None
        if not channel.blocked():
            port.watch()
            if self._refused:
                self._refused = False
                port.writable()

    def _gone(self, error: OSError) -> WireError:
        return WireError(error.errno or errno.ECONNRESET, f"unix:{self.path}: the switch is gone ({error.strerror})")

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def __repr__(self) -> str:
        return f"<Member {'open' if self._channel else 'closed'}>"


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
        self._poll = select.epoll() if self._polled else select.poll()
        self._poll.register(listener.fileno(), _READ)

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        if not self._polled:
            port.call_at(port.now())
        return self.own.open(want, port)

    def fileno(self) -> int | None:
        return self._poll.fileno() if self._listener is not None and isinstance(self._poll, select.epoll) else None

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
        if isinstance(self._poll, select.epoll):
            self._poll.close()

    def __repr__(self) -> str:
        return f"<Hub {'open' if self._listener else 'closed'}, {len(self.trunks)} others>"
