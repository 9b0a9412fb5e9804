"""The calls that take or give more than data: recvmsg, recvmsg_into and sendmsg, with what is said beside it.

Knows how ancillary data is counted and cut off (cmsg(3)); what it means is `ip_level`'s. A stream has none: as in Linux
it takes SOL_SOCKET's credentials and descriptors and loses them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import partial
from socket import MSG_PEEK, MSG_TRUNC, SOCK_STREAM, SOL_SOCKET
from typing import Any, NoReturn

from netif.link import Buffer
from stack.socket import arguments, resolver
from stack.socket.attempts import READ, WRITE, fail, octets
from stack.socket.linux import MSG_ERRQUEUE
from stack.socket.whole import Whole

_PASSED = (1, 2)  # SCM_RIGHTS, SCM_CREDENTIALS: for AF_UNIX, of no effect elsewhere


class Messages(Whole):
    __slots__ = ()

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """What IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS and IP_PKTINFO ask for comes as ancillary data."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        return self._message(bufsize, ancbufsize, arguments.integer(flags))

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        """Fill one buffer after the other."""
        views = [arguments.writable(each) for each in arguments.gathered(buffers, "recvmsg_into() argument 1")]
        data, told, cut, source = self._message(sum(map(len, views)), ancbufsize, arguments.integer(flags))
        at = 0
        for view in views:
            part = data[at : at + len(view)]
            view[: len(part)] = part
            at += len(part)
        return len(data), told, cut, source

    def _message(
        self, bufsize: int, ancbufsize: int, flags: int
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        if ancbufsize < 0:
            raise ValueError("invalid ancillary data buffer length")
        core = self._core
        if core.kind is SOCK_STREAM and not flags & MSG_ERRQUEUE:
            return self._read(bufsize, flags), [], 0, None
        if flags & core.refused_in:
            raise fail(errno.EOPNOTSUPP)
        if flags & MSG_ERRQUEUE:
            data, source, told, was_cut = self._without_waiting(core.report)
        else:
            attempt = partial(core.receive_message, bufsize, bool(flags & MSG_PEEK))
            data, source, told, was_cut = self._attempted("recvmsg", READ, attempt, flags)
        fits, cut = arguments.fitting(told, ancbufsize)
        return data, fits, cut | was_cut * int(MSG_TRUNC), resolver.format_source(source)

    def sendmsg(
        self, buffers: Iterable[Buffer], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None, /
    ) -> int:
        """`ancdata`: IP_PKTINFO of a datagram, which chooses its source address and interface. OSError(EINVAL)."""
        data = b"".join([octets(each) for each in arguments.gathered(buffers)])
        said = arguments.said(ancdata)
        flags = arguments.integer(flags)
        if self._core.kind is SOCK_STREAM:
            if any(level == SOL_SOCKET and kind not in _PASSED for level, kind, _ in said):
                raise fail(errno.EINVAL)
        elif said:
            self._check_out(flags)
            return self._attempted("sendmsg", WRITE, partial(self._core.send_message, data, address, said), flags)
        if address is None:
            return self.send(data, flags)
        is_stream = self._core.kind is SOCK_STREAM
        return self._send_on(data, flags, address, "sendmsg") if is_stream else self.sendto(data, flags, address)

    def sendmsg_afalg(self, *arguments: Any, **options: Any) -> NoReturn:
        raise OSError("algset is only supported for AF_ALG")
