"""What a call with flags does, recv(2) and send(2): MSG_PEEK, DONTWAIT, WAITALL, TRUNC, OOB, MORE, ERRQUEUE.

A flag that says nothing to a kind of socket is passed over, as Linux does; what it refuses is the endpoint's to say.
MSG_NOSIGNAL is always so: nobody here is sent SIGPIPE.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from socket import MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SOCK_STREAM
from typing import Any, TypeVar

from netif.link import Buffer
from stack.socket import arguments, names, resolver
from stack.socket.attempts import READ, WRITE, fail, octets
from stack.socket.linux import MSG_ERRQUEUE, MSG_MORE
from stack.socket.waiting import Waiting

T = TypeVar("T")
_WHOLE = 1 << 17  # bytes; more than a datagram has


class Flagged(Waiting):
    __slots__ = ()

    # in

    def _recv_flags(self, bufsize: int, flags: int, call: str = "recv") -> bytes:
        bufsize, flags = arguments.size(bufsize, call), arguments.integer(flags)
        if not bufsize:
            return b""  # as the stdlib, which asks nobody
        if self._core.kind is not SOCK_STREAM:
            return self._receive(bufsize, flags, call)[0]
        return self._read(bufsize, flags)

    def _read(self, bufsize: int, flags: int) -> bytes:
        core = self._core
        if flags & MSG_ERRQUEUE:
            return self._without_waiting(core.report)[0][:bufsize]
        if flags & MSG_OOB:  # as in Linux it never waits
            return self._without_waiting(partial(core.read_urgent, bool(flags & MSG_PEEK)))[:bufsize]
        if flags & MSG_WAITALL and self._timeout is None and not flags & MSG_DONTWAIT:
            data = self._do("recv", READ, partial(core.peek_all, bufsize)) if flags & MSG_PEEK else self._all(bufsize)
        else:
            attempt = partial(core.peek if flags & MSG_PEEK else core.read, bufsize)
            data = self._attempted("recv", READ, attempt, flags)
        return bytes(len(data)) if flags & MSG_TRUNC else data  # tcp(7): discarded

    def _all(self, bufsize: int) -> bytes:
        """MSG_WAITALL. With a time-out it means nothing, since then the stdlib's sockets do not block."""
        parts: list[bytes] = []
        missing = bufsize
        while missing:
            try:
                data = self._do("recv", READ, partial(self._core.read, missing))
            except OSError as error:
                if not parts:
                    raise
                if self._core.endpoint is not None:
                    self._core.endpoint.error = error  # the next call's to raise
                break
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _receive(self, bufsize: int, flags: int, call: str) -> tuple[bytes, tuple[bytes, int]]:
        """A packet. With MSG_TRUNC its data has the packet's length, also where the caller has less room."""
        core = self._core
        if flags & core.refused_in:
            raise fail(errno.EOPNOTSUPP)
        if flags & MSG_ERRQUEUE:
            data, source, *_ = self._without_waiting(core.report)
        else:
            attempt = partial(core.receive_from, _WHOLE, bool(flags & MSG_PEEK))
            data, source = self._attempted(call, READ, attempt, flags)
        whole = bytes(len(data) - bufsize) if flags & MSG_TRUNC and len(data) > bufsize else b""
        return data[:bufsize] + whole, source

    # out

    def _send_flags(self, data: Buffer, flags: int) -> int:
        core, flags = self._core, arguments.integer(flags)
        self._check_out(flags)
        if flags & MSG_MORE:
            return self._with_more(partial(self._send_flags, data, flags & ~MSG_MORE))
        attempt = partial(core.write_urgent if flags & MSG_OOB else core.write, data)
        return self._attempted("send", WRITE, attempt, flags)

    def _sendto_flags(self, data: Buffer, flags: int, address: Any) -> int:
        """Of a packet."""
        core, flags = self._core, arguments.integer(flags)
        self._check_out(flags)
        if flags & MSG_MORE:
            return self._with_more(partial(self._sendto_flags, data, flags & ~MSG_MORE, address))
        try:
            return self._attempted("sendto", WRITE, partial(core.send_to, data, address), flags)
        except resolver.UnknownName as unknown:
            return self._sendto_flags(data, flags, self._resolved(unknown, address))

    def _sendall_flags(self, data: Buffer, flags: int) -> None:
        rest = memoryview(octets(data))
        while True:
            rest = rest[self._send_flags(rest, flags) :]
            if not rest:
                return

    def _check_out(self, flags: int) -> None:
        if flags & self._core.refused_out:
            raise fail(errno.EOPNOTSUPP)

    def _with_more(self, send: Callable[[], T]) -> T:
        """MSG_MORE: as if TCP_CORK or UDP_CORK were set for this call; the next without it lets go what was held."""
        self._core.hold_back(True)
        try:
            return send()
        finally:
            self._core.hold_back(False)

    # both

    def _attempted(self, operation: str, side: int, attempt: Callable[[], T | None], flags: int) -> T:
        return self._without_waiting(attempt) if flags & MSG_DONTWAIT else self._do(operation, side, attempt)

    def _resolved(self, unknown: resolver.UnknownName, address: Any) -> resolver.Address:
        """The address with its host looked up; as in the stdlib that takes its time, even where nothing else may."""
        core = self._core
        steps = resolver.address_of(unknown.host, core.stack.hosts)
        return names.ask(core.stack, steps, getattr(core.endpoint, "interface", None)), address[1]
