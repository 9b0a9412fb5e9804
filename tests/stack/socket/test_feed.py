"""Feed: what arrives is handed to a protocol in the turn. On hosts of a Lan, under virtual time."""

from __future__ import annotations

import asyncio
import os
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from components.lan import Lan
from netif.runtime import ThreadedRuntime
from stack import Limits
from stack.socket.feed import HIGH, LOW, Feed
from stack.stack import Stack

AT_ONCE = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: close by a reset


class Recorder:
    """Keeps what it is told."""

    def __init__(self, size: int = 1 << 18) -> None:
        self.buffer = bytearray(size)
        self.said: list[Any] = []
        self.got = bytearray()
        self.keep_open = False

    def connection_made(self, feed):
        self.feed = feed
        self.said.append("made")

    def get_buffer(self, sizehint):
        assert sizehint > 0
        return self.buffer

    def buffer_updated(self, nbytes):
        self.got += self.buffer[:nbytes]

    def eof_received(self):
        self.said.append("eof")
        return self.keep_open

    def connection_lost(self, error):
        self.said.append(("lost", error))

    def pause_writing(self):
        self.said.append("pause")

    def resume_writing(self):
        self.said.append("resume")


class Echo(Recorder):
    def buffer_updated(self, nbytes):
        super().buffer_updated(nbytes)
        self.feed.write(self.buffer[:nbytes])


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=1) as lan:
        yield lan


@pytest.fixture
def fed(lan) -> Iterator[Callable[..., Any]]:
    """Two ends: the client's socket, which does not wait, and the protocol that the server's end feeds."""
    server, client = lan.host("server", limits=Limits(feed_backlog=1 << 20)), lan.host("client")

    clients = []

    def meet(protocol):
        def accept():
            with server.create_server(("", 7)) as listener:
                connection, _ = listener.accept()
            connection.feed(protocol)
            return connection

        accepted = server.spawn(accept)
        connecting = client.spawn(lambda: client.create_connection((server.ip, 7)))
        lan.run_until(lambda: accepted.done() and connecting.done())
        theirs = connecting.result()
        theirs.setblocking(False)
        clients.append(theirs)
        return theirs, protocol, accepted.result()

    yield meet
    for connection in clients:
        connection.close()


def read(lan, connection, seconds=1.0):
    lan.run_for(seconds)
    got = b""
    try:
        while data := connection.recv(1 << 20):
            got += data
            lan.run_for(0.1)
    except BlockingIOError:
        pass
    return got


def test_what_arrives_is_handed_over_and_may_be_answered(lan, fed):
    client, echo, _ = fed(Echo())
    for text in (b"hello", b"again"):
        client.send(text)
        assert read(lan, client) == text
    assert bytes(echo.got) == b"helloagain"
    client.close()
    lan.run_for(1.0)
    assert echo.said == ["made", "eof", ("lost", None)]


def test_nobody_waits_and_no_thread_is_there_for_it(lan, fed):
    before = threading.active_count()
    client, _, _ = fed(Echo())
    client.send(b"hello")
    assert read(lan, client) == b"hello"
    assert threading.active_count() == before


@pytest.mark.parametrize("shape", [array, lambda *said: memoryview(array(*said))])
def test_what_is_not_made_of_bytes_is_sent_whole(lan, fed, shape):
    words = shape("I", range(1000))
    client, said, _ = fed(Recorder())
    said.feed.write(words)
    said.feed.write(b"end")
    got = bytearray()

    def read():
        with suppress(BlockingIOError):
            got.extend(client.recv(1 << 16))
        return len(got) >= 4003

    lan.run_until(read)
    assert got == bytes(words) + b"end"
    assert client.send(words) == 4000
    client.sendall(words)
    lan.run_until(lambda: len(said.got) >= 8000)
    assert said.got == bytes(words) * 2


def test_what_came_before_the_protocol_is_handed_over_first(lan):
    server, client = lan.host("server"), lan.host("client")
    protocol = Recorder()

    def late():
        with server.create_server(("", 7)) as listener:
            connection, _ = listener.accept()
        lan.sleep(1.0)
        connection.feed(protocol)

    def early():
        with client.create_connection((server.ip, 7)) as connection:
            connection.sendall(b"early")

    server.spawn(late)
    client.spawn(early)
    lan.run_for(3.0)
    assert bytes(protocol.got) == b"early"
    assert protocol.said == ["made", "eof", ("lost", None)]


def test_a_small_buffer_is_asked_for_again(lan, fed):
    client, protocol, _ = fed(Recorder(size=10))
    client.send(bytes(range(95)))
    lan.run_for(1.0)
    assert bytes(protocol.got) == bytes(range(95))


