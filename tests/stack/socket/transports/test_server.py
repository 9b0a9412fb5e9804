"""Servers: where they listen, whom they serve, how they end."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.stack.socket.transports.conftest import Echo, Recorder, hang_up, meet


class Secure:
    """A socket that does TLS by itself."""

    def __init__(self, sock):
        self.sock = sock

    def do_handshake(self):
        raise NotImplementedError


def test_port_0_is_chosen_and_told(run):
    async def scene(server, client):
        async with await server.aio.create_server(Echo, server.ip, 0) as serving:
            assert serving.is_serving()
            assert serving.get_loop() is asyncio.get_running_loop()
            (sock,) = serving.sockets
            host, port = sock.getsockname()
            assert (host, port > 0) == (server.ip, True)
            reader, writer = await client.aio.open_connection(host, port)
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
        assert serving.sockets == ()
        assert not serving.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await client.aio.open_connection(host, port)

    assert run(scene) == []


def test_several_hosts_and_none_twice(run_asyncio):
    async def scene(server, client):
        one = await server.aio.create_server(Echo, [server.ip, "server", "127.0.0.1"], 7)
        assert [sock.getsockname() for sock in one.sockets] == [(server.ip, 7), ("127.0.0.1", 7)]
        one.close()
        for anywhere in (None, ""):
            two = await server.aio.create_server(Echo, anywhere, 7)
            assert [sock.getsockname() for sock in two.sockets] == [("0.0.0.0", 7)]
            two.close()

    assert run_asyncio(scene) == []


def test_an_address_that_is_taken_is_named(run_asyncio):
    async def scene(server, client):
        async with await server.aio.create_server(Echo, server.ip, 7):
            with pytest.raises(OSError, match="in use"):
                await server.aio.create_server(Echo, ["127.0.0.1", server.ip], 7)
        async with await server.aio.create_server(Echo, ["127.0.0.1", server.ip], 7):  # nothing was left behind
            pass
        with pytest.raises(OSError, match=rf"attempting to bind on address \('{client.ip}', 7\): cannot assign"):
            await server.aio.create_server(Echo, client.ip, 7)

    assert run_asyncio(scene) == []


def test_it_may_start_later(run_asyncio):
    async def scene(server, client):
        serving = await server.aio.create_server(Echo, None, 7, start_serving=False)
        assert not serving.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await client.aio.open_connection(server.ip, 7)
        await serving.start_serving()
        await serving.start_serving()
        _, writer = await client.aio.open_connection(server.ip, 7)
        writer.close()
        serving.close()

    assert run_asyncio(scene) == []


def test_serve_forever_ends_when_it_is_cancelled(run):
    async def scene(server, client):
        serving = await server.aio.create_server(Echo, None, 7, start_serving=False)
        forever = asyncio.create_task(serving.serve_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already being awaited"):
            await serving.serve_forever()
        _, writer = await client.aio.open_connection(server.ip, 7)
        writer.close()
        await writer.wait_closed()
        forever.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever
        assert serving.sockets == ()
        with pytest.raises(RuntimeError, match="is closed"):
            await serving.serve_forever()

    assert run(scene) == []


def test_closing_it_leaves_the_clients(run):
    async def scene(server, client):
        serving, echo, ours = await meet(server, client)
        early = asyncio.create_task(serving.wait_closed())
        await asyncio.sleep(0)
        serving.close()
        serving.close()
        waiting = asyncio.create_task(serving.wait_closed())
        ours.transport.write(b"still served")
        assert await ours.has(12) == b"still served"
        assert waiting.done() == (sys.version_info < (3, 12))
        assert not early.done()
        ours.transport.close()
        await echo.ended
        await early
        await waiting
        await serving.wait_closed()

    assert run(scene) == []


@pytest.mark.parametrize("how", ["close_clients", "abort_clients"])
def test_the_clients_may_be_ended(run_asyncio, how):
    async def scene(server, client):
        serving, echo, ours = await meet(server, client)
        getattr(serving, how)()
        await echo.ended
        await ours.ended
        serving.close()
        await serving.wait_closed()

    assert run_asyncio(scene) == []


def test_a_factory_that_raises_is_reported_and_costs_its_client_alone(run):
    async def scene(server, client):
        made = []

        def factory():
            made.append(None)
            if len(made) == 1:
                raise ZeroDivisionError
            return Echo()

        serving = await server.aio.create_server(factory, None, 7)
        _, first = await client.aio.create_connection(Recorder, server.ip, 7)
        await first.ended
        reader, writer = await client.aio.open_connection(server.ip, 7)
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"
        writer.close()
        serving.close()

    (told,) = run(scene)
    assert isinstance(told["exception"], ZeroDivisionError)
    assert "incoming connection" in told["message"]


def test_two_hundred_clients_at_once(run):
    async def scene(server, client):
        async def serve(reader, writer):
            writer.write(await reader.readexactly(4))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def ask(number):
            reader, writer = await client.aio.open_connection(server.ip, 7)
            writer.write(number.to_bytes(4, "big"))
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return int.from_bytes(answer, "big")

        async with await server.aio.start_server(serve, None, 7, backlog=300):
            assert await asyncio.gather(*map(ask, range(200))) == list(range(200))

    assert run(scene) == []


def test_several_hosts_in_one_loop(run_asyncio):
    async def scene(server, client):
        hosts = [server.lan.host(f"host{number}") for number in range(5)]
        servers = [await host.aio.create_server(Echo, None, 7) for host in hosts]

        async def ask(host):
            reader, writer = await client.aio.open_connection(host.name, 7)
            writer.write(host.name.encode())
            answer = await reader.read(100)
            writer.close()
            return answer.decode()

        assert await asyncio.gather(*map(ask, hosts)) == [host.name for host in hosts]
        for each in servers:
            each.close()

    assert run_asyncio(scene) == []


def test_a_listening_socket_of_ours_may_be_handed_over(run_asyncio):
    async def scene(server, client):
        sock = server.create_server(("", 7))
        serving = await server.aio.create_server(Echo, sock=sock)
        reader, writer = await client.aio.open_connection(server.ip, 7)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
        serving.close()
        assert sock.fileno() == -1

    assert run_asyncio(scene) == []


def test_a_connection_accepted_by_hand(run_asyncio):
    async def scene(server, client):
        with server.create_server(("", 7)) as listener:
            listener.setblocking(False)
            _, ours = await client.aio.create_connection(Recorder, server.ip, 7)
            sock, peer = await server.aio.sock_accept(listener)
        assert peer == ours.transport.get_extra_info("sockname")
        _, echo = await server.aio.connect_accepted_socket(Echo, sock)
        ours.transport.write(b"x")
        assert await ours.has(1) == b"x"
        await hang_up(await server.aio.create_server(Echo, None, 8), ours, echo)

    assert run_asyncio(scene) == []


def test_the_network_ends_under_a_server_and_its_clients(run, caplog):
    protocols = []

    async def scene(server, client):
        serving, *both = await meet(server, client)
        protocols.extend(both)
        held.append(serving)
        both[1].transport.write(b"x" * 100)
        await both[1].has(100)

    held = []
    assert run(scene) == []
    for protocol in protocols:
        assert [said for said in protocol.said if said[0] == "lost"] == protocol.said[-1:]
    assert [view.fileno() for view in held[0].sockets] == [-1]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_cannot_be_asked_for(run_asyncio):
    import socket as kernel

    async def scene(server, client):
        aio = server.aio
        with kernel.socket() as foreign, server.socket() as ours:
            for wrong, error, words in [
                ({}, ValueError, "Neither host/port nor sock"),
                ({"port": 7, "sock": ours}, ValueError, "can not be specified at the same time"),
                ({"port": 7, "ssl": True}, TypeError, "ssl argument must be an SSLContext"),
                ({"port": 7, "ssl_handshake_timeout": 1}, ValueError, "only meaningful with ssl"),
                ({"port": 7, "ssl_shutdown_timeout": 1}, ValueError, "only meaningful with ssl"),
                ({"sock": foreign}, ValueError, "no socket of one of our hosts"),
                ({"sock": Secure(ours)}, TypeError, "cannot be of type SSLSocket"),
                ({"host": "nobody.test", "port": 7}, OSError, "not known"),
                ({"host": "::1", "port": 7}, OSError, "not supported"),
            ]:
                with pytest.raises(error, match=words):
                    await aio.create_server(Echo, **wrong)
            for wrong, error, words in [
                ({}, ValueError, "host and port was not specified"),
                ({"host": "h", "port": 7, "sock": ours}, ValueError, "can not be specified at the same time"),
                ({"port": 7, "server_hostname": "x"}, ValueError, "only meaningful with ssl"),
                ({"port": 7, "ssl": True}, ValueError, "You must set server_hostname"),
                ({"port": 7, "ssl_handshake_timeout": 1}, ValueError, "only meaningful with ssl"),
                ({"sock": foreign}, ValueError, "no socket of one of our hosts"),
                ({"host": "::1", "port": 7}, OSError, "not supported"),
            ]:
                with pytest.raises(error, match=words):
                    await aio.create_connection(Echo, **wrong)

    assert run_asyncio(scene) == []
