"""The blocking face's calls that take or give an address: a packet at a time, whole.

`recvfrom` and `sendto` without flags are written out, since they are the hot path of every UDP program; for a stream
the same calls are `recv` and `send`. Knows names only as far as to have them looked up with the gate free.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from socket import MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_PEEK, SOCK_STREAM
from typing import Any

from netif.link import Buffer
from stack.socket import names, resolver
from stack.socket.attempts import READ, WRITE
from stack.socket.waiting import Waiting, closed

_NOT_WHOLE = int(MSG_MORE | MSG_OOB | MSG_ERRQUEUE)


class Whole(Waiting):
    __slots__ = ()

    # of `socket`, for streams

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        raise NotImplementedError

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        raise NotImplementedError

    def _send_first(self, data: Buffer, address: object) -> int:
        raise NotImplementedError

    # in

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        core = self._core
        if flags or core.kind is SOCK_STREAM:
            return self._recvfrom_flags(bufsize, flags)
        runtime = self._runtime
        runtime.enter()
        try:
            if self._closed:
                raise closed()
            got = core.receive_from(bufsize, False)
            if got is None:
                got = self._complete("recvfrom", READ, partial(core.receive_from, bufsize, False))
        finally:
            runtime.leave()
        return got[0], resolver.format_endpoint(got[1])

    def _recvfrom_flags(self, bufsize: int, flags: int) -> tuple[bytes, Any]:
        core = self._core
        if core.kind is SOCK_STREAM:
            return self.recv(bufsize, flags), None
        self._check_whole(flags)
        attempt = partial(core.receive_from, bufsize, bool(flags & MSG_PEEK))
        if flags & MSG_DONTWAIT:
            data, source = self._without_waiting(attempt)
        else:
            data, source = self._do("recvfrom", READ, attempt)
        return data, resolver.format_endpoint(source)

    def recvfrom_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        data, source = self.recvfrom(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data), source

    # out

    def sendto(self, data: Buffer, *flags_and_address: Any) -> int:
        """`sendto(data, address)` or `sendto(data, flags, address)`."""
        core = self._core
        if len(flags_and_address) != 1 or core.kind is SOCK_STREAM:
            return self._sendto_flags(data, *flags_and_address)
        address = flags_and_address[0]
        runtime = self._runtime
        try:
            runtime.enter()
            try:
                if self._closed:
                    raise closed()
                sent = core.send_to(data, address)
                if sent is None:
                    sent = self._complete("sendto", WRITE, partial(core.send_to, data, address))
                return sent
            finally:
                runtime.leave()
        except resolver.UnknownName as unknown:
            return self.sendto(data, self._resolved(unknown, address))

    def _sendto_flags(self, data: Buffer, *flags_and_address: Any) -> int:
        if not 1 <= len(flags_and_address) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(flags_and_address)} given)")
        flags = flags_and_address[0] if len(flags_and_address) == 2 else 0
        address = flags_and_address[-1]
        if flags & MSG_FASTOPEN:
            return self._send_first(data, address)
        if self._core.kind is SOCK_STREAM:
            return self.send(data, flags)  # as in Linux, a connected stream ignores the address
        self._check_whole(flags)
        attempt = partial(self._core.send_to, data, address)
        try:
            return self._without_waiting(attempt) if flags & MSG_DONTWAIT else self._do("sendto", WRITE, attempt)
        except resolver.UnknownName as unknown:
            return self.sendto(data, flags, self._resolved(unknown, address))

    # both

    def _check_whole(self, flags: int) -> None:
        """What only a stream can do, or nobody here: one datagram does not wait for the rest of another."""
        if flags & _NOT_WHOLE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def _resolved(self, unknown: resolver.UnknownName, address: Any) -> resolver.Address:
        """The address with its host looked up; as in the stdlib that takes its time, even where nothing else may."""
        core = self._core
        steps = resolver.address_of(unknown.host, core.stack.hosts)
        return names.ask(core.stack, steps, getattr(core.endpoint, "interface", None)), address[1]
