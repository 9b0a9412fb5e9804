"""A capture for whoever watches it as it is made: a pipe to Wireshark, a FIFO, standard output.

What is written waits in a bounded queue for a thread of its own, so that a slow reader holds up nobody: frames that
find no room are left out, and counted. A reader that has gone is an OSError at the next frame. A pipe that is polled
writable takes PIPE_BUF bytes without blocking (pipe(7), select(2)).
"""

from __future__ import annotations

import logging
import os
import select
import shlex
import stat
import threading
from collections import deque

log = logging.getLogger(__name__)

QUEUE_BYTES = 8 << 20
_STEP = 4096  # bytes written at a time: Linux' PIPE_BUF
_LINGER = 1.0  # seconds at the end for what still waits
_PACKET = b"\6\0\0\0"  # the type of an enhanced packet block: what may be left out
WIRESHARK = ("wireshark", "-k", "-i", "-")


class Live:
    """What PcapngWriter writes to, a block at a time; `fd` is closed with it."""

    def __init__(self, fd: int, name: str, *, queue_bytes: int = QUEUE_BYTES) -> None:
        self.name = name
        self.dropped = 0  # frames that found no room
        self.closed = False
        self._fd = fd
        self._room = queue_bytes
        self._blocks: deque[bytes] = deque()
        self._waiting = 0  # bytes
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"capture to {name}", daemon=True)
        self._thread.start()

    def write(self, block: bytes) -> int:
        with self._changed:
            if self._error is not None:
                raise self._error
            if self.closed:
                raise ValueError("it is closed")
            if self._waiting + len(block) > self._room and block.startswith(_PACKET):
                self.dropped += 1
            else:
                self._blocks.append(block)
                self._waiting += len(block)
                self._changed.notify()
        return len(block)

    def flush(self) -> None:
        """It goes out as soon as the reader takes it."""

    def close(self) -> None:
        """Give what waits a second to go out. Idempotent."""
        with self._changed:
            if self.dropped and not self.closed:
                log.warning("%s: %d frames found no room, its reader being slow", self.name, self.dropped)
            self.closed = True
            self._changed.notify()
        self._thread.join(_LINGER + 1)

    def _run(self) -> None:
        try:
            while (block := self._next()) is not None:
                for at in range(0, len(block), _STEP):
                    self._put(block[at : at + _STEP])
        except OSError as error:
            with self._changed:
                self._error = OSError(error.errno, f"{self.name}: its reader has gone")
                self._blocks.clear()
        finally:
            os.close(self._fd)

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._blocks:
                if self.closed:
                    return None
                self._changed.wait()
            block = self._blocks.popleft()
            self._waiting -= len(block)
            return block

    def _put(self, piece: bytes) -> None:
        waited = 0.0
        while not select.select((), (self._fd,), (), 0.1)[1]:
            waited += 0.1 if self.closed else 0
            if waited > _LINGER:
                raise TimeoutError
        while piece:
            piece = piece[os.write(self._fd, piece) :]


def live_to(path: str) -> Live | None:
    """For "-" (standard output) and a FIFO; None: it is a file like any other. OSError: nobody reads the FIFO."""
    if path == "-":
        return Live(os.dup(1), "standard output")
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            return None
    except OSError:
        return None
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise OSError(error.errno, f"{path}: nobody reads it yet: start wireshark -k -i {path} first") from None
    os.set_blocking(fd, True)
    return Live(fd, path)


def live_into(command: str) -> Live:
    """Into the standard input of a program that is started for it; "wireshark" needs no arguments. OSError."""
    words = shlex.split(command)
    words = list(WIRESHARK) if words == ["wireshark"] else words
    if not words:
        raise ValueError("which program is to read the capture? An empty command names none")
    reading, writing = os.pipe()
    try:
        os.posix_spawnp(
            words[0],
            words,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)],
            setpgroup=0,  # an interrupt at our terminal is not for it
        )
    except OSError as error:
        os.close(writing)
        raise OSError(error.errno, f"{words[0]}: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(reading)
    return Live(writing, words[0])
