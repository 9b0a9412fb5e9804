"""A wire to QEMU's `-netdev dgram`: one datagram is one frame, between two Unix sockets or two UDP ports.

Neither end knows whether the other is there: what nobody takes is lost, as on a cable. A Unix socket whose reader is
slow is full; that it has room again nothing tells, so it is tried again, each time later, and then the frame is lost.
Source: qemu(1) -netdev dgram.
"""

from __future__ import annotations

import errno
import socket

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port
from netif.wire import Malformed, ethernet
from netif.wire.segment import cut
from tapio.stream import rendezvous
from tapio.stream.endpoint import Inet, endpoint, explained
from tapio.wire import FRAME_MAX, MTU_MAX, WireError, grant

_UDP_MTU = 65507 - 18  # bytes of a packet in the largest datagram, with Ethernet's header and a VLAN tag
_KERNEL_BUFFER = 1 << 20  # bytes; the kernel may grant less
_AGAIN = (0.0005, 0.064)  # seconds between two tries where there was no room: at first, then twice as much, and at most


class QemuDgram:
    """Frames between `local` and `remote`: two paths, or two of HOST:PORT. WireError."""

    shared_wire = True

    def __init__(self, remote: str, local: str) -> None:
        self.remote, self.local = endpoint(remote), endpoint(local)
        self.lost = 0  # frames that nobody took
        self.malformed = 0  # that were none, or could not be cut
        self._identity: tuple[int, int] | None = None
        self._port: Port | None = None
        self._pause = _AGAIN[0]
        self._full = False
        self._mtu = MTU_MAX
        self._socket: socket.socket | None = self._made()

    def _made(self) -> socket.socket:
        remote, local = self.remote, self.local
        if isinstance(remote, Inet) and isinstance(local, Inet):
            self._mtu = _UDP_MTU
            made = self._udp(remote, local)
        elif isinstance(remote, str) and isinstance(local, str):
            made = rendezvous.bind_datagrams(local)
            self._identity = rendezvous.identity_of(local)
        else:
            raise WireError(errno.EINVAL, f"qemu:{remote}: dgram={local} is of another kind: two paths, or two ports")
        made.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            made.setsockopt(socket.SOL_SOCKET, option, _KERNEL_BUFFER)
        return made

    def _udp(self, remote: Inet, local: Inet) -> socket.socket:
        made = socket.socket(local.family, socket.SOCK_DGRAM)
        name = local
        try:
            made.bind(tuple(local))
            self.local = Inet(local.host, made.getsockname()[1])
            name = remote
            if remote.port:
                made.connect(tuple(remote))  # what others send does not reach us
        except OSError as error:
            made.close()
            raise explained(f"qemu:{name}", error) from None
        return made

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        self._full = False
        return grant(want, mtu=self._mtu, tx_checksum=False, rx_checksum=False)

    def fileno(self) -> int | None:
        return self._socket.fileno() if self._socket is not None else None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[bytes, None] | None:
        while self._socket is not None:
            try:
                frame = self._socket.recv(FRAME_MAX + 1)
            except BlockingIOError:
                return None
            except ConnectionError:  # ICMP said that nobody took what we sent; it was counted with nobody knowing
                self.lost += 1
                continue
            if ethernet.HEADER_LENGTH <= len(frame) <= FRAME_MAX:
                return frame, None
            self.malformed += 1
        return None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self._full:
            return False
        if offload is None or not (offload.checksum == PARTIAL or offload.gso_size):
            return self._send(buffers)
        try:
            pieces = cut(buffers, offload)
        except Malformed:
            self.malformed += 1
            return True
        for piece in pieces:  # beyond what was granted: what finds no room is lost, as on any wire
            if not self._send((piece,)):
                self.lost += 1
        return True

    def _send(self, buffers: tuple[Buffer, ...]) -> bool:
        """False: no room."""
        if self._socket is None:
            return True
        address = self.remote if isinstance(self.remote, str) else None
        frame = b"".join(buffers)
        try:
            if address is None:
                self._socket.send(frame)
            else:
                self._socket.sendto(frame, address)
        except BlockingIOError:
            return not self._wait()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ENOTSOCK):
                raise
            self.lost += 1
        self._pause = _AGAIN[0]
        return True

    def _wait(self) -> bool:
        """There is no room: whether to try again, rather than to lose the frame."""
        if self._port is None or self._pause > _AGAIN[1]:
            self.lost += 1
            return False
        self._full = True
        self._port.call_at(self._port.now() + self._pause)
        self._pause *= 2
        return True

    def advance(self, now: float) -> None:
        if self._full and self._port is not None:
            self._full = False
            self._port.writable()

    def close(self) -> None:
        made, self._socket = self._socket, None
        if made is None:
            return
        if self._identity is not None and isinstance(self.local, str):
            rendezvous.leave(self.local, self._identity)
        made.close()

    def __repr__(self) -> str:
        return f"<QemuDgram {self.local} to {self.remote}, {self.lost} lost>"
