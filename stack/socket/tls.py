"""TLS over a socket of ours: `TlsSocket`, with all that `ssl.SSLSocket` has, and `wrap`, which makes one.

The stdlib's would do its I/O on a descriptor, past our stack. What OpenSSL needs moved, `tls_channel` moves; what only
asks about the session is the stdlib's own function, so that it answers as it does on this version of Python. Knows
which call means plain bytes and which TLS; knows nothing of records.
"""

from __future__ import annotations

import errno
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from socket import SO_TYPE, SOCK_STREAM, SOL_SOCKET
from typing import IO, Any

from netif.link import Buffer
from stack.socket import resolver
from stack.socket.blocking import socket
from stack.socket.tls_channel import Channel

_theirs: Any = ssl.SSLSocket  # its functions are used where they only ask `_sslobj`


def wrap(
    context: ssl.SSLContext,
    sock: socket,
    server_side: bool = False,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    server_hostname: str | bytes | None = None,
    session: ssl.SSLSession | None = None,
) -> TlsSocket:
    """What `context.wrap_socket(sock, ...)` does, for a stream socket of ours: `sock` is given up to the one returned.

    A connected one shakes hands now, unless told not to; another does after its `connect`, and a listener's
    connections as they are accepted. Raises ValueError, NotImplementedError, and what the handshake raises.
    """
    if sock.getsockopt(SOL_SOCKET, SO_TYPE) != SOCK_STREAM:
        raise NotImplementedError("only stream sockets are supported")
    if server_side and server_hostname:
        raise ValueError("server_hostname can only be specified in client mode")
    if server_side and session is not None:
        raise ValueError("session can only be specified in client mode")
    if context.check_hostname and not server_hostname:
        raise ValueError("check_hostname requires server_hostname")
    made = TlsSocket._over(sock, context, server_side, server_hostname, session)
    made.do_handshake_on_connect = do_handshake_on_connect
    made.suppress_ragged_eofs = suppress_ragged_eofs
    made._begin()
    return made


