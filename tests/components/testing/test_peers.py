"""Peers that misbehave: plain client code sees exactly that."""

from __future__ import annotations

import errno

import pytest

from components.testing import Lab, peers


@pytest.fixture
def lan():
    with Lab(seed=3) as made:
        made.host("server")
        made.host("client")
        yield made


def met(lan, behaviour, client):
    """What `client(socket)` returns when the server behaves so."""
    peers.serve(lan.hosts["server"], behaviour)

    def meeting():
        with lan.hosts["client"].create_connection(("server", 7)) as connection:
            return client(connection)

    task = lan.hosts["client"].spawn(meeting)
    lan.run_until(task.done)
    return task.result()


def to_the_end(connection):
    data = []
    while got := connection.recv(65536):
        data.append(got)
    return data


def test_tiny_segments_come_byte_by_byte(lan):
    assert met(lan, peers.TinySegments(b"hello"), to_the_end) == [b"h", b"e", b"l", b"l", b"o"]
    assert lan.trace.count("server > P. (1)") == 5


def test_tiny_segments_answer_a_question(lan):
    def ask(connection):
        connection.sendall(b"what?")
        return connection.recv(100), connection.recv(100)

    assert met(lan, peers.TinySegments(b"answer", size=3, after=5), ask) == (b"ans", b"wer")


def test_a_reset_comes_in_the_middle_of_the_stream(lan):
    def ask(connection):
        connection.sendall(b"GET /")
        answer = connection.recv(100)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
        return answer

    assert met(lan, peers.Reset(after=5, data=b"HTTP/1.1 200"), ask) == b"HTTP/1.1 200"
    lan.trace.expect("client > P. (5)", "server > P. (12)", "server > R")
    lan.trace.never("F")


def test_a_reset_at_once_meets_who_has_only_connected(lan):
    def wait(connection):
        with pytest.raises(ConnectionResetError):
            connection.recv(100)

    met(lan, peers.Reset(), wait)


def test_a_zero_window_stops_who_sends(lan):
    def send(connection):
        connection.settimeout(30)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(10 << 20))

    met(lan, peers.ZeroWindow(), send)
    lan.trace.expect("server > . win 0")
    assert lan.trace.count("server > . win 0") > 3  # RFC 9293 3.8.6.1: it is probed


def test_a_zero_window_opens_again(lan):
    def send(connection):
        connection.sendall(bytes(50_000))
        connection.shutdown(1)
        return connection.recv(1), lan.now()

    answer, when = met(lan, peers.ZeroWindow(lasts=20), send)
    assert answer == b""
    assert 20 <= when < 60


def test_a_slow_reader_takes_its_time(lan):
    def send(connection):
        connection.setsockopt(1, 7, 4096)  # SOL_SOCKET, SO_SNDBUF
        connection.sendall(bytes(20_000))
        return lan.now()

    assert met(lan, peers.SlowReader(size=1000, every=1.0), send) > 5


def test_a_black_hole_swallows_and_nobody_is_told(lan):
    def talk(connection):
        connection.sendall(b"hello")
        lan.sleep(1)
        connection.settimeout(10)
        connection.sendall(b"again")
        with pytest.raises(TimeoutError):
            connection.recv(100)

    met(lan, peers.BlackHole(after=5), talk)
    assert lan.trace.count("client > retransmission") >= 3
    lan.trace.never("R")


def test_a_black_hole_may_end(lan):
    def talk(connection):
        connection.sendall(b"hello")
        lan.sleep(1)
        connection.sendall(b"again")
        connection.shutdown(1)
        return connection.recv(100), lan.now()

    answer, when = met(lan, peers.BlackHole(after=5, lasts=5), talk)
    assert answer == b""
    assert 5 <= when < 15


def test_half_open_is_found_when_something_is_said(lan):
    def talk(connection):
        connection.sendall(b"hello")
        lan.sleep(60)  # all is quiet, and the connection there as ever
        connection.sendall(b"again")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)

    met(lan, peers.HalfOpen(after=5), talk)
    lan.trace.expect("client > P. 1:6(5)", "client > P. 6:11(5)", "server > R")


def test_the_power_fails_without_a_word(lan):
    def talk(connection):
        connection.sendall(b"hello")
        lan.sleep(1)
        connection.sendall(b"again")
        connection.settimeout(5)
        with pytest.raises(TimeoutError):
            connection.recv(100)

    met(lan, peers.PowerOff(after=5), talk)
    lan.trace.never("server > F", "server > R")

    def once_more():
        with pytest.raises(OSError, match="No route to host") as caught:
            lan.hosts["client"].create_connection(("server", 7))
        return caught.value.errno

    task = lan.hosts["client"].spawn(once_more)
    lan.run_for(400)  # until the neighbour is forgotten, and nobody answers ARP
    again = lan.hosts["client"].spawn(once_more)
    lan.run_until(again.done)
    assert again.result() == errno.EHOSTUNREACH
    assert task.done()


def test_the_power_comes_back(lan):
    def talk(connection):
        connection.sendall(b"hello")
        lan.sleep(5)
        with lan.hosts["client"].create_connection(("server", 7)) as second:
            second.sendall(b"x")
        with pytest.raises(ConnectionResetError):  # its "hello" was sent again meanwhile, and nobody knew of it
            connection.sendall(b"again")

    met(lan, peers.PowerOff(after=5, lasts=2), talk)


def test_the_silent_never_answer(lan):
    def ask(connection):
        connection.sendall(b"hello")
        connection.settimeout(100)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    met(lan, peers.Silent(), ask)
    lan.trace.expect("server > . ack 6")


def test_a_client_misbehaves_to_a_server(lan):
    server, client = lan.hosts["server"], lan.hosts["client"]

    def serve():
        with server.create_server(("", 80)) as listener:
            connection, _ = listener.accept()
            with connection:
                first = connection.recv(100)
                connection.sendall(b"answer")
                with pytest.raises(ConnectionResetError):
                    connection.recv(100)
                return first

    def abrupt(host, connection):
        connection.sendall(b"hel")
        peers.Reset(after=6)(host, connection)

    served = server.spawn(serve)
    peers.dial(client, ("server", 80), abrupt)
    lan.run_until(served.done)
    assert served.result() == b"hel"


def test_each_client_meets_the_behaviour_anew(lan):
    peers.serve(lan.hosts["server"], peers.TinySegments(b"ab"))

    def ask():
        with lan.hosts["client"].create_connection(("server", 7)) as connection:
            return to_the_end(connection)

    tasks = [lan.hosts["client"].spawn(ask) for _ in range(3)]
    lan.run_until(lambda: all(task.done() for task in tasks))
    assert [task.result() for task in tasks] == [[b"a", b"b"]] * 3
