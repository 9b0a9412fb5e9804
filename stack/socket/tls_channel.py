"""OpenSSL's end of a connection of ours: what `ssl`'s own object is over a descriptor, this is over an endpoint.

Bytes go between two memory BIOs and the endpoint's attempts. Incoming ones are taken a record at a time (RFC 8446 5.1)
and never further: what follows stays with the endpoint, so that its readiness tells the truth, `pending()` means what
the stdlib's does, and what comes after the peer's close_notify is plain again. The lock is held while OpenSSL works and
while bytes move, never while somebody waits; it is taken before the gate.
"""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from netif.link import Buffer
from stack.socket.attempts import READ, WRITE
from stack.socket.waiting import closed

if TYPE_CHECKING:
    from stack.socket.blocking import socket

T = TypeVar("T")

HEADER = 5  # bytes of a record: type, version, length
MAX_PLAINTEXT = 1 << 14  # RFC 8446 5.1
MAX_CIPHERTEXT = MAX_PLAINTEXT + 2048  # RFC 5246 6.2.3
CONTENT_TYPES = range(20, 25)  # change_cipher_spec, alert, handshake, application_data, heartbeat
CHUNK = 4 * MAX_PLAINTEXT  # bytes that are encrypted before they are handed over

_NAMES = {READ: "read", WRITE: "write"}


def want(side: int) -> ssl.SSLError:
    """What the stdlib raises where a socket that does not wait would have to."""
    if side == READ:
        return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
    return ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")


def body_length(header: bytes) -> int | None:
    """How many bytes belong to the record that begins so; None: this is no TLS."""
    length = int.from_bytes(header[3:], "big")
    return length if header[0] in CONTENT_TYPES and header[1] == 3 and length <= MAX_CIPHERTEXT else None


class Writing:
    """A `write` under way. What has been encrypted once is not encrypted again, however often it is attempted."""

    __slots__ = ("channel", "data", "done")

    def __init__(self, channel: Channel, data: Buffer, done: int) -> None:
        self.channel = channel
        view = memoryview(data)
        if not view.c_contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")  # as OpenSSL's `write`
        self.data = view.cast("B")
        self.done = done
        if done > len(self.data):  # as OpenSSL: a write that was to be repeated is repeated with the same bytes
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: BAD_WRITE_RETRY] bad write retry")

    def step(self) -> int:
        channel = self.channel
        while channel.flush():
            if self.done and self.done == len(self.data):
                return self.done
            self.done += channel.openssl.write(self.data[self.done : self.done + CHUNK])
            if not self.done:
                return 0
        raise want(WRITE)


