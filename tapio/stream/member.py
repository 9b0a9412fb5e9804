"""One stream of framed frames as a driver: a member's to its switch, or ours to QEMU and passt.

The wire knows no offload: frames are whole segments with complete checksums. Knows nothing of who is at the other end;
that it is gone is a WireError, once all that it said has been read.
"""

from __future__ import annotations

import errno
import socket

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port
from netif.wire import Malformed
from netif.wire.segment import cut
from tapio.stream.framing import Channel
from tapio.wire import WireError, grant


class Member:
    """`name` and `other` say in an error which wire it is, and who is gone."""

    def __init__(self, name: str, stream: socket.socket, other: str = "the switch") -> None:
        self.name = name
        self.other = other
        self._uncut = 0  # frames that could not be
        self._framing = Channel(stream)
        self._channel: Channel | None = self._framing
        self._port: Port | None = None
        self._refused = False

    @property
    def malformed(self) -> int:
        """Frames that were none, and those that could not be cut."""
        return self._uncut + self._framing.malformed

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
            self._uncut += 1
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
        gone = "is hung up on" if error.errno == errno.EPROTO else "is gone"
        return WireError(error.errno or errno.ECONNRESET, f"{self.name}: {self.other} {gone} ({error.strerror})")

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def __repr__(self) -> str:
        return f"<Member {'open' if self._channel else 'closed'}>"
