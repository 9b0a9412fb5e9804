"""A UDP socket as an asyncio transport: a datagram goes at once, or waits for room on its link.

Behaves as asyncio's own (Lib/asyncio/selector_events.py) of 3.13, on every version: an empty datagram is sent too. Whom
`sendto` names is an address, or in the stack's hosts: nothing here may wait for the DNS.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, BaseProtocol
from asyncio.log import logger
from collections import deque
from typing import TYPE_CHECKING, Any

from netif.link import Buffer
from stack.socket import resolver
from stack.socket.transports.base import LOG_AFTER, EndpointTransport
from stack.socket.waiting import closed

if TYPE_CHECKING:
    from stack.socket.blocking import socket

LARGEST = 65535  # bytes
HEADER = 8  # bytes that each one in the buffer counts beside its own; asyncio's from 3.13 on


class DatagramTransport(EndpointTransport, asyncio.DatagramTransport):
    """Of a socket that is bound, or connected to `remote`, or both."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        sock: socket,
        protocol: BaseProtocol,
        remote: Any = None,
        waiter: asyncio.Future[None] | None = None,
    ) -> None:
        self._remote = remote
        self._buffer: deque[tuple[bytes, Any]] = deque()
        self._buffer_size = 0
        super().__init__(loop, sock, protocol)
        self._connected = self._extra["peername"] is not None
        loop.call_soon(self._protocol.connection_made, self, context=self._context)
        loop.call_soon(self._begin, waiter, context=self._context)

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        if not self._closing:
            self._runtime.enter()
            try:
                self._reads.look()
            finally:
                self._runtime.leave()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # in

    def _read_ready(self) -> None:
        self._reads.due = False
        if self._closing:
            return
        try:
            got = self._receive()
        except OSError as error:
            if self._sock._closed:
                self._fatal_error(error, "Fatal read error on datagram transport")
            else:
                self._protocol.error_received(error)
            return
        if got is not None:
            self._protocol.datagram_received(got[0], resolver.format_source(got[1]))

    def _receive(self) -> tuple[bytes, tuple[bytes, int]] | None:
        """The oldest, and be called for the next."""
        runtime = self._runtime
        runtime.enter()
        try:
            if self._sock._closed:
                raise closed()
            try:
                return self._core.receive_from(LARGEST, False)
            finally:
                self._reads.look()
        finally:
            runtime.leave()

    # out

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._remote:
            if addr not in (None, self._remote):
                raise ValueError(f"Invalid address: must be None or {self._remote}")
            addr = self._remote
        if self._conn_lost:
            if self._conn_lost >= LOG_AFTER:
                logger.warning("socket.send() raised exception.")
            self._conn_lost += 1
            return
        if self._buffer or not self._send(data, addr):
            kept = bytes(data)
            self._buffer.append((kept, addr))
            self._buffer_size += len(kept) + HEADER
            self._maybe_pause_protocol()

    def _send(self, data: Buffer, addr: Any) -> bool:
        """False: it has to wait, and this is called when it may go."""
        runtime, core = self._runtime, self._core
        try:
            runtime.enter()
            try:
                if self._sock._closed:
                    raise closed()
                sent = core.write(data) if self._connected else core.send_to(data, addr)
                if sent is None:
                    self._writes.stand()
                return sent is not None
            finally:
                runtime.leave()
        except OSError as error:
            self._protocol.error_received(error)
        except (TypeError, ValueError, OverflowError) as error:
            self._fatal_error(error, "Fatal write error on datagram transport")
        return True

    def _write_ready(self) -> None:
        self._writes.due = False
        buffer = self._buffer
        while buffer and not self._conn_lost:
            data, addr = buffer[0]
            if not self._send(data, addr):
                break
            if buffer:  # else it was fatal
                buffer.popleft()
                self._buffer_size -= len(data) + HEADER
        if self._conn_lost:
            return
        self._maybe_resume_protocol()  # which may send
        if not buffer and self._closing:
            self._conn_lost += 1
            self._call_connection_lost(None)

    def _discard(self) -> None:
        self._buffer.clear()
        self._buffer_size = 0

    def get_write_buffer_size(self) -> int:
        return self._buffer_size
