"""Datagram endpoints: to one peer or to many, their errors, and what waits for room."""

from __future__ import annotations

import asyncio
import socket

import pytest

from netif.netif import Netif
from stack.stack import Stack
from tapio import pair
from tapio.wrapper import Wrapper


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = []
        self.errors = []
        self.said = []
        self.changed = asyncio.Event()
        self.ended = asyncio.get_running_loop().create_future()

    async def has(self, count):
        while len(self.got) + len(self.errors) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.got

    def connection_made(self, transport):
        self.transport = transport
        self.said.append("made")

    def datagram_received(self, data, address):
        self.got.append((data, address))
        self.changed.set()

    def error_received(self, error):
        self.errors.append(error)
        self.changed.set()

    def connection_lost(self, error):
        self.ended.set_result(error)

    def pause_writing(self):
        self.said.append("pause")

    def resume_writing(self):
        self.said.append("resume")


class Answers(Datagrams):
    def datagram_received(self, data, address):
        super().datagram_received(data, address)
        self.transport.sendto(data.upper(), address)


def test_questions_and_answers(run):
    async def scene(server, client):
        serving, answers = await server.aio.create_datagram_endpoint(Answers, ("0.0.0.0", 53))
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, remote_addr=("server", 53))
        assert isinstance(transport, asyncio.DatagramTransport)
        assert transport.get_extra_info("peername") == (server.ip, 53)
        assert transport.get_extra_info("socket").type == socket.SOCK_DGRAM
        assert serving.get_extra_info("peername") is None
        transport.sendto(b"one")
        transport.sendto(bytearray(b"two"), (server.ip, 53))
        transport.sendto(b"")
        assert await asks.has(3) == [(data, (server.ip, 53)) for data in (b"ONE", b"TWO", b"")]
        assert {address for _, address in answers.got} == {transport.get_extra_info("sockname")}
        with pytest.raises(ValueError, match="Invalid address"):
            transport.sendto(b"x", (server.ip, 54))
        with pytest.raises(TypeError, match="bytes-like"):
            transport.sendto("text")
        for each in (transport, serving):
            each.close()
            assert each.is_closing()
        assert [await asks.ended, await answers.ended] == [None, None]

    assert run(scene) == []


def test_without_a_peer_to_anybody(run):
    async def scene(server, client):
        serving, answers = await server.aio.create_datagram_endpoint(Answers, (server.ip, 53))
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", 0))
        for number in range(40):
            transport.sendto(bytes([number]), (server.ip, 53))
        assert [data for data, _ in await asks.has(40)] == [bytes([number]) for number in range(40)]
        assert len(answers.got) == 40
        transport.abort()
        serving.close()
        await asks.ended

    assert run(scene) == []


def test_a_port_where_nobody_listens_is_told(run):
    async def scene(server, client):
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, remote_addr=(server.ip, 53))
        transport.sendto(b"anybody?")
        await asks.has(1)
        (error,) = asks.errors
        assert isinstance(error, ConnectionRefusedError)
        assert not transport.is_closing()
        serving, _ = await server.aio.create_datagram_endpoint(Answers, (server.ip, 53))
        transport.sendto(b"now?")
        await asks.has(2)
        assert asks.got == [(b"NOW?", (server.ip, 53))]
        serving.close()
        transport.close()
        await asks.ended

    assert run(scene) == []


def test_what_cannot_be_sent_is_told(run_asyncio):
    async def scene(server, client):
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, family=socket.AF_INET)
        transport.sendto(bytes(70000), (server.ip, 53))
        transport.sendto(b"x", ("10.0.0.255", 53))
        transport.sendto(b"x", ("nobody.test", 53))
        transport.sendto(b"x", ("192.0.2.1", 53))
        names = [type(error).__name__ for error in asks.errors]
        assert names == ["OSError", "PermissionError", "UnknownName", "OSError"]
        transport.close()
        await asks.ended

    assert run_asyncio(scene) == []


