"""sock_recv, sock_sendall and their kin, for sockets of ours; and sendfile."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest

from tests.stack.socket.transports.conftest import Echo, Recorder


def test_a_conversation(run):
    async def scene(server, client):
        async def serve():
            with server.create_server(("", 7)) as listener:
                listener.setblocking(False)
                ready.set()
                connection, peer = await server.aio.sock_accept(listener)
            with connection:
                assert (peer[0], connection.gettimeout()) == (client.ip, 0)
                while data := await server.aio.sock_recv(connection, 1 << 16):
                    await server.aio.sock_sendall(connection, data)

        ready = asyncio.Event()
        serving = asyncio.create_task(serve())
        await ready.wait()
        with client.socket() as sock:
            sock.setblocking(False)
            await client.aio.sock_connect(sock, ("server", 7))
            data = random.Random(1).randbytes(1 << 20)
            sending = asyncio.create_task(client.aio.sock_sendall(sock, data))
            got, buffer = bytearray(), bytearray(1 << 16)
            while len(got) < len(data):
                got += buffer[: await client.aio.sock_recv_into(sock, buffer)]
            assert got == data
            await sending
            await client.aio.sock_sendall(sock, b"")
        await serving

    assert run(scene) == []


def test_datagrams(run):
    async def scene(server, client):
        with server.socket(type=socket.SOCK_DGRAM) as one, client.socket(type=socket.SOCK_DGRAM) as other:
            for sock in (one, other):
                sock.setblocking(False)
            one.bind(("", 53))
            assert await client.aio.sock_sendto(other, b"question", ("server", 53)) == 8
            data, address = await server.aio.sock_recvfrom(one, 100)
            await server.aio.sock_sendto(one, data.upper(), address)
            buffer = bytearray(100)
            assert await client.aio.sock_recvfrom_into(other, buffer) == (8, (server.ip, 53))
            assert buffer[:8] == b"QUESTION"
            with pytest.raises(ValueError, match="nbytes is greater"):
                await client.aio.sock_recvfrom_into(other, buffer, 101)

    assert run(scene) == []


def test_cancelled_it_takes_nothing(run):
    async def scene(server, client):
        async with await server.aio.create_server(Echo, None, 7) as serving:
            with client.socket() as sock:
                sock.setblocking(False)
                await client.aio.sock_connect(sock, (server.ip, 7))
                receiving = asyncio.create_task(client.aio.sock_recv(sock, 100))
                await asyncio.sleep(0)
                receiving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await receiving
                await client.aio.sock_sendall(sock, b"x")
                assert await client.aio.sock_recv(sock, 100) == b"x"
            serving.close_clients()

    assert run(scene) == []


def test_debug_mode_refuses_one_that_blocks(run_asyncio):
    async def scene(server, client):
        with client.socket() as sock, pytest.raises(ValueError, match="must be non-blocking"):
            await client.aio.sock_connect(sock, (server.ip, 7))

    assert run_asyncio(scene, debug=True) == []


def test_a_file_goes_by_a_socket_and_by_a_transport(run, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(random.Random(4).randbytes(700_000))
    data = path.read_bytes()

    async def scene(server, client):
        loop = asyncio.get_running_loop()
        accepted = []
        serving = await server.aio.create_server(lambda: accepted.append(Recorder()) or accepted[-1], None, 7)
        with client.socket() as sock, path.open("rb") as file:
            sock.setblocking(False)
            await client.aio.sock_connect(sock, (server.ip, 7))
            assert await client.aio.sock_sendfile(sock, file, 100) == len(data) - 100
            assert file.tell() == len(data)
            assert await client.aio.sock_sendfile(sock, file, 5, 10) == 10
            assert file.tell() == 15
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await client.aio.sock_sendfile(sock, file, fallback=False)
        while not accepted:
            await asyncio.sleep(0.001)
        await accepted[0].ended
        assert accepted[0].got == data[100:] + data[5:15]
        if isinstance(loop, asyncio.BaseEventLoop):  # uvloop's knows its own transports only
            transport, _ = await client.aio.create_connection(Recorder, server.ip, 7)
            with path.open("rb") as file:
                assert await loop.sendfile(transport, file) == len(data)
            transport.close()
            while len(accepted) < 2:
                await asyncio.sleep(0.001)
            await accepted[1].ended
            assert accepted[1].got == data
        serving.close()

    assert run(scene) == []
