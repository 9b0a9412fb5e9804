"""create_connection: to which address, from which, and what is left behind when nothing comes of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.stack.socket.transports.conftest import Echo, Recorder


def endpoints(host):
    """The connections that a host's stack knows of."""
    return host.stack.tcp.connections


def test_from_a_given_address(run):
    async def scene(server, client):
        async with await server.aio.create_server(Echo, None, 7) as serving:
            transport, _ = await client.aio.create_connection(Recorder, server.ip, 7, local_addr=(client.ip, 4321))
            assert transport.get_extra_info("sockname") == (client.ip, 4321)
            with pytest.raises(OSError, match="error while attempting to bind on address"):
                await client.aio.create_connection(Recorder, server.ip, 7, local_addr=(server.ip, 0))
            transport.close()
            serving.close_clients()

    assert run(scene) == []


@pytest.mark.parametrize("delay", [None, 0.05])
def test_the_first_address_that_answers(run, delay):
    async def scene(server, client):
        client.stack.hosts = {**client.stack.hosts}
        async with await server.aio.create_server(Echo, None, 7) as serving:
            transport, _ = await client.aio.create_connection(
                Recorder, "server", 7, happy_eyeballs_delay=delay, interleave=1
            )
            assert transport.get_extra_info("peername") == (server.ip, 7)
            transport.close()
            serving.close_clients()

    assert run(scene) == []


@pytest.mark.parametrize("delay", [None, 0.05])
def test_refused(run, delay):
    async def scene(server, client):
        with pytest.raises(ConnectionRefusedError):
            await client.aio.create_connection(Recorder, server.ip, 7, happy_eyeballs_delay=delay)
        with pytest.raises(ExceptionGroup) as group:
            await client.aio.create_connection(Recorder, server.ip, 7, all_errors=True)
        assert [type(error) for error in group.value.exceptions] == [ConnectionRefusedError]

    assert run(scene) == []


def test_cancelled_it_leaves_nothing_behind(run):
    async def scene(server, client):
        connecting = asyncio.create_task(client.aio.create_connection(Recorder, "10.0.0.77", 7))
        await asyncio.sleep(0.01)
        assert len(endpoints(client)) == 1
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.sleep(0)
        assert not endpoints(client)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.aio.open_connection("10.0.0.77", 7)
        assert not endpoints(client)

    assert run(scene) == []


def test_a_factory_that_raises_leaves_nothing_behind(run_asyncio):
    async def scene(server, client):
        accepted = []
        async with await server.aio.create_server(lambda: accepted.append(Echo()) or accepted[0], None, 7):
            with pytest.raises(ZeroDivisionError):
                await client.aio.create_connection(lambda: 1 // 0, server.ip, 7)
            while not accepted:
                await asyncio.sleep(0)
            assert await accepted[0].ended is None

    assert run_asyncio(scene) == []


def test_streams_read_lines_and_wait_for_room(run):
    async def scene(server, client):
        async def shout(reader, writer):
            assert writer.get_extra_info("peername")[0] == client.ip
            async for line in reader:
                writer.write(line.upper())
                await writer.drain()
            writer.write_eof()
            writer.close()
            await writer.wait_closed()

        async with await server.aio.start_server(shout, None, 7, limit=100):
            reader, writer = await client.aio.open_connection("server", 7)
            writer.writelines([b"one\n", b"two\n"])
            await writer.drain()
            writer.write_eof()
            assert await reader.read() == b"ONE\nTWO\n"
            assert reader.at_eof()
            writer.close()
            await writer.wait_closed()

    assert run(scene) == []


def test_names_are_looked_up(run_asyncio):
    async def scene(server, client):
        (found,) = await client.aio.getaddrinfo("server", 7, proto=6)
        assert found[4] == (server.ip, 7)
        assert await client.aio.getnameinfo((server.ip, 80)) == ("server", "http")

    assert run_asyncio(scene) == []
