"""What an event loop cannot do on a virtual clock: wait for the kernel, which says in real time when it is ready.

Each refusal is a NotImplementedError of one line that says what to do instead. It stands behind BaseEventLoop among the
bases of a loop, so that whoever puts a host's operation in the place of asyncio's (`netif.use`) is asked before.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

INSTEAD = "use host.aio, netif.use(host), or a real clock"


def refuse(reason: str) -> NoReturn:
    raise NotImplementedError(f"on a virtual clock: {reason}")


def refuse_descriptor(fd: Any) -> NoReturn:
    refuse(f"the kernel says when {fd!r} is ready, and that in real time: {INSTEAD}")


_Loop: Any = asyncio.AbstractEventLoop  # some of what is refused here has no place in its typed surface


class RealTimeOnly(_Loop):  # type: ignore[misc]
    """A base of loops that have no descriptors."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        refuse_descriptor(fd)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        refuse_descriptor(fd)

    def remove_reader(self, fd: Any) -> bool:
        return False  # there is none

    def remove_writer(self, fd: Any) -> bool:
        return False

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        refuse("signals come in real time: use signal.signal")

    def remove_signal_handler(self, sig: int) -> bool:
        return False

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        refuse_descriptor(sock)

    async def sock_recv_into(self, sock: Any, buf: Any) -> int:
        refuse_descriptor(sock)

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> Any:
        refuse_descriptor(sock)

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> Any:
        refuse_descriptor(sock)

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        refuse_descriptor(sock)

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> int:
        refuse_descriptor(sock)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        refuse_descriptor(sock)

    async def sock_accept(self, sock: Any) -> Any:
        refuse_descriptor(sock)
