"""Files and sockets: `makefile`, a file over a socket, and `sendfile`, a socket fed from a file.

As the stdlib has them. What knows the socket is its own SocketIO. `os.sendfile` needs a socket of the kernel's, so that
`sendfile` reads what that would take, by the file's descriptor, and sends it.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from socket import SOCK_STREAM, SocketIO, _GiveupOnSendfile  # type: ignore[attr-defined]
from typing import IO, Any

from stack.socket.messages import Messages

_BLOCK = 1 << 18  # bytes that are read at once for `sendfile`


class Files(Messages):
    __slots__ = ()

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send `file` from `offset` on, to its end or `count` bytes of it. Returns the bytes sent; the file's position
        is behind them also after an error. Raises ValueError, TypeError, OSError."""
        try:
            return self._sendfile_use_sendfile(file, offset, count)
        except _GiveupOnSendfile:
            return self._sendfile_use_send(file, offset, count)

    def _sendfile_use_sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """As os.sendfile does: by the descriptor of a regular file, wherever somebody who reads it is."""
        self._check_sendfile_params(file, offset, count)
        try:
            number = file.fileno()
            is_regular = stat.S_ISREG(os.fstat(number).st_mode) and hasattr(os, "pread")
        except (AttributeError, OSError) as error:
            raise _GiveupOnSendfile(error) from None
        if not is_regular:
            raise _GiveupOnSendfile("not a regular file")
        return self._send_blocks(file, offset, count, lambda size, sent: os.pread(number, size, offset + sent))

    def _sendfile_use_send(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        self._check_sendfile_params(file, offset, count)
        if offset:
            file.seek(offset)
        return self._send_blocks(file, offset, count, lambda size, sent: file.read(size))

    def _send_blocks(
        self, file: IO[bytes], offset: int, count: int | None, read: Callable[[int, int], bytes]
    ) -> int:
        """`read` is given how many bytes at most, and how many have been sent."""
        if self.gettimeout() == 0:
            raise ValueError("non-blocking sockets are not supported")
        self.getsockname()  # OSError(EBADF), also where there is nothing to send
        sent = 0
        try:
            while block := read(_BLOCK if count is None else min(_BLOCK, count - sent), sent):
                rest = memoryview(block)
                while rest:
                    done = self.send(rest)
                    sent += done
                    rest = rest[done:]
            return sent
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)

    def _check_sendfile_params(self, file: IO[bytes], offset: int, count: int | None) -> None:
        if "b" not in getattr(file, "mode", "b"):
            raise ValueError("file should be opened in binary mode")
        if not self.type & SOCK_STREAM:
            raise ValueError("only SOCK_STREAM type sockets are supported")
        if count is not None:
            if not isinstance(count, int):
                raise TypeError(f"count must be a positive integer (got {count!r})")
            if count <= 0:
                raise ValueError(f"count must be a positive integer (got {count!r})")

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file object over this socket, as the stdlib makes it. Raises ValueError."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing, reading = "w" in mode, "r" in mode or "w" not in mode
        raw = SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore[arg-type]
        self._io_refs += 1
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        buffered: Any
        if reading and writing:
            buffered = io.BufferedRWPair(raw, raw, size)
        elif reading:
            buffered = io.BufferedReader(raw, size)
        else:
            buffered = io.BufferedWriter(raw, size)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, io.text_encoding(encoding), errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text