class TlsSocket(socket):
    """A stream socket with TLS on it, until `unwrap` or `shutdown`. `wrap` makes it.

    It passes for an `ssl.SSLSocket` in `isinstance`, as libraries ask to know whether there may be `pending()` bytes.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        raise TypeError("TlsSocket does not have a public constructor. Instances are returned by wrap().")

    @property  # type: ignore[misc]  # object's may be set
    def __class__(self) -> Any:
        return ssl.SSLSocket

    @classmethod
    def _over(cls, sock: socket, context: Any, server_side: bool, host: str | bytes | None, session: Any) -> TlsSocket:
        """In the place of `sock`, which is as if detached."""
        try:
            encoded = context._encode_hostname(host)
        except BaseException:
            sock.close()  # it is given up also for a name that cannot be
            raise
        made: TlsSocket = cls.__new__(cls)
        made._context = context
        made._session = session
        made._sslobj = None
        made._connected = False
        made.server_side = server_side
        made.server_hostname = encoded
        if sock._core.marker is None:
            made._adopt(sock._runtime, sock._core)
            sock._closed = True
        else:
            made._adopt_descriptor(sock.detach())
        made._timeout = sock._timeout
        return made

    _context: Any
    _session: Any
    _sslobj: Channel | None  # the name under which the stdlib's functions find it
    _connected: bool
    server_side: bool
    server_hostname: str | None
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool

    def _begin(self) -> None:
        """Shake hands, if there is somebody to do it with."""
        try:
            self.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            self._refuse_early_data()
            return
        self._connected = True
        try:
            self._sslobj = self._channel()
            if self.do_handshake_on_connect:
                if self._timeout == 0.0:
                    raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
                self.do_handshake()
        except BaseException:
            self.close()
            raise

    def _channel(self) -> Channel:
        return Channel(self, self._context, self.server_side, self.server_hostname, self._session)

    def _refuse_early_data(self) -> None:
        """What came before the peer closed must not pass for what came through TLS (CVE-2023-40217)."""
        try:
            early = self._without_waiting(lambda: self._core.read(1))
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EINVAL):
                raise
            return
        if early:
            reason = "Closed before TLS handshake with data in recv buffer."
            refusal: Any = ssl.SSLError(errno.ENOTCONN, reason)
            refusal.reason, refusal.library = reason, None
            with suppress(OSError):
                self.close()
            raise refusal

    # the stdlib's own: they ask `_sslobj`, `_context` and `_session`, and refuse what it refuses

    context = _theirs.context
    session = _theirs.session
    session_reused = _theirs.session_reused
    read = _theirs.read
    write = _theirs.write
    do_handshake = _theirs.do_handshake
    unwrap = _theirs.unwrap
    pending = _theirs.pending
    version = _theirs.version
    cipher = _theirs.cipher
    shared_ciphers = _theirs.shared_ciphers
    compression = _theirs.compression
    getpeercert = _theirs.getpeercert
    get_channel_binding = _theirs.get_channel_binding
    selected_alpn_protocol = _theirs.selected_alpn_protocol
    selected_npn_protocol = _theirs.selected_npn_protocol
    verify_client_post_handshake = _theirs.verify_client_post_handshake
    if sys.version_info >= (3, 13):
        get_verified_chain = _theirs.get_verified_chain
        get_unverified_chain = _theirs.get_unverified_chain
    dup = _theirs.dup
    sendmsg = _theirs.sendmsg
    recvmsg = _theirs.recvmsg
    recvmsg_into = _theirs.recvmsg_into
    _checkClosed = _theirs._checkClosed  # noqa: N815
    _check_connected = _theirs._check_connected

    # from nothing to a handshake

    def connect(self, address: object) -> None:
        """Connect, and shake hands."""
        self._connect_with(super().connect, address)

    def connect_ex(self, address: object) -> int:
        """As `connect`; but for the handshake's errors the number of what went wrong is returned."""
        return self._connect_with(super().connect_ex, address) or 0

    def _connect_with(self, connect: Callable[[object], int | None], address: object) -> int | None:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._sslobj is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        self._sslobj = self._channel()
        try:
            failed = connect(address)
            if not failed:
                self._connected = True
                if self.do_handshake_on_connect:
                    self.do_handshake()
            return failed
        except (OSError, ValueError):
            self._sslobj = None
            raise

    def accept(self) -> tuple[socket, resolver.Address]:
        """The next connection, wrapped as this socket is."""
        made, address = super().accept()
        return wrap(self._context, made, True, self.do_handshake_on_connect, self.suppress_ragged_eofs), address

    # bytes

    def _refuse(self, call: str) -> None:
        raise ValueError(f"{call} not allowed on instances of {self.__class__}")

    def _tls(self, call: str, flags: int) -> Channel | None:
        channel = self._sslobj
        if channel is not None and flags != 0:
            raise ValueError(f"non-zero flags not allowed in calls to {call}() on {self.__class__}")
        return channel

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if self._tls("recv", flags) is None:
            return super().recv(buflen, flags)
        data: bytes = self.read(buflen)
        return data

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if nbytes is None:
            nbytes = (memoryview(buffer).nbytes if buffer is not None else 0) or 1024
        if self._tls("recv_into", flags) is None:
            return super().recv_into(buffer, nbytes, flags)
        count: int = self.read(nbytes, buffer)
        return count

    def send(self, data: Buffer, flags: int = 0) -> int:
        channel = self._tls("send", flags)
        return super().send(data, flags) if channel is None else channel.write(data)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        channel = self._tls("sendall", flags)
        if channel is None:
            super().sendall(data, flags)
        else:
            with memoryview(data) as view, view.cast("B") as octets:
                if octets:
                    channel.write(octets)

    def recvfrom(self, buflen: int = 1024, flags: int = 0) -> tuple[bytes, Any]:
        if self._sslobj is not None:
            self._refuse("recvfrom")
        return super().recvfrom(buflen, flags)

    def recvfrom_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> tuple[int, Any]:
        if self._sslobj is not None:
            self._refuse("recvfrom_into")
        return super().recvfrom_into(buffer, nbytes or 0, flags)

    def sendto(self, data: Buffer, *flags_and_address: Any) -> int:
        if self._sslobj is not None:
            self._refuse("sendto")
        return super().sendto(data, *flags_and_address)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        if self._sslobj is None:
            return super().sendfile(file, offset, count)
        return self._sendfile_use_send(file, offset, count)

    # the end

    def shutdown(self, how: int) -> None:
        """TCP's, without close_notify: from now on bytes are plain. `unwrap` ends TLS in order."""
        self._sslobj = None
        super().shutdown(how)

    def _real_close(self) -> None:
        self._sslobj = None
        super()._real_close()
