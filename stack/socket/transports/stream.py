"""A TCP connection as an asyncio transport: writes at once what fits, keeps the rest, and reads when the loop says so.

What has arrived stays with the connection until the protocol is called, so a protocol that pauses closes the window.
Behaves as asyncio's own (Lib/asyncio/selector_events.py), word for word where a program can see it.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, BaseProtocol
from asyncio.constants import _SendfileMode
from asyncio.log import logger
from collections import deque
from collections.abc import Callable
from functools import partial
from socket import IPPROTO_TCP, SHUT_WR, TCP_NODELAY
from typing import TYPE_CHECKING, Any

from netif.link import Buffer
from stack.socket.attempts import octets
from stack.socket.transports.base import LOG_AFTER, EndpointTransport
from stack.socket.waiting import closed

if TYPE_CHECKING:
    from stack.socket.blocking import socket
    from stack.socket.transports.server import Server

READ_SIZE = 256 << 10  # bytes handed over at once; asyncio's max_size
FAILED = object()


class StreamTransport(EndpointTransport):
    """Made of a connected socket. `waiter` is finished when `connection_made` has been called."""

    _start_tls_compatible = True  # what asyncio's start_tls and sendfile ask for
    _sendfile_compatible = _SendfileMode.FALLBACK

    def __init__(
        self,
        loop: AbstractEventLoop,
        sock: socket,
        protocol: BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Server | None = None,
    ) -> None:
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._eof = False  # write_eof was called
        self._ended = False  # the peer's end was told
        self._buffer: deque[memoryview] = deque()
        self._buffer_size = 0
        super().__init__(loop, sock, protocol, extra, server)
        loop.call_soon(self._protocol.connection_made, self, context=self._context)
        loop.call_soon(self._begin, waiter, context=self._context)

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        self._look()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def set_protocol(self, protocol: BaseProtocol) -> None:
        super().set_protocol(protocol)
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    # in

    def pause_reading(self) -> None:
        if self.is_reading():
            self._paused = True
            self._say("pauses reading")

    def resume_reading(self) -> None:
        if not self._closing and self._paused:
            self._paused = False
            self._look()
            self._say("resumes reading")

    def _say(self, what: str) -> None:
        if self._loop.get_debug():
            logger.debug("%r %s", self, what)

    def _look(self) -> None:
        if self.is_reading():
            self._runtime.enter()
            try:
                self._reads.look()
            finally:
                self._runtime.leave()

    def _read_ready(self) -> None:
        self._reads.due = False
        if self._conn_lost or self._ended or not self.is_reading():
            return
        attempt: Callable[[], Any]
        if self._buffered:
            buffer = self._ask("get_buffer", self._get_buffer)
            if buffer is FAILED:
                return
            attempt = partial(self._core.read_into, buffer)
        else:
            attempt = partial(self._core.read, READ_SIZE)
        try:
            got = self._read(attempt)
        except OSError as error:
            self._fatal_error(error, "Fatal read error on socket transport")
            return
        if not got:
            if got is not None:
                self._end()
        elif self._buffered:
            self._ask("buffer_updated", self._protocol.buffer_updated, got)
        else:
            self._ask("data_received", self._protocol.data_received, got)

    def _get_buffer(self) -> memoryview:
        buffer = self._protocol.get_buffer(-1)
        if not len(buffer):
            raise RuntimeError("get_buffer() returned an empty buffer")
        return memoryview(buffer).cast("B")

    def _ask(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """What the protocol answers. FAILED: it has raised, which ends the connection."""
        try:
            return call(*arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, f"Fatal error: protocol.{name}() call failed.")
            return FAILED

    def _read(self, attempt: Callable[[], Any]) -> Any:
        """What there is, and be called again for the rest."""
        runtime = self._runtime
        runtime.enter()
        try:
            if self._sock._closed:
                raise closed()
            got = attempt()
            if got is None:
                self._reads.stand()
            elif got:
                self._reads.look()
            return got
        finally:
            runtime.leave()

    def _end(self) -> None:
        """The peer's FIN."""
        self._say("received EOF")
        self._ended = True
        if not self._ask("eof_received", self._protocol.eof_received):
            self.close()

    # out

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._conn_lost:
            if self._conn_lost >= LOG_AFTER:
                logger.warning("socket.send() raised exception.")
            self._conn_lost += 1
            return
        octet = octets(data)
        sent = 0
        if not self._buffer:
            taken = self._try_to_send(octet)
            if taken is None or taken == len(octet):
                return
            sent = taken
        rest = memoryview(octet)[sent:]
        self._buffer.append(rest if type(data) is bytes else memoryview(bytes(rest)))  # the caller may change it
        self._buffer_size += rest.nbytes
        self._maybe_pause_protocol()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def _try_to_send(self, data: Buffer) -> int | None:
        """How much of it went; None: that was the end of the connection."""
        try:
            return self._send(data)
        except OSError as error:
            self._fatal_error(error, "Fatal write error on socket transport")
            return None

    def _send(self, data: Buffer) -> int:
        """As much as is taken; be called for the rest."""
        runtime = self._runtime
        runtime.enter()
        try:
            if self._sock._closed:
                raise closed()
            sent = self._core.write(data) or 0
            if sent < len(data):
                self._writes.stand()
            return sent
        finally:
            runtime.leave()

    def _write_ready(self) -> None:
        self._writes.due = False
        if self._conn_lost:
            return
        buffer = self._buffer
        while buffer:
            first = buffer[0]
            sent = self._try_to_send(first)
            if sent is None:
                return
            self._buffer_size -= sent
            if sent < len(first):
                buffer[0] = first[sent:]
                break
            buffer.popleft()
        self._maybe_resume_protocol()  # which may write
        if not buffer and not self._conn_lost:
            if self._closing:
                self._conn_lost += 1
                self._call_connection_lost(None)
            elif self._eof:
                self._sock.shutdown(SHUT_WR)

    def _discard(self) -> None:
        self._buffer.clear()
        self._buffer_size = 0

    def get_write_buffer_size(self) -> int:
        return self._buffer_size

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """FIN, behind what waits; the peer may send on."""
        if self._closing or self._eof:
            return
        self._eof = True
        if not self._buffer:
            self._sock.shutdown(SHUT_WR)
