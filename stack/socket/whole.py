"""The blocking face's calls that take or give an address: a packet at a time, whole.

`recvfrom` and `sendto` without flags are written out, since they are the hot path of every UDP program; for a stream
the same calls are `recv` and `send`. Knows names only as far as to have them looked up with the gate free.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from socket import SOCK_STREAM
from typing import Any

from netif.link import Buffer
from stack.socket import arguments, resolver
from stack.socket.attempts import READ, WRITE
from stack.socket.flags import Flagged
from stack.socket.linux import MSG_FASTOPEN
from stack.socket.waiting import closed


class Whole(Flagged):
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
        if flags or core.kind is SOCK_STREAM or type(bufsize) is not int or bufsize < 0:
            return self._recvfrom_flags(bufsize, flags, "recvfrom")
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
        return got[0], resolver.format_source(got[1])

    def _recvfrom_flags(self, bufsize: int, flags: int, call: str) -> tuple[bytes, Any]:
        bufsize, flags = arguments.size(bufsize, call), arguments.integer(flags)
        if self._core.kind is SOCK_STREAM:
            return self._read(bufsize, flags), None
        data, source = self._receive(bufsize, flags, call)
        return data, resolver.format_source(source)

    def recvfrom_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = arguments.room(buffer, nbytes, "recvfrom_into", "nbytes is greater than the length of the buffer")
        data, source = self.recvfrom(len(view), flags)
        view[: len(data)] = data[: len(view)]
        return len(data), source

    # out

    def sendto(self, data: Buffer, *flags_and_address: Any) -> int:
        """`sendto(data, address)` or `sendto(data, flags, address)`."""
        core = self._core
        if len(flags_and_address) != 1 or core.kind is SOCK_STREAM:
            return self._sendto_with(data, *flags_and_address)
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

    def _sendto_with(self, data: Buffer, *flags_and_address: Any) -> int:
        if not 1 <= len(flags_and_address) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(flags_and_address)} given)")
        flags = arguments.integer(flags_and_address[0]) if len(flags_and_address) == 2 else 0
        address = flags_and_address[-1]
        if flags & MSG_FASTOPEN:
            return self._send_first(data, address)
        if self._core.kind is SOCK_STREAM:
            return self._send_on(data, flags, address, "sendto")
        return self._sendto_flags(data, flags, address)

    def _send_on(self, data: Buffer, flags: int, address: object, call: str) -> int:
        """As in Linux, a connected stream ignores the address; the stdlib looks whether it is one."""
        with suppress(resolver.UnknownName):
            resolver.parse_endpoint(address, self._core.stack.hosts, call)
        return self.send(data, flags)
