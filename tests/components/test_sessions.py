"""Many clients in one thread: on hosts of a Lan under virtual time, and once on the kernel's sockets."""

from __future__ import annotations

import socket as kernel
import threading
from collections.abc import Iterator
from functools import partial
from socket import SO_LINGER, SOL_SOCKET

import pytest

from components.lan import Lan
from components.sessions import READ, Sessions, attend, receive, send_all
from components.small_services import BLOCK, CHARGEN, ECHO, SmallServices, echo

AT_ONCE = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: close by a reset


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=1) as lan:
        yield lan


@pytest.fixture
def served(lan):
    """A server, a client, and the sessions that run on the server for each of its ports."""
    server, client = lan.host("server"), lan.host("client")
    sessions = Sessions(server)

    def serve(**by_port):
        for port, session in by_port.items():
            sessions.listen(server.create_server(("", int(port[1:]))), session)
        return server.spawn(sessions.run)

    return server, client, sessions, serve


def finish(lan, *tasks):
    lan.run_until(lambda: all(task.done() for task in tasks))
    return [task.result() for task in tasks]


def asked(client, address, words, count=None):
    with client.create_connection(address) as connection:
        connection.sendall(words)
        got = b""
        while len(got) < (count or len(words)):
            got += connection.recv(65536)
        return got


def pushed(connection):
    """How many bytes it takes until nobody reads them."""
    sent = 0
    try:
        while sent < 1 << 28:
            sent += connection.send(bytes(1 << 16))
    except (TimeoutError, BlockingIOError):
        return sent
    raise AssertionError("all of it was taken")


def test_one_thread_serves_many_clients_at_once(lan, served):
    server, client, _, serve = served
    serve(p7=echo)

    def hold(number):
        with client.create_connection((server.ip, 7)) as connection:
            for word in (b"%d" % number, b"again"):
                connection.sendall(word)
                lan.sleep(1.0)
                assert connection.recv(100) == word

    finish(lan, *(client.spawn(partial(hold, number)) for number in range(50)))
    assert lan.now() == pytest.approx(2.0, abs=0.1)


def test_a_client_that_never_reads_is_not_read_from_either(lan, served):
    server, client, _, serve = served
    serve(p7=echo)

    def flood():
        with client.create_connection((server.ip, 7)) as connection:
            connection.settimeout(60.0)
            sent = pushed(connection)
            held = lan.runtime.memory.held
            assert asked(client, (server.ip, 7), b"others") == b"others"
            got = 0
            while got < sent:
                data = connection.recv(1 << 18)
                assert data
                got += len(data)
            return sent, held

    ((sent, held),) = finish(lan, client.spawn(flood))
    assert sent <= held + BLOCK  # what is in sockets' buffers, and what the session has in hand
    assert lan.runtime.memory.held < 1 << 16


def test_what_is_sent_in_parts_arrives_whole(lan, served):
    server, client, _, serve = served
    text = bytes(range(256)) * (1 << 14)

    def story(connection, _peer):
        yield from send_all(connection, text)

    serve(p7=story)

    def slowly():
        with client.create_connection((server.ip, 7)) as connection:
            got = bytearray()
            while data := connection.recv(100_000):
                got += data
                lan.sleep(0.01)
            return bytes(got)

    assert finish(lan, client.spawn(slowly)) == [text]


def test_a_reset_ends_that_session_alone(lan, served):
    server, client, _, serve = served
    ended = []

    def count(connection, peer):
        try:
            yield from echo(connection, peer)
        finally:
            ended.append(peer)

    serve(p7=count)

    def rude():
        with client.create_connection((server.ip, 7)) as connection:
            connection.setsockopt(SOL_SOCKET, SO_LINGER, AT_ONCE)
            connection.sendall(b"x" * 100)

    def polite():
        with client.create_connection((server.ip, 7)) as connection:
            lan.sleep(1.0)
            connection.sendall(b"hello")
            return connection.recv(100)

    answers = finish(lan, client.spawn(polite), client.spawn(rude))
    assert answers == [b"hello", None]
    lan.run_for(0.1)
    assert len(ended) == 2


def test_a_session_that_fails_is_logged_and_ends_alone(lan, served, caplog):
    server, client, _, serve = served

    def fails(connection, _peer):
        yield from receive(connection, 100)
        raise ZeroDivisionError

    serve(p7=echo, p9=fails)

    def ask():
        with client.create_connection((server.ip, 9)) as connection:
            connection.sendall(b"x")
            assert connection.recv(100) == b""
        return asked(client, (server.ip, 7), b"hello")

    assert finish(lan, client.spawn(ask)) == [b"hello"]
    (said,) = [record.getMessage() for record in caplog.records if record.exc_info]
    assert ".fails at " in said
    assert said.endswith(" failed")


