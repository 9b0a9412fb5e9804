"""The same transports from any loop: of a host that threads serve, in virtual time, and across two loops."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

from netif import Lan
from netif.runtime import ThreadedRuntime
from stack.stack import Stack
from tests.stack.socket.transports.conftest import Echo, Recorder, hang_up, meet
from tests.stack.socket.transports.test_datagram_transport import Answers, Datagrams

PATIENCE = 30


def test_a_host_of_the_threaded_runtime_serves_any_loop(run):
    data = random.Random(5).randbytes(1 << 20)

    async def scene(server, client):
        assert isinstance(client.runtime, ThreadedRuntime)
        serving = await server.aio.create_server(Echo, None, 7)
        reader, writer = await client.aio.open_connection("server", 7)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        transport, asks = await client.aio.create_datagram_endpoint(Datagrams, remote_addr=(server.ip, 53))
        transport.sendto(b"nobody there")
        await asks.has(1)
        assert isinstance(asks.errors[0], ConnectionRefusedError)
        transport.close()
        with pytest.raises(ConnectionRefusedError):
            await client.aio.open_connection("server", 8)
        serving.close()
        serving.close_clients()

    assert run(scene, clock="real") == []


def test_what_threads_do_meanwhile_comes_to_the_loop(run):
    """A program that blocks, in a thread of its own, talks to a protocol."""

    async def scene(server, client):
        def ask():
            with client.create_connection((server.ip, 7)) as sock:
                for number in range(50):
                    sock.sendall(bytes([number]))
                    assert sock.recv(1) == bytes([number])

        thread = threading.get_ident()

        class Checks(Echo):
            def data_received(self, data):
                assert threading.get_ident() == thread
                super().data_received(data)

        async with await server.aio.create_server(Checks, None, 7) as serving:
            await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))
            serving.close_clients()

    assert run(scene, clock="real") == []
    assert run(scene) == []


def test_two_loops_on_one_host():
    runtime = ThreadedRuntime(strict=True)
    with Stack(runtime=runtime) as host:
        ready, done = threading.Event(), threading.Event()

        async def serve():
            async with await host.aio.create_server(Echo, "127.0.0.1", 7) as serving:
                ready.set()
                await asyncio.to_thread(done.wait, PATIENCE)
                serving.close_clients()

        async def ask():
            reader, writer = await host.aio.open_connection("127.0.0.1", 7)
            for size in (1, 1000, 300_000):
                writer.write(bytes(size))
                await reader.readexactly(size)
            writer.close()
            await writer.wait_closed()

        serving = threading.Thread(target=lambda: asyncio.run(serve()))
        serving.start()
        try:
            assert ready.wait(PATIENCE)
            asyncio.run(asyncio.wait_for(ask(), PATIENCE))
        finally:
            done.set()
            serving.join(PATIENCE)
    runtime.check()
    runtime.close()


def test_a_loop_that_was_closed_under_its_transports_hurts_nobody():
    runtime = ThreadedRuntime(strict=True)
    with Stack(runtime=runtime) as host:
        kept = []

        async def leave_open():
            serving, *protocols = await meet(host, host)
            kept.extend(serving.sockets)
            kept.extend(protocol.transport.get_extra_info("socket") for protocol in protocols)

        async def again():
            serving = await host.aio.create_server(Echo, "127.0.0.1", 8)
            reader, writer = await host.aio.open_connection("127.0.0.1", 8)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            writer.close()
            serving.close()

        asyncio.run(leave_open())
        asyncio.run(again())
        for view in kept:
            view._sock.close()
    runtime.check()
    runtime.close()


def test_in_virtual_time_an_hour_passes_at_once():
    with Lan(seed=1) as lan:
        server, client = lan.host("server"), lan.host("client", delay="20ms", loss="5%")
        data = random.Random(6).randbytes(200_000)

        async def scene():
            serving, echo, ours = await meet(server, client)
            await asyncio.sleep(3600)
            ours.transport.write(data)
            assert await ours.has(len(data)) == data
            await hang_up(serving, ours, echo)
            serving, _ = await server.aio.create_datagram_endpoint(Answers, ("0.0.0.0", 53))
            transport, asks = await client.aio.create_datagram_endpoint(Datagrams, remote_addr=(server.ip, 53))
            while not asks.got:
                transport.sendto(b"question")
                await asyncio.sleep(1)
            assert asks.got[0][0] == b"QUESTION"
            transport.close()
            serving.close()
            await asks.ended
            return lan.now()

        assert lan.run(scene()) > 3600


def test_a_seed_plays_a_scene_again_exactly():
    def play():
        said = []
        with Lan(seed=7) as lan:
            server, client = lan.host("server"), lan.host("client", delay="10ms", jitter="5ms", loss="10%")

            class Tells(Recorder):
                def data_received(self, data):
                    super().data_received(data)
                    said.append((lan.now(), len(data)))

            async def scene():
                serving, echo, ours = await meet(server, client, ours=Tells)
                for _ in range(20):
                    ours.transport.write(bytes(3000))
                    await asyncio.sleep(0.1)
                await ours.has(60_000)
                await hang_up(serving, ours, echo)

            lan.run(scene())
        return said

    assert play() == play()