class Channel:
    """Has the methods of `ssl`'s inner object; those that only ask are its own. Waits as its socket's time-out says,
    with one deadline for a call. Raises SSLError and its kin, TimeoutError, and what the endpoint raises."""

    __slots__ = (
        "_core", "_dry", "_header", "_incoming", "_lock", "_missing", "_outgoing", "_owner", "_runtime", "_unfinished",
        "_unsent", "openssl",
    )  # fmt: skip

    def __init__(self, owner: socket, context: Any, server_side: bool, host: str | None, session: Any) -> None:
        self._owner = weakref.ref(owner)  # it owns us
        self._runtime: Any = owner._runtime
        self._core = owner._core
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        # as `SSLContext.wrap_bio`, but that callbacks (SNI) are given the socket
        self.openssl = context._wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=host, owner=owner, session=session
        )
        self._lock = threading.RLock()  # a callback may ask its own socket
        self._header = b""  # of the record that is coming in
        self._missing = HEADER  # bytes of its header, or of its body
        self._dry = False  # OpenSSL has nothing to read: another record has to come first
        self._unsent: Buffer = b""  # encrypted, and not taken by the endpoint yet
        self._unfinished = 0  # bytes encrypted of a write that gave up, and is to be repeated

    def __getattr__(self, name: str) -> Any:
        return getattr(self.openssl, name)

    @property
    def context(self) -> Any:
        return self.openssl.context

    @context.setter
    def context(self, context: Any) -> None:
        self.openssl.context = context

    @property
    def session(self) -> Any:
        return self.openssl.session

    @session.setter
    def session(self, session: Any) -> None:
        self.openssl.session = session

    # what may wait

    def do_handshake(self) -> None:
        self._run("handshake", self._handshake)

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """At most one record: bytes, or their number when there is a `buffer` for them."""
        if size > MAX_PLAINTEXT:
            size = MAX_PLAINTEXT + 1  # no record has so many: what comes is all of it
        arguments = (size,) if buffer is None else (size, buffer)
        return self._run("recv", partial(self._read, *arguments))

    def write(self, data: Buffer) -> int:
        """All of it. When the time was out before, it goes on where it was: repeat it with the same bytes."""
        with self._lock:
            writing, self._unfinished = Writing(self, data, self._unfinished), 0
        try:
            return self._run("send", writing.step)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            self._unfinished = writing.done
            raise

    def shutdown(self) -> socket:
        """Send close_notify, and wait for the peer's (RFC 8446 6.1)."""
        self._run("unwrap", self._close_notify)
        owner = self._owner()
        assert owner is not None, "who calls holds it"
        return owner

    def _run(self, operation: str, step: Callable[[], T]) -> T:
        """The loop: attempt; where bytes would have to move first, wait until they can."""
        owner = self._owner()
        assert owner is not None, "who calls holds it"
        deadline: float | None = None
        while True:
            with self._lock:
                try:
                    return self._attempt(step)
                except ssl.SSLWantReadError:
                    side = READ
                    if owner._timeout == 0.0:
                        raise
                except ssl.SSLWantWriteError:
                    side = WRITE
                    if owner._timeout == 0.0:
                        raise
            if deadline is None and owner._timeout is not None:
                deadline = self._runtime.now() + owner._timeout
            if not self._wait(owner, operation, side, deadline):
                raise TimeoutError(f"The {operation if operation == 'handshake' else _NAMES[side]} operation timed out")

    # under the lock

    def _attempt(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLWantWriteError:
                raise
            except ssl.SSLError:
                self._dry = False  # it says so again
                with suppress(OSError):
                    self.flush()  # the alert
                raise
            sent = self.flush()
            if not self._fetch():
                # in a handshake the peer waits for what we owe
                raise want(READ if sent or self.openssl.version() is not None else WRITE)

    def _handshake(self) -> None:
        self.openssl.do_handshake()
        if not self.flush():
            raise want(WRITE)

    def _close_notify(self) -> None:
        self.openssl.shutdown()
        if not self.flush():
            raise want(WRITE)

    def _read(self, size: int, *buffer: Any) -> Any:
        if self._dry and (size or (buffer and len(buffer[0]))):
            raise want(READ)  # which OpenSSL would say, too, but later
        got = self.openssl.read(size, *buffer)
        self._dry = 0 < (got if buffer else len(got)) < size  # less than was asked for: all of the record
        if self._outgoing.pending:
            with suppress(OSError):  # which the next write will find, too
                self.flush()  # the answer to a KeyUpdate
        return got

    def flush(self) -> bool:
        """Hand over what OpenSSL has written, as far as there is room. True: all of it."""
        if not self._unsent and not self._outgoing.pending:
            return True
        runtime, core = self._runtime, self._core
        runtime.enter()
        try:
            self._check_open()
            while self._unsent or self._outgoing.pending:
                data = self._unsent = self._unsent or self._outgoing.read()
                sent = core.write(data)
                if sent is None:
                    return False
                self._unsent = memoryview(data)[sent:] if sent < len(data) else b""
            return True
        finally:
            runtime.leave()

    def _fetch(self) -> bool:
        """Take one record from the endpoint, or the end. False: it is not all here."""
        runtime, core, incoming = self._runtime, self._core, self._incoming
        runtime.enter()
        try:
            self._check_open()
            while True:
                data = core.read(self._missing)
                if not data:
                    if data is None:
                        return False
                    incoming.write_eof()
                    self._dry = False
                    return True
                incoming.write(data)
                if self._came(data):
                    self._dry = False
                    return True
        finally:
            runtime.leave()

    def _came(self, data: bytes) -> bool:
        """Count; True where OpenSSL has something to look at."""
        self._missing -= len(data)
        if len(self._header) < HEADER:
            self._header += data
            if self._missing:
                return False
            length = body_length(self._header)
            self._missing = length or 0
            if length:
                return False
        elif self._missing:
            return False
        self._header, self._missing = b"", HEADER
        return True

    def _check_open(self) -> None:
        owner = self._owner()
        if owner is None or owner._closed:
            raise closed()

    # without it

    def _wait(self, owner: socket, operation: str, side: int, deadline: float | None) -> bool:
        """Until the endpoint may be read, or has room for what waits to be sent. False: the time was out."""
        runtime, core = self._runtime, self._core
        runtime.enter()
        try:
            self._check_open()
            endpoint, writes = core.endpoint, side == WRITE or bool(self._unsent)
            assert endpoint is not None, "an attempt that would block has an endpoint"
            if (side == READ and core.readable()) or (writes and core.writable()):
                return True  # meanwhile
            waiter = runtime.waiter(operation, owner)
            if side == READ:
                endpoint.wait_readable(waiter)
            if writes:
                endpoint.wait_writable(waiter)
            try:
                woken: bool = runtime.wait(waiter, deadline)
            finally:
                endpoint.forget(waiter)
            return woken
        finally:
            runtime.leave()
