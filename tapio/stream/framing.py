"""Frames over a stream socket, as QEMU (`-netdev stream`) and passt have them: a 32-bit big-endian length, the frame.

Knows nothing of who is at the other end. Nothing blocks and nothing piles up: at most one frame waits to be sent, and
what has come in is at most one read and one unfinished frame.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from struct import Struct

from netif.link import Buffer
from netif.wire.ethernet import HEADER_LENGTH
from tapio.wire import FRAME_MAX

_LENGTH = Struct("!I")
_READ = 256 * 1024  # bytes at one go
_BUFFERS = 64  # of one sendmsg; frames in more pieces are joined
_KERNEL_BUFFER = 1 << 20  # bytes; the kernel may grant less


class Channel:
    """One end of a stream. An OSError means that it is over. Where the other end went while we sent, what it had said
    before is still there to be read: what is sent from then on is lost, and the end is told when all is read."""

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        self.socket = stream
        self.fd = stream.fileno()
        self._unsent: memoryview | None = None
        self.malformed = 0  # lengths that were none, and what was cut off
        self._lie: OSError | None = None  # a length that no frame has
        self._ended = False  # all that the other end said has been read
        self._unheard = False  # the other end is gone, though not all that it said has been read
        self._frames: deque[bytes] = deque()
        self._unfinished = bytearray()

    def blocked(self) -> bool:
        """The last frame has not gone out whole: `flush` first."""
        return self._unsent is not None

    def send(self, buffers: tuple[Buffer, ...]) -> None:
        """Send a frame, or keep what the socket does not take of it. Not while `blocked`."""
        assert self._unsent is None
        if self._unheard and not self._ended:
            return
        length = sum(map(len, buffers))
        if len(buffers) > _BUFFERS:
            buffers = (b"".join(buffers),)
        header = _LENGTH.pack(length)
        try:
            sent = self.socket.sendmsg((header, *buffers))
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            if self._ended:
                raise
            self._unheard = True
            return
        if sent < length + _LENGTH.size:
            self._unsent = memoryview(b"".join((header, *buffers)))[sent:]

    def flush(self) -> None:
        """Send what was kept; `blocked` says whether that was all."""
        while self._unsent is not None:
            try:
                sent = self.socket.send(self._unsent)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self._unheard = True
                self._unsent = None
                return
            self._unsent = self._unsent[sent:] if sent < len(self._unsent) else None

    def receive(self) -> bytes | None:
        """The next frame; None: nothing more now."""
        frame = self.take()
        if frame is None:
            self.read()
            frame = self.take()
        return frame

    def read(self) -> None:
        """Take what is there, up to a bound, for `take` to hand on. What came before a lie is handed on first."""
        if self._lie is not None:
            self._ended = True
            raise self._lie
        try:
            data: bytes | bytearray = self.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            self._ended = True
            raise
        if not data:
            self._ended = True
            self.malformed += bool(self._unfinished)
            where = " in the midst of a frame" if self._unfinished else ""
            raise ConnectionResetError(errno.ECONNRESET, f"it has closed the wire{where}")
        if self._unfinished:
            self._unfinished += data
            data = self._unfinished
        end, at = len(data), 0
        while end - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > FRAME_MAX:
                self.malformed += 1
                self._lie = ConnectionAbortedError(errno.EPROTO, f"it speaks of a frame of {length} bytes")
                break
            if end - at - _LENGTH.size < length:
                break
            at += _LENGTH.size + length
            if length < HEADER_LENGTH:
                self.malformed += 1
            else:
                self._frames.append(bytes(data[at - length : at]))
        if self._lie is not None:
            self._unfinished.clear()
        elif data is self._unfinished:
            del self._unfinished[:at]
        else:
            self._unfinished += memoryview(data)[at:]

    def lied(self) -> bool:
        """The next `read` raises."""
        return self._lie is not None

    def take(self) -> bytes | None:
        """A frame that was read before; None: none is left."""
        return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        self.socket.close()
