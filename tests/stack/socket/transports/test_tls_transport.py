"""TLS over our transports, by asyncio's own SSLProtocol; certificates by trustme."""

from __future__ import annotations

import asyncio
import random
import ssl

import pytest

from netif import use
from tests.stack.socket.transports.conftest import Echo, Recorder

trustme = pytest.importorskip("trustme")


@pytest.fixture(scope="module")
def contexts():
    """(the server's, the client's)"""
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    return theirs, ours


def test_megabytes_both_ways(run, contexts):
    theirs, ours = contexts
    data = random.Random(3).randbytes(2 << 20)

    async def scene(server, client):
        async with await server.aio.create_server(Echo, None, 443, ssl=theirs) as serving:
            reader, writer = await client.aio.open_connection("server", 443, ssl=ours)
            assert writer.get_extra_info("ssl_object").version().startswith("TLS")
            assert writer.get_extra_info("peername") == (server.ip, 443)

            async def send():
                for at in range(0, len(data), 1 << 16):
                    writer.write(data[at : at + (1 << 16)])
                    await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(len(data)) == data
            await sending
            writer.close()
            await writer.wait_closed()
            serving.close_clients()

    assert run(scene) == []


def test_a_whole_conversation_through_loss(run_asyncio, contexts):
    theirs, ours = contexts

    async def scene(server, client):
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()

        async with await server.aio.start_server(serve, None, 443, ssl=theirs):
            reader, writer = await client.aio.open_connection("server", 443, ssl=ours)
            writer.write(b"hello\n")
            assert await reader.read() == b"HELLO\n"
            writer.close()
            await writer.wait_closed()

    assert run_asyncio(scene, loss="2%") == []


def test_a_server_that_nobody_trusts(run, contexts):
    theirs, _ = contexts

    async def scene(server, client):
        async with await server.aio.create_server(Echo, None, 443, ssl=theirs):
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.aio.open_connection("server", 443, ssl=True)
            with pytest.raises(ssl.SSLCertVerificationError, match="match"):
                await client.aio.open_connection("server", 443, ssl=contexts[1], server_hostname="another")
            reader, writer = await client.aio.open_connection("server", 443, ssl=contexts[1])
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            writer.close()
            await writer.wait_closed()

    for told in run(scene):
        assert "SSL" in told["message"]


def test_a_peer_that_never_shakes_hands(run, contexts):
    async def scene(server, client):
        async with await server.aio.create_server(Recorder, None, 443):
            with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer"):
                await client.aio.open_connection("server", 443, ssl=contexts[1], ssl_handshake_timeout=0.05)

    run(scene)


@pytest.mark.parametrize("how", ["function", "method"])
def test_tls_begins_in_the_middle(run, contexts, how):
    theirs, ours = contexts

    async def scene(server, client):
        class Starting(Echo):
            def data_received(self, data):
                if data == b"STARTTLS":
                    tasks.append(asyncio.create_task(self.start()))
                else:
                    super().data_received(data)

            async def start(self):
                self.transport.write(b"go on")
                self.transport = await server.aio.start_tls(self.transport, self, theirs, server_side=True)
                self.transport.write(b"ready")

        tasks = []
        async with await server.aio.create_server(Starting, None, 25):
            reader, writer = await client.aio.open_connection("server", 25)
            writer.write(b"STARTTLS")
            assert await reader.read(100) == b"go on"
            if how == "method":
                with use(client):  # for uvloop's, which knows its own transports only
                    await writer.start_tls(ours, server_hostname="server")
                assert await reader.read(100) == b"ready"
                writer.write(b"secret")
                assert await reader.read(100) == b"secret"
                writer.close()
                await writer.wait_closed()
            else:
                protocol = Recorder()
                transport = await client.aio.start_tls(writer.transport, protocol, ours, server_hostname="server")
                assert await protocol.has(5) == b"ready"
                transport.write(b"secret")
                assert await protocol.has(11) == b"readysecret"
                transport.close()
                await protocol.ended
            await asyncio.gather(*tasks)

    assert run(scene) == []


def test_what_cannot_be_secured(run_asyncio, contexts):
    async def scene(server, client):
        serving, answers = await server.aio.create_datagram_endpoint(asyncio.DatagramProtocol, ("0.0.0.0", 53))
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            await server.aio.start_tls(serving, answers, contexts[0])
        with pytest.raises(TypeError, match="expected to be an instance of"):
            await server.aio.start_tls(serving, answers, None)
        serving.close()

    assert run_asyncio(scene) == []


def test_cancelled_in_the_handshake_nothing_is_left(run, contexts):
    async def scene(server, client):
        accepted = []
        async with await server.aio.create_server(lambda: accepted.append(Recorder()) or accepted[0], None, 443):
            connecting = asyncio.create_task(client.aio.open_connection("server", 443, ssl=contexts[1]))
            while not accepted or not accepted[0].got:
                await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await accepted[0].ended

    run(scene)
