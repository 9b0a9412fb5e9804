"""The awaiting face, `host.aio`: the same attempts as the blocking one, driven by the loop in `awaiting`.

Beside sockets that are awaited it has asyncio's own functions under their own names, in `transports`: for the loop that
runs when they are called.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from netif.link import Attachment, Buffer, Runtime
from stack.socket import awaiting, names, options, resolver
from stack.socket.attempts import READ, WRITE, Attempts, Sending
from stack.socket.blocking import attempts_for
from stack.socket.constants import SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from stack.socket.l2tap import Frames
from stack.socket.transports.face import OnLoop

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.events import Hook
    from stack.tcp.info import TcpInfo

T = TypeVar("T")


class AsyncSocket:
    """A socket whose operations are awaited; `async with` closes it. Exceptions are the stdlib's.

    Time-outs are asyncio's: `async with asyncio.timeout(5): await s.recv(100)`.
    """

    __slots__ = ("_closed", "_core", "_runtime")

    def __init__(self, runtime: Runtime, core: Attempts) -> None:
        self._runtime = runtime
        self._core = core
        self._closed = False

    _do = awaiting.complete
    _once = awaiting.once

    def bind(self, address: tuple[str, int]) -> None:
        self._once(self._core.bind, address)

    def listen(self, backlog: int = 128) -> None:
        self._once(self._core.listen, backlog)

    async def accept(self) -> tuple[AsyncSocket, resolver.Address]:
        connection: Connection = await self._do("accept", READ, self._core.accept)
        made = AsyncSocket(self._runtime, self._core.accepted(connection))
        return made, resolver.format_endpoint(connection.remote)

    async def connect(self, address: tuple[str, int]) -> None:
        await awaiting.connect(self, address)

    async def recv(self, bufsize: int) -> bytes:
        return await self._do("recv", READ, partial(self._core.read, bufsize))

    async def recv_into(self, buffer: bytearray | memoryview) -> int:
        return await self._do("recv_into", READ, partial(self._core.read_into, memoryview(buffer).cast("B")))

    async def recvfrom(self, bufsize: int) -> tuple[bytes, resolver.Address]:
        return await awaiting.receive_from(self, bufsize)

    async def send(self, data: Buffer) -> int:
        return await self._do("send", WRITE, partial(self._core.write, data))

    async def sendall(self, data: Buffer) -> None:
        if memoryview(data).nbytes:
            await self._do("sendall", WRITE, Sending(self._core, data, 0).attempt)

    async def sendto(self, data: Buffer, address: tuple[str, int]) -> int:
        return await awaiting.send_to(self, data, address)

    def shutdown(self, how: int) -> None:
        self._once(self._core.shutdown, how)

    def close(self) -> None:
        """Done with it: what was sent still goes out, in order; nothing is waited for."""
        runtime = self._runtime
        runtime.enter()
        try:
            if not self._closed:
                self._closed = True
                self._core.close()
                self._core.wake_all()
        finally:
            runtime.leave()

    def getsockname(self) -> resolver.Address:
        return resolver.format_endpoint(self._once(self._core.local_address))

    def getpeername(self) -> resolver.Address:
        return resolver.format_endpoint(self._once(self._core.peer_address))

    def setsockopt(self, level: int, option: int, value: options.Value) -> None:
        self._once(self._core.set_option, level, option, value)

    def getsockopt(self, level: int, option: int) -> int | bytes:
        return self._once(self._core.get_option, level, option)

    def configure(self, **settings: Any) -> None:
        self._once(self._core.configure, settings)

    def tcp_info(self) -> TcpInfo:
        return self._once(self._core.info)

    def observe(self, hook: Hook | None) -> None:
        self._once(self._core.observe, hook)

    async def __aenter__(self) -> AsyncSocket:
        return self

    async def __aexit__(self, *reason: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<async socket [closed]>" if self._closed else f"<async socket {self._core.describe()}>"


class Connecting:
    """A connection under way: `await` it for the socket, or enter it by `async with`."""

    __slots__ = ("_address", "_host", "_socket")

    def __init__(self, host: HostAio, address: tuple[str, int]) -> None:
        self._host = host
        self._socket = host.socket()
        self._address = address

    async def _connect(self) -> AsyncSocket:
        """To the first of the host's addresses that answers."""
        try:
            host, port = self._address
            found = await self._host.getaddrinfo(host, port, type=SOCK_STREAM)
        except BaseException:
            self._socket.close()
            raise
        while True:
            try:
                await self._socket.connect(found.pop(0)[4])
                return self._socket
            except BaseException as error:
                self._socket.close()
                if not found or not isinstance(error, OSError):
                    raise
                self._socket = self._host.socket()

    def __await__(self) -> Generator[Any, None, AsyncSocket]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncSocket:
        return await self._connect()

    async def __aexit__(self, *reason: object) -> None:
        self._socket.close()


class HostAio(OnLoop):
    """A host's awaiting sockets, and asyncio's transports on it, reached as `host.aio`."""

    __slots__ = ()

    def socket(self, kind: int = SOCK_STREAM, protocol: int = 0) -> AsyncSocket:
        return AsyncSocket(self._stack.runtime, attempts_for(self._stack, kind, protocol))

    def l2tap(self, netif: Attachment | str, ethertype: int, *, any_source: bool = False) -> AsyncSocket:
        """As the stack's."""
        return AsyncSocket(self._stack.runtime, Frames(self._stack, netif, ethertype, any_source))

    def connect(self, address: tuple[str, int]) -> Connecting:
        return Connecting(self, address)

    def listen(self, address: tuple[str, int], *, backlog: int = 128) -> AsyncSocket:
        made = self.socket()
        try:
            made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(backlog)
        except BaseException:
            made.close()
            raise
        return made

    async def getaddrinfo(
        self, host: str | bytes | None, port: str | bytes | int | None, *arguments: int, **options: int
    ) -> list[resolver.AddressInfo]:
        """As the stdlib's (and the loop's). Raises gaierror."""
        steps = resolver.getaddrinfo(host, port, *arguments, **options, hosts=self._stack.hosts)
        return await names.ask_async(self._stack, steps)

    async def gethostbyname(self, hostname: str) -> str:
        return await names.ask_async(self._stack, resolver.address_of(hostname, self._stack.hosts))

    async def gethostbyname_ex(self, hostname: str) -> tuple[str, list[str], list[str]]:
        return await names.ask_async(self._stack, resolver.gethostbyname_ex(hostname, self._stack.hosts))

    async def gethostbyaddr(self, address: str) -> tuple[str, list[str], list[str]]:
        return await names.ask_async(self._stack, resolver.gethostbyaddr(address, self._stack.hosts))

    async def getnameinfo(self, sockaddr: tuple[str, int], flags: int = 0) -> tuple[str, str]:
        return await names.ask_async(self._stack, resolver.getnameinfo(sockaddr, flags, self._stack.hosts))

    async def getfqdn(self, name: str = "") -> str:
        return await names.ask_async(self._stack, resolver.getfqdn(name, self._stack.name, self._stack.hosts))