def test_broadcast_where_it_is_allowed(run_asyncio):
    async def scene(server, client):
        serving, answers = await server.aio.create_datagram_endpoint(Datagrams, ("0.0.0.0", 53))
        transport, _ = await client.aio.create_datagram_endpoint(
            Datagrams, remote_addr=("10.0.0.255", 53), allow_broadcast=True
        )
        transport.sendto(b"everybody")
        assert (await answers.has(1))[0][0] == b"everybody"
        transport.close()
        serving.close()

    assert run_asyncio(scene) == []


class Narrow(Wrapper):
    """A driver that takes `room` frames, until it has more."""

    room = 20

    def open(self, want, port):
        self.port = port
        return super().open(want, port)

    def transmit(self, buffers, offload):
        if not self.room:
            return False
        self.room -= 1
        return super().transmit(buffers, offload)

    def widen(self, runtime):
        self.room = 1 << 20
        runtime.enter()
        self.port.writable()
        runtime.leave()


def test_on_a_link_that_is_full_it_is_asked_to_pause(run):
    async def scene(server, client):
        runtime = client.runtime
        near, far = pair()
        narrow = Narrow(near)
        with (
            Stack("left", runtime=runtime) as left,
            Stack("right", runtime=runtime) as right,
            Netif(narrow, stack=left, ip="192.168.1.1/24"),
            Netif(far, stack=right, ip="192.168.1.2/24"),
        ):
            serving, answers = await right.aio.create_datagram_endpoint(Datagrams, ("0.0.0.0", 53))
            transport, asks = await left.aio.create_datagram_endpoint(Datagrams, remote_addr=("192.168.1.2", 53))
            transport.set_write_buffer_limits(10_000)
            sent = 0
            while "pause" not in asks.said:
                transport.sendto(sent.to_bytes(2, "big") + bytes(998))
                sent += 1
                await asyncio.sleep(0)
                assert sent < 100
            assert 10_000 < transport.get_write_buffer_size() <= 12_000
            narrow.widen(runtime)
            assert [int.from_bytes(data[:2], "big") for data, _ in await answers.has(sent)] == [*range(sent)]
            assert asks.said == ["made", "pause", "resume"]
            narrow.room = 0
            transport.sendto(b"waits in the interface")
            transport.sendto(b"waits in the transport")
            transport.close()
            assert not asks.ended.done()
            narrow.widen(runtime)
            assert await asks.ended is None
            assert (await answers.has(sent + 2))[-1][0] == b"waits in the transport"
            serving.close()
            await answers.ended

    assert run(scene) == []


def test_what_a_protocol_raises_is_reported(run):
    class Failing(Datagrams):
        def datagram_received(self, data, address):
            super().datagram_received(data, address)
            raise ZeroDivisionError

    async def scene(server, client):
        serving, failing = await server.aio.create_datagram_endpoint(Failing, ("0.0.0.0", 53))
        transport, _ = await client.aio.create_datagram_endpoint(Datagrams, remote_addr=(server.ip, 53))
        transport.sendto(b"one")
        transport.sendto(b"two")
        await failing.has(2)
        transport.close()
        serving.close()

    told = run(scene)
    assert [type(each["exception"]) for each in told] == [ZeroDivisionError] * 2


def test_a_socket_of_ours_may_be_handed_over(run_asyncio):
    async def scene(server, client):
        sock = client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, sock=sock)
        transport.sendto(b"x", (client.ip, 9))
        transport.close()
        await asks.ended
        assert sock.fileno() == -1

    assert run_asyncio(scene) == []


def test_what_cannot_be_asked_for(run_asyncio):
    async def scene(server, client):
        with client.socket() as stream, client.socket(type=socket.SOCK_DGRAM) as sock:
            for wrong, error, words in [
                ({}, ValueError, "unexpected address family"),
                ({"sock": stream}, ValueError, "A UDP Socket was expected"),
                ({"sock": sock, "local_addr": ("", 1)}, ValueError, r"can not be used when sock is specified. \(local"),
                ({"local_addr": "text"}, TypeError, "2-tuple is expected"),
                ({"local_addr": (server.ip, 1)}, OSError, "Cannot assign"),
            ]:
                with pytest.raises(error, match=words):
                    await client.aio.create_datagram_endpoint(Datagrams, **wrong)

    assert run_asyncio(scene) == []