def test_one_that_is_always_busy_leaves_time_for_the_others(lan, served):
    server, client, *_ = served

    def drink():
        with client.create_connection((server.ip, CHARGEN)) as connection:
            while len(connection.recv(1 << 18)):
                pass

    with SmallServices(server.stack):
        client.spawn(drink)
        lan.run_until(lambda: server.stack.memory.held > 0)
        assert finish(lan, client.spawn(lambda: asked(client, (server.ip, ECHO), b"hello"))) == [b"hello"]


def test_after_a_stop_those_being_served_are_served_on(lan, served):
    server, client, sessions, serve = served
    running = serve(p7=echo)

    def stay():
        with client.create_connection((server.ip, 7)) as connection:
            lan.sleep(2.0)
            connection.sendall(b"hello")
            return connection.recv(100)

    staying = client.spawn(stay)
    lan.run_for(1.0)
    sessions.stop()
    with pytest.raises(ConnectionRefusedError):
        finish(lan, client.spawn(lambda: asked(client, (server.ip, 7), b"hello")))
    assert finish(lan, staying, running) == [b"hello", None]
    server.create_server(("", 7)).close()


def test_a_close_from_outside_leaves_the_session_in_hand_to_who_runs_it(lan, served):
    server, client, sessions, serve = served
    said = []

    def slow(connection, _peer):
        yield READ
        try:
            said.append(connection.recv(100))
            lan.sleep(1.0)  # a step that takes its time: the generator is executing all the while
            said.append("stepped")
            yield from receive(connection, 100)
            said.append("went on")
        finally:
            said.append("ended")

    running = serve(p7=slow, p9=echo)

    def ask(port, words):
        with client.create_connection((server.ip, port)) as connection:
            connection.sendall(words)
            return connection.recv(100)

    idle = client.spawn(lambda: ask(9, b""))
    busy = client.spawn(lambda: ask(7, b"x"))
    lan.run_for(0.5)
    assert said == [b"x"]
    sessions.close()
    sessions.close()
    assert finish(lan, running, idle, busy) == [None, b"", b""]
    assert said == [b"x", "stepped", "ended"]
    server.create_server(("", 7)).close()


def test_a_close_from_outside_wakes_who_waits_for_the_kernels_sockets():
    sessions = Sessions(kernel)
    with kernel.create_server(("127.0.0.1", 0)) as listener:
        with kernel.create_connection(listener.getsockname()) as client:
            client.settimeout(10)
            connection, peer = listener.accept()
            sessions.begin(connection, echo(connection, peer))
            thread = threading.Thread(target=sessions.run)
            thread.start()
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
            sessions.close()
            assert client.recv(100) == b""
        thread.join(10)
        assert not thread.is_alive()


def test_services_that_are_interrupted_as_they_start_end_what_they_serve_already(lan, served):
    server, client, *_ = served
    tasks = []

    def drink():
        with client.create_connection((server.ip, CHARGEN)) as connection:
            while connection.recv(1 << 18):
                pass

    def spawn(fn):
        tasks.append(server.spawn(fn))
        if len(tasks) == 4:
            tasks.append(client.spawn(drink))
            lan.run_until(lambda: server.stack.memory.held > 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SmallServices(server, spawn=spawn)
    finish(lan, *tasks)
    server.create_server(("", CHARGEN)).close()


def test_a_session_that_writes_first_need_not_be_asked(lan, served):
    server, client, _, serve = served

    def greet(connection, peer):
        yield from send_all(connection, b"welcome %a" % peer[0])

    serve(p7=greet)
    assert finish(lan, client.spawn(lambda: asked(client, (server.ip, 7), b"", 10)))[0].startswith(
        b"welcome '10.0.0.2'"
    )


def test_attend_serves_one_client_or_all(lan, served):
    server, client, *_ = served

    def once():
        with server.create_server(("", 7)) as listener:
            attend(server, listener, echo, once=True)

    attending = server.spawn(once)
    assert finish(lan, client.spawn(lambda: asked(client, (server.ip, 7), b"hello")), attending) == [b"hello", None]


def test_the_same_program_runs_on_the_kernels_sockets():
    ended = threading.Semaphore(0)
    sessions = Sessions(kernel, ended=ended.release)
    with kernel.create_server(("127.0.0.1", 0)) as listener:
        sessions.listen(listener, echo)
        thread = threading.Thread(target=sessions.run)
        thread.start()
        with kernel.create_connection(listener.getsockname()) as quiet:
            quiet.setblocking(False)
            assert pushed(quiet) > BLOCK
            assert asked(kernel, listener.getsockname(), b"hello") == b"hello"
            assert ended.acquire(timeout=10)
            sessions.stop()
        assert ended.acquire(timeout=10)
        thread.join(10)
        assert not thread.is_alive()
        assert listener.fileno() == -1


def test_what_it_waits_for_is_what_a_selector_waits_for():
    import selectors

    assert READ is selectors.EVENT_READ