def test_bulk_arrives_whole_through_loss_and_in_order(lan):
    server, client = lan.host("server"), lan.host("client", loss="3%", delay="5ms")
    protocol, text = Recorder(), bytes(range(256)) * 4096

    def serve():
        with server.create_server(("", 7)) as listener:
            listener.accept()[0].feed(protocol)

    def send():
        with client.create_connection((server.ip, 7)) as connection:
            connection.sendall(text)

    server.spawn(serve)
    client.spawn(send)
    lan.run_until(lambda: len(protocol.said) == 3)
    assert bytes(protocol.got) == text


def test_one_that_pauses_reading_closes_the_window_and_loses_nothing(lan, fed):
    client, protocol, _ = fed(Recorder())
    protocol.feed.pause_reading()
    sent = 0
    for _ in range(100):
        try:
            sent += client.send(bytes(1 << 16))
        except BlockingIOError:
            lan.run_for(1.0)
    assert protocol.got == b""
    assert sent < 1 << 22
    protocol.feed.resume_reading()
    lan.run_for(5.0)
    assert len(protocol.got) == sent


def test_it_may_pause_and_resume_within_its_callbacks(lan, fed):
    class Sips(Recorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.feed.pause_reading()

    client, protocol, _ = fed(Sips(size=4))
    client.send(b"abcdefgh")
    lan.run_for(1.0)
    assert bytes(protocol.got) == b"abcd"
    protocol.feed.resume_reading()
    lan.run_for(1.0)
    assert bytes(protocol.got) == b"abcdefgh"


def test_it_is_asked_to_pause_writing_and_to_resume(lan, fed):
    client, protocol, _ = fed(Recorder())
    block, written = bytes(1 << 16), 0
    while "pause" not in protocol.said:
        protocol.feed.write(block)
        written += len(block)
        assert written < 1 << 26
    assert protocol.feed.get_write_buffer_size() > HIGH
    assert len(read(lan, client)) == written
    assert protocol.said == ["made", "pause", "resume"]
    assert protocol.feed.get_write_buffer_size() <= LOW


def test_one_that_never_pauses_is_cut_off_at_the_bound(lan, fed):
    client, protocol, server = fed(Recorder())
    for _ in range(1000):
        protocol.feed.write(bytes(1 << 16))
    lan.run_for(1.0)
    assert protocol.said[-1][0] == "lost"
    assert isinstance(protocol.said[-1][1], BufferError)
    assert server._core.stack.stats["feed_backlog_full"] == 1
    assert protocol.feed.get_write_buffer_size() == 0
    assert lan.hosts["server"].stack.memory.held == 0
    with pytest.raises(ConnectionResetError):
        read(lan, client)


def test_a_buffer_may_be_changed_after_it_was_written(lan, fed):
    client, protocol, _ = fed(Recorder())
    data, expected = bytearray(1 << 16), b""
    for number in range(12):
        data[:] = bytes([number]) * len(data)
        expected += data
        protocol.feed.write(data)
    data[:] = b"?" * len(data)
    assert read(lan, client) == expected


def test_close_sends_what_waits_and_then_the_end(lan, fed):
    client, protocol, _ = fed(Recorder())
    block = bytes(1 << 20)
    protocol.feed.write(block)
    protocol.feed.close()
    assert protocol.feed.is_closing()
    protocol.feed.write(b"too late")
    got = b""
    for _ in range(100):
        got += read(lan, client, 0.1)
    assert got == block
    assert client.recv(1) == b""
    assert protocol.said[-1] == ("lost", None)
    assert protocol.said.count(("lost", None)) == 1


def test_abort_resets(lan, fed):
    client, protocol, server = fed(Recorder())
    protocol.feed.abort()
    lan.run_for(1.0)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert protocol.said == ["made", ("lost", None)]
    assert server.fileno() == -1


def test_its_descriptor_ends_with_it(lan, fed):
    client, _, server = fed(Recorder())
    number = server.fileno()
    client.close()
    lan.run_for(1.0)
    assert server.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_half_closed_it_may_write_on(lan, fed):
    protocol = Recorder()
    protocol.keep_open = True
    client, _, _ = fed(protocol)
    client.send(b"question")
    client.shutdown(SHUT_WR)
    lan.run_for(1.0)
    assert protocol.said == ["made", "eof"]
    protocol.feed.write(b"answer")
    assert read(lan, client) == b"answer"
    protocol.feed.close()
    lan.run_for(1.0)
    assert client.recv(1) == b""
    assert protocol.said == ["made", "eof", ("lost", None)]


@pytest.mark.parametrize("paused", [False, True])
def test_a_reset_by_the_peer_is_told_once(lan, fed, paused):
    client, protocol, _ = fed(Recorder())
    if paused:
        protocol.feed.pause_reading()
    client.setsockopt(SOL_SOCKET, SO_LINGER, AT_ONCE)
    client.close()
    lan.run_for(1.0)
    assert protocol.said[0] == "made"
    assert [type(said[1]) for said in protocol.said[1:]] == [ConnectionResetError]
    protocol.feed.write(b"to nobody")
    protocol.feed.close()
    protocol.feed.abort()
    assert len(protocol.said) == 2


def test_closing_the_socket_closes_the_feed(lan, fed):
    client, protocol, server = fed(Recorder())
    server.close()
    assert protocol.said == ["made", ("lost", None)]
    lan.run_for(1.0)
    assert client.recv(1) == b""


class Failing(Recorder):
    """Raises where it is told to."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def may_fail(self, where):
        if where == self.where:
            raise ZeroDivisionError(where)

    def connection_made(self, feed):
        super().connection_made(feed)
        self.may_fail("connection_made")

    def get_buffer(self, sizehint):
        self.may_fail("get_buffer")
        return bytearray() if self.where == "empty" else super().get_buffer(sizehint)

    def buffer_updated(self, nbytes):
        self.may_fail("buffer_updated")

    def eof_received(self):
        self.may_fail("eof_received")

    def connection_lost(self, error):
        super().connection_lost(error)
        self.may_fail("connection_lost")


@pytest.mark.parametrize(
    "where", ["connection_made", "get_buffer", "empty", "buffer_updated", "eof_received", "connection_lost"]
)
def test_a_protocol_that_raises_loses_its_connection_and_no_other(lan, fed, caplog, where):
    other, _, _ = fed(Echo())
    client, protocol, server = fed(Failing(where))
    with suppress(OSError):  # it has been reset already
        client.send(b"x")
        client.shutdown(SHUT_WR)
    lan.run_for(1.0)
    assert [said for said in protocol.said if said[0] == "lost"] == protocol.said[-1:]
    error = protocol.said[-1][1]
    wanted = {"empty": RuntimeError, "connection_lost": type(None)}.get(where, ZeroDivisionError)
    assert type(error) is wanted
    assert server._core.stack.stats["feed_failed"] == 1
    assert [record.name for record in caplog.records if record.exc_info] == ["stack.socket.feed"]
    other.send(b"hello")
    assert read(lan, other) == b"hello"
    lan.runtime.check()  # it was no mistake of ours


def test_a_callback_may_not_wait_nor_enter_a_socket(lan, fed):
    class Calls(Recorder):
        def buffer_updated(self, nbytes):
            for call in (lambda: self.socket.recv(1), lambda: lan.runtime.sleep(1)):
                with pytest.raises(RuntimeError):
                    call()
            self.said.append("refused")

    client, protocol, server = fed(Calls())
    protocol.socket = server
    client.send(b"x")
    lan.run_for(1.0)
    assert protocol.said == ["made", "refused"]


def test_one_protocol_may_write_to_another_connection(lan, fed):
    """A relay, both ends of it in the turn."""

    class Half(Recorder):
        other: Half

        def buffer_updated(self, nbytes):
            self.other.feed.write(bytes(self.buffer[:nbytes]))

        def connection_lost(self, error):
            self.other.feed.close()

    one, left, _ = fed(Half())
    two, right, _ = fed(Half())
    left.other, right.other = right, left
    one.send(b"ping")
    assert read(lan, two) == b"ping"
    two.send(b"pong")
    assert read(lan, one) == b"pong"
    one.close()
    lan.run_for(1.0)
    assert two.recv(1) == b""


def test_asyncios_own_protocols_fit(lan, fed):
    class Counting(asyncio.BufferedProtocol):
        count = 0

        def get_buffer(self, sizehint):
            self.buffer = bytearray(sizehint)
            return self.buffer

        def buffer_updated(self, nbytes):
            self.count += nbytes

    client, protocol, _ = fed(Counting())
    client.send(b"hello")
    lan.run_for(1.0)
    assert protocol.count == 5


def test_what_is_not_connected_cannot_be_fed(lan):
    with lan.host("host").socket() as one, pytest.raises(OSError, match="not connected"):
        one.feed(Recorder())


def test_on_a_real_clock_any_thread_may_write():
    runtime = ThreadedRuntime(strict=True)
    with Stack(runtime=runtime) as host:
        with host.create_server(("127.0.0.1", 7)) as listener:
            client = host.create_connection(("127.0.0.1", 7), 10)
            protocol = Echo()
            feed = listener.accept()[0].feed(protocol)
        assert isinstance(feed, Feed)
        with client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
            feed.write(b"unasked")
            assert client.recv(100) == b"unasked"
            client.shutdown(SHUT_WR)
            assert client.recv(100) == b""
        assert protocol.said == ["made", "eof", ("lost", None)]
    runtime.check()
    runtime.close()
