"""TCP transports: what a protocol is told, and when, as asyncio's own transports have it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket

import pytest

from tests.stack.socket.transports.conftest import Buffered, Echo, Recorder, hang_up, meet


def played(run, scene, **options):
    """Without anything for the exception handler."""
    assert run(scene, **options) == []


def test_what_is_written_comes_back_and_each_is_told_once(run):
    async def scene(server, client):
        serving, echo, ours = await meet(server, client)
        ours.transport.write(b"hello")
        assert await ours.has(5) == b"hello"
        ours.transport.close()
        assert ours.transport.is_closing()
        assert ours.said == ["made"]  # connection_lost comes by the loop, never from within
        await ours.ended
        await echo.ended
        assert ours.said == ["made", ("lost", None)]
        assert echo.said == ["made", "eof", ("lost", None)]
        serving.close()
        await serving.wait_closed()

    played(run, scene)


@pytest.mark.parametrize("kind", [Echo, type("BufferedEcho", (Buffered, Echo), {})])
def test_megabytes_under_flow_control_with_bounded_memory(run, kind):
    data = random.Random(1).randbytes(6 << 20)

    async def scene(server, client):
        serving = await server.aio.create_server(kind, None, 7)
        reader, writer = await client.aio.open_connection("server", 7)
        most = 0

        async def send():
            nonlocal most
            for at in range(0, len(data), 1 << 16):
                writer.write(data[at : at + (1 << 16)])
                most = max(most, writer.transport.get_write_buffer_size())
                await writer.drain()

        sending = asyncio.create_task(send())
        assert await reader.readexactly(len(data)) == data
        await sending
        assert most <= (64 << 10) + (1 << 16)  # the high-water mark, and what was written at once
        writer.close()
        await writer.wait_closed()
        serving.close()

    played(run, scene)


def test_bulk_comes_whole_through_loss(run):
    data = random.Random(2).randbytes(300_000)

    async def scene(server, client):
        serving = await server.aio.create_server(Echo, None, 7)
        reader, writer = await client.aio.open_connection(server.ip, 7)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        serving.close()

    played(run, scene, loss="2%")


def test_half_closed_by_the_client_the_server_may_answer(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, lambda: Recorder(keep_open=True))
        assert ours.transport.can_write_eof()
        ours.transport.write(b"question")
        ours.transport.write_eof()
        ours.transport.write_eof()  # once more does nothing
        with pytest.raises(RuntimeError, match="after write_eof"):
            ours.transport.write(b"too late")
        await theirs.until(lambda: "eof" in theirs.said)
        assert theirs.got == b"question"
        theirs.transport.pause_reading()
        theirs.transport.resume_reading()  # the end is not told again
        theirs.transport.write(b"answer")
        assert await ours.has(6) == b"answer"
        theirs.transport.close()
        assert await ours.ended is None
        assert theirs.said == ["made", "eof", ("lost", None)]
        assert ours.said == ["made", "eof", ("lost", None)]
        serving.close()

    played(run, scene)


def test_half_closed_by_the_server_the_client_may_write_on(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder, lambda: Recorder(keep_open=True))
        theirs.transport.write_eof()
        await ours.until(lambda: "eof" in ours.said)
        ours.transport.write(b"still here")
        assert await theirs.has(10) == b"still here"
        await hang_up(serving, ours, theirs)

    played(run, scene)


def test_the_end_goes_behind_what_waits(run):
    data = bytes(3 << 20)

    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        theirs.transport.pause_reading()
        ours.transport.write(data)
        ours.transport.write_eof()
        assert ours.transport.get_write_buffer_size() > 0
        theirs.transport.resume_reading()
        await theirs.ended
        assert len(theirs.got) == len(data)
        await ours.ended
        assert ours.said == ["made", "pause", "resume", "eof", ("lost", None)]
        serving.close()

    played(run, scene)


def test_close_sends_what_waits(run):
    data = bytes(3 << 20)

    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        ours.transport.write(data)
        ours.transport.close()
        ours.transport.close()
        assert ours.transport.get_write_buffer_size() > 0
        await theirs.ended
        assert len(theirs.got) == len(data)
        assert await ours.ended is None
        assert ours.said[-1] == ("lost", None)
        assert ours.said.count(("lost", None)) == 1
        serving.close()

    played(run, scene)


def test_abort_forgets_what_waits(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        theirs.transport.pause_reading()
        ours.transport.write(bytes(8 << 20))
        ours.transport.abort()
        ours.transport.abort()
        assert ours.transport.get_write_buffer_size() == 0
        assert await ours.ended is None
        theirs.transport.resume_reading()
        await theirs.ended
        assert len(theirs.got) < 8 << 20
        serving.close()

    played(run, scene)


def test_a_reset_is_told_with_its_error(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        linger = b"\1\0\0\0\0\0\0\0"
        theirs.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        theirs.transport.abort()
        assert isinstance(await ours.ended, ConnectionResetError)
        assert [type(said) for said in ours.said] == [str, tuple]
        serving.close()

    played(run, scene)


def test_one_that_pauses_reading_stops_its_peer(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        theirs.transport.pause_reading()
        assert not theirs.transport.is_reading()
        theirs.transport.pause_reading()
        total = 0
        while "pause" not in ours.said:
            ours.transport.write(bytes(1 << 16))
            total += 1 << 16
            await asyncio.sleep(0)
            assert total < 1 << 26
        assert theirs.got == b""
        theirs.transport.resume_reading()
        assert theirs.transport.is_reading()
        assert len(await theirs.has(total)) == total
        await ours.until(lambda: "resume" in ours.said)
        assert ours.said == ["made", "pause", "resume"]
        await hang_up(serving, ours, theirs)

    played(run, scene)


def test_pausing_within_data_received(run):
    class Sips(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Sips)
        ours.transport.write(b"one")
        assert await theirs.has(3) == b"one"
        ours.transport.write(b"two")
        await asyncio.sleep(0.01)
        assert theirs.got == b"one"
        theirs.transport.resume_reading()
        assert await theirs.has(6) == b"onetwo"
        await hang_up(serving, ours, theirs)

    played(run, scene)


def test_limits_of_the_write_buffer(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        transport = ours.transport
        assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.set_write_buffer_limits(0)
        theirs.transport.pause_reading()
        while not transport.get_write_buffer_size():
            transport.write(bytes(1 << 16))
        assert ours.said[-1] == "pause"  # at 0 with the first byte that waits
        theirs.transport.resume_reading()
        await ours.until(lambda: ours.said[-1] == "resume")
        assert transport.get_write_buffer_size() == 0
        await hang_up(serving, ours, theirs)

    played(run, scene)


def test_a_buffer_may_be_changed_after_it_was_written(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client, Recorder)
        data, expected = bytearray(1 << 18), b""
        for number in range(12):
            data[:] = bytes([number]) * len(data)
            expected += data
            ours.transport.write(data if number % 2 else memoryview(data))
        data[:] = b"?" * len(data)
        assert await theirs.has(len(expected)) == expected
        await hang_up(serving, ours, theirs)

    played(run, scene)


def test_writelines_and_what_may_be_written(run):
    async def scene(server, client):
        serving, echo, ours = await meet(server, client)
        ours.transport.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
        ours.transport.write(b"")
        for wrong in ("text", 1, None):
            with pytest.raises(TypeError, match="data argument must be a bytes-like object"):
                ours.transport.write(wrong)
        assert await ours.has(3) == b"abc"
        await hang_up(serving, ours, echo)

    played(run, scene)


def test_writing_to_a_lost_connection_is_counted_and_said(run, caplog):
    async def scene(server, client):
        serving, echo, ours = await meet(server, client)
        ours.transport.close()
        await ours.ended
        for _ in range(6):
            ours.transport.write(b"to nobody")
        serving.close()
        await echo.ended

    with caplog.at_level(logging.WARNING, "asyncio"):
        played(run, scene)
    assert {record.message for record in caplog.records} == {"socket.send() raised exception."}


def test_the_protocol_may_be_changed_in_data_received(run):
    async def scene(server, client):
        second = Buffered()

        class First(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.set_protocol(second)

        serving, theirs, ours = await meet(server, client, First)
        ours.transport.write(b"one")
        await theirs.has(3)
        assert theirs.transport.get_protocol() is second
        ours.transport.write(b"two")
        assert await second.has(3) == b"two"
        theirs.transport.set_protocol(theirs)
        ours.transport.write(b"three")
        assert await theirs.has(8) == b"onethree"
        theirs.transport.set_protocol(second)
        theirs.transport.close()
        await second.ended
        assert theirs.said == ["made"]
        serving.close()
        await ours.ended

    played(run, scene)


def test_what_a_transport_tells_of_itself(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client)
        transport = ours.transport
        assert transport.get_extra_info("peername") == (server.ip, 7)
        assert transport.get_extra_info("sockname") == theirs.transport.get_extra_info("peername")
        assert transport.get_extra_info("ssl_object") is None
        assert transport.get_extra_info("nothing", 5) == 5
        sock = transport.get_extra_info("socket")
        assert sock.getpeername() == (server.ip, 7)
        assert sock.getsockname() == transport.get_extra_info("sockname")
        assert (sock.family, sock.type, sock.gettimeout()) == (socket.AF_INET, socket.SOCK_STREAM, 0)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1  # as asyncio's have it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert server.ip in repr(transport)
        assert sock.fileno() >= 0
        await hang_up(serving, ours, theirs)
        assert "closed" in repr(transport)

    played(run, scene)


class Failing(Recorder):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def fail(self, where):
        if where == self.where:
            raise ZeroDivisionError(where)

    def connection_made(self, transport):
        super().connection_made(transport)
        self.fail("connection_made")

    def data_received(self, data):
        self.fail("data_received")

    def eof_received(self):
        self.fail("eof_received")

    def connection_lost(self, error):
        super().connection_lost(error)
        self.fail("connection_lost")


class BufferedFailing(Failing, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.fail("get_buffer")
        return bytearray(0 if self.where == "empty" else 100)

    def buffer_updated(self, nbytes):
        self.fail("buffer_updated")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (Failing, "data_received"),
        (Failing, "eof_received"),
        (BufferedFailing, "get_buffer"),
        (BufferedFailing, "empty"),
        (BufferedFailing, "buffer_updated"),
    ],
)
def test_what_a_protocol_raises_ends_its_connection_and_is_reported(run, kind, where):
    async def scene(server, client):
        serving, failing, ours = await meet(server, client, lambda: kind(where))
        ours.transport.write(b"x")
        ours.transport.write_eof()
        error = await failing.ended
        assert type(error) is (RuntimeError if where == "empty" else ZeroDivisionError)
        await ours.ended
        serving.close()

    (told,) = run(scene)
    name = "get_buffer" if where == "empty" else where
    assert told["message"] == f"Fatal error: protocol.{name}() call failed."
    assert {"exception", "transport", "protocol"} <= told.keys()


@pytest.mark.parametrize("where", ["connection_made", "connection_lost"])
def test_what_is_raised_at_the_beginning_or_the_end_is_reported_by_the_loop(run, where):
    async def scene(server, client):
        serving, failing, ours = await meet(server, client, lambda: Failing(where))
        failing.transport.close()
        await failing.ended
        await ours.ended
        serving.close()

    (told,) = run(scene)
    assert isinstance(told["exception"], ZeroDivisionError)


def test_debug_mode_names_a_slow_callback(run_asyncio, caplog):
    class Slow(Recorder):
        def data_received(self, data):
            super().data_received(data)
            import time

            time.sleep(0.02)

    async def scene(server, client):
        asyncio.get_running_loop().slow_callback_duration = 0.01
        serving, theirs, ours = await meet(server, client, Slow)
        ours.transport.write(b"x")
        await theirs.has(1)
        theirs.transport.pause_reading()
        theirs.transport.resume_reading()
        ours.transport.close()
        await theirs.ended
        serving.close()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        played(run_asyncio, scene, debug=True)
    said = [record.getMessage() for record in caplog.records]
    assert any("StreamTransport._read_ready()" in line and "seconds" in line for line in said)
    assert any("pauses reading" in line for line in said)
    assert any("received EOF" in line for line in said)


def test_the_network_goes_away_under_a_transport(run):
    async def scene(server, client):
        serving, theirs, ours = await meet(server, client)
        client.stack.close(0)
        assert isinstance(await ours.ended, OSError)
        theirs.transport.abort()
        await theirs.ended
        serving.close()

    played(run, scene)


def test_the_socket_is_closed_under_its_transport(run):
    async def scene(server, client):
        sock = client.socket()
        sock.setblocking(False)
        serving = await server.aio.create_server(Echo, None, 7)
        await client.aio.sock_connect(sock, (server.ip, 7))
        _, ours = await client.aio.create_connection(Recorder, sock=sock)
        sock.close()
        assert isinstance(await ours.ended, OSError)
        serving.close()

    played(run, scene)


def test_a_context_variable_keeps_what_it_was_when_the_connection_was_made(run):
    import contextvars

    variable = contextvars.ContextVar("variable", default="none")

    class Notes(Recorder):
        def note(self):
            self.said.append(variable.get())

        def connection_made(self, transport):
            super().connection_made(transport)
            self.note()

        def data_received(self, data):
            super().data_received(data)
            self.note()

    async def scene(server, client):
        variable.set("server")
        serving = await server.aio.create_server(lambda: notes.append(Notes()) or notes[-1], None, 7)
        variable.set("client")
        _, ours = await client.aio.create_connection(Notes, server.ip, 7)
        variable.set("later")
        ours.transport.write(b"x")
        while not notes or not notes[0].got:
            await asyncio.sleep(0)
        notes[0].transport.write(b"y")
        await ours.has(1)
        assert notes[0].said == ["made", "server", "server"]
        assert ours.said == ["made", "client", "client"]
        await hang_up(serving, ours, notes[0])

    notes = []
    played(run, scene)
