"""asyncio programs as they are, on two hosts of one process: in virtual time, on asyncio's loop and on uvloop's."""

import asyncio
import socket

import pytest
import uvloop

import netif
from netif import AsyncioRuntime, Lan, Netif, Stack, pair


class Echo:
    """Of one server; `ended` waits for all its conversations."""

    def __init__(self) -> None:
        self.conversations: list[asyncio.Task] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.conversations.append(asyncio.current_task())
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ended(self) -> None:
        await asyncio.gather(*self.conversations)


class Shouting(asyncio.DatagramProtocol):
    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, address) -> None:
        self.transport.sendto(data.upper(), address)


class Hearing(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, address) -> None:
        self.heard.set_result(data)


async def talk(server, client, where: str, authority) -> None:
    """One program on both hosts, each of its parts in a scope."""
    echo = Echo()
    with netif.use(server):
        listener = await asyncio.start_server(echo, "", 7)
        secure = await asyncio.start_server(echo, None, 443, ssl=authority.server)
        shouting, _ = await asyncio.get_running_loop().create_datagram_endpoint(Shouting, ("0.0.0.0", 9))
    with netif.use(client):
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(where, 7, type=socket.SOCK_STREAM)
        address = found[0][4]
        assert [info[0] for info in found] == [socket.AF_INET]

        reader, writer = await asyncio.open_connection(where, 7)
        writer.write(b"hello" * 10_000)
        writer.write_eof()
        assert await reader.read() == b"hello" * 10_000
        writer.close()

        reader, writer = await asyncio.open_connection(where, 443, ssl=authority.client, server_hostname="server")
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()

        transport, hearing = await loop.create_datagram_endpoint(Hearing, remote_addr=(address[0], 9))
        transport.sendto(b"hello")
        assert await hearing.heard == b"HELLO"
        transport.close()

        with socket.socket() as plain:
            plain.setblocking(False)
            await loop.sock_connect(plain, address)
            await loop.sock_sendall(plain, b"hello")
            assert await loop.sock_recv(plain, 100) == b"hello"

        with pytest.raises(OSError):
            await asyncio.open_connection("192.0.2.1", 7)
    await echo.ended()
    shouting.close()
    for each in (listener, secure):
        each.close()
        await each.wait_closed()


def test_in_virtual_time(authority):
    with Lan(seed=7) as lan:
        lan.run(talk(lan.host("server"), lan.host("client", loss="5%", delay="50ms"), "server", authority))
        assert lan.now() > 0.5


def test_spawned_coroutines_are_in_their_scopes(authority):
    async def serve() -> None:
        listener = await asyncio.start_server(Echo(), "", 7)
        async with listener:
            await asyncio.sleep(3600)

    async def ask() -> bytes:
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("server", 7)
        writer.write(b"hello\n")
        answer = await reader.readline()
        writer.close()
        return answer + (await asyncio.to_thread(socket.gethostname)).encode()

    with Lan(seed=7) as lan:
        server, client = lan.host("server"), lan.host("client")
        server.spawn(netif.use(server)(serve))
        asking = client.spawn(netif.use(client)(ask))
        lan.run_until(asking.done)
        assert asking.result() == b"hello\nclient"


async def on_a_loop(authority) -> None:
    one, other = pair()
    runtime = AsyncioRuntime(strict=True)
    with Stack("server", runtime=runtime) as server, Stack("client", runtime=runtime) as client:
        async with (
            Netif(one, stack=server, ip="10.0.0.1/24"),
            Netif(other, stack=client, ip="10.0.0.2/24"),
        ):
            client.hosts = {"server": "10.0.0.1"}
            await asyncio.wait_for(talk(server, client, "server", authority), 20)


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_on_the_programs_own_loop(factory, authority):
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(on_a_loop(authority))


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_hosts_in_a_thread_of_their_own(factory, authority):
    with Lan(seed=7, clock="real") as lan, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(talk(lan.host("server"), lan.host("client"), "server", authority), 20))


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_the_kernels_connections_are_made_beside_them(factory):
    async def talk() -> bytes:
        echo = Echo()
        with netif.use(None):
            listener = await asyncio.start_server(echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(b"hello\n")
        writer.write_eof()
        said = await reader.read()
        for each in (writer, listener):
            each.close()
            await each.wait_closed()
        await echo.ended()
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            other.sendall(b"world")
            return said + await asyncio.get_running_loop().sock_recv(one, 10)

    with Stack("host") as host, netif.use(host), asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(talk()) == b"hello\nworld"


def test_what_stands_for_a_socket_moves_bytes_by_its_own_methods():
    """As a mock of one does, which says that it is of the socket's class."""

    class StandIn:
        __class__ = property(lambda self: type(self.socket))

        def __init__(self, made) -> None:
            self.socket = made
            self.sent = []

        def gettimeout(self) -> float:
            return 0.0

        def sendto(self, data, address) -> int:
            self.sent.append((data, address))
            return len(data)

    async def program() -> None:
        with Stack("host", runtime=AsyncioRuntime()) as host, netif.use(host), socket.socket() as made:
            stand_in = StandIn(made)
            assert isinstance(stand_in, type(made))
            assert await asyncio.get_running_loop().sock_sendto(stand_in, b"data", ("10.0.0.1", 9)) == 4
            assert stand_in.sent == [(b"data", ("10.0.0.1", 9))]

    asyncio.run(program())
