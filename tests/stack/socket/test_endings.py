"""How a connection may be ended, half by half, and urged: the same calls on the kernel's sockets and on ours."""

import contextlib
import socket as kernel
import struct
import time

import pytest

from tests.stack.socket.conftest import PATIENCE

RD, WR, BOTH = kernel.SHUT_RD, kernel.SHUT_WR, kernel.SHUT_RDWR
LINGER = kernel.SOL_SOCKET, kernel.SO_LINGER


def tried(act, *arguments):
    """What a call answers, or raises."""
    try:
        return act(*arguments)
    except OSError as error:
        return type(error).__name__, error.errno


def hears(s):
    """What comes next; waited for."""
    s.settimeout(PATIENCE)
    return tried(s.recv, 100)


def settle():
    time.sleep(0.02)  # what is on its way between two real sockets arrives


SCENES = {
    "shut reading, then read": lambda a, b: (a.shutdown(RD), hears(a)),
    "shut reading, then read what came": lambda a, b: (a.shutdown(RD), b.send(b"x"), settle(), hears(a), hears(a)),
    "shut writing, then write": lambda a, b: (a.shutdown(WR), tried(a.send, b"x"), hears(b)),
    "shut writing, then read": lambda a, b: (a.shutdown(WR), b.send(b"late"), hears(a), hears(b)),
    "shut both, then both": lambda a, b: (a.shutdown(BOTH), tried(a.send, b"x"), hears(a), hears(b)),
    "shut twice": lambda a, b: (a.shutdown(WR), tried(a.shutdown, WR), tried(a.shutdown, RD)),
    "shut both, and the peer sends": lambda a, b: (a.shutdown(BOTH), b.send(b"x"), settle(), tried(b.send, b"y")),
    "shut both, and what the peer reads": lambda a, b: (a.shutdown(BOTH), hears(b), b.send(b"x"), settle(), hears(b)),
    "shut when it is over": lambda a, b: (a.shutdown(WR), b.close(), hears(a), settle(), tried(a.shutdown, BOTH)),
    "write when the peer is gone": lambda a, b: (b.close(), settle(), a.send(b"x"), settle(), tried(a.send, b"y")),
    "read when the peer is gone": lambda a, b: (b.close(), settle(), a.send(b"x"), settle(), hears(a), hears(a)),
    "close with unread bytes": lambda a, b: (a.send(b"x"), settle(), b.close(), hears(a), hears(a)),
    "linger no time": lambda a, b: (a.setsockopt(*LINGER, struct.pack("ii", 1, 0)), a.close(), hears(b), hears(b)),
    "linger off": lambda a, b: (a.setsockopt(*LINGER, struct.pack("ii", 0, 9)), a.send(b"x"), a.close(), hears(b)),
    "linger a while": lambda a, b: (a.setsockopt(*LINGER, struct.pack("ii", 1, 9)), a.send(b"x"), a.close(), hears(b)),
    "connect what is connected": lambda a, b: tried(a.connect, ("127.0.0.1", 1)),
    "listen with what is connected": lambda a, b: tried(a.listen),
    "nothing left of an error": lambda a, b: (
        b.setsockopt(*LINGER, struct.pack("ii", 1, 0)),
        b.close(),
        settle(),
        a.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR),
        hears(a),
        tried(a.shutdown, WR),
    ),
}
OOB, PEEK = kernel.MSG_OOB, kernel.MSG_PEEK
URGENT = {
    "read apart": lambda a, b: (a.send(b"abX", OOB), settle(), b.recv(9, OOB), hears(b)),
    "read apart, late": lambda a, b: (a.send(b"abX", OOB), a.send(b"de"), settle(), hears(b), b.recv(9, OOB), hears(b)),
    "read too late": lambda a, b: (a.send(b"X", OOB), a.send(b"d"), settle(), b.recv(9), tried(b.recv, 1, OOB)),
    "looked at": lambda a, b: (a.send(b"X", OOB), settle(), b.recv(1, OOB | PEEK), b.recv(1, OOB)),
    "read twice": lambda a, b: (a.send(b"X", OOB), settle(), b.recv(1, OOB), tried(b.recv, 1, OOB)),
    "there is none": lambda a, b: tried(b.recv, 1, OOB),
    "two, the first is lost": lambda a, b: (a.send(b"X", OOB), a.send(b"Y", OOB), settle(), b.recv(1, OOB)),
    "in line": lambda a, b: (b.setsockopt(*INLINE), a.send(b"abX", OOB), a.send(b"de"), settle(), hears(b), hears(b)),
    "in line is not apart": lambda a, b: (b.setsockopt(*INLINE), a.send(b"X", OOB), settle(), tried(b.recv, 1, OOB)),
}
INLINE = kernel.SOL_SOCKET, kernel.SO_OOBINLINE, 1


@contextlib.contextmanager
def kernels():
    with kernel.create_server(("127.0.0.1", 0)) as listener:
        client = kernel.create_connection(listener.getsockname(), PATIENCE)
        server, _ = listener.accept()
        with client, server:
            yield client, server


@pytest.mark.parametrize("scene", URGENT)
def test_urgent_bytes_are_as_in_the_kernel(connection, scene):
    play = URGENT[scene]
    with kernels() as theirs:
        for end in (*theirs, *connection):
            end.settimeout(None)
            end.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1)
        expected = play(*theirs)
    assert play(*connection) == expected


def test_a_mark_can_be_asked_for(connection):
    client, server = connection
    client.send(b"abX", OOB)
    client.send(b"d")
    settle()
    assert not server.at_mark()
    assert hears(server) == b"ab"
    assert server.at_mark()
    assert hears(server) == b"d"
    assert not server.at_mark()


@pytest.mark.parametrize("scene", SCENES)
def test_it_ends_as_in_the_kernel(connection, scene):
    play = SCENES[scene]
    with kernels() as theirs:
        expected = play(*theirs)
    assert play(*connection) == expected


def test_lingering_is_not_for_ever_and_loses_nothing(connection, hosts):  # as in Linux
    client, server = connection
    server.setsockopt(kernel.SOL_SOCKET, kernel.SO_RCVBUF, 4096)
    client.setsockopt(*LINGER, struct.pack("ii", 1, 1))
    client.settimeout(PATIENCE)
    client.sendall(bytes(300_000))
    begun = time.monotonic()
    hosts.run(client.close).result(PATIENCE)
    assert 0.9 < time.monotonic() - begun < 5
    size = 0
    while data := server.recv(65536):
        size += len(data)
    assert size == 300_000


def test_who_does_not_block_does_not_linger(connection):
    client, server = connection
    client.setsockopt(*LINGER, struct.pack("ii", 1, PATIENCE))
    client.setblocking(False)
    client.send(bytes(60_000))
    begun = time.monotonic()
    client.close()
    assert time.monotonic() - begun < PATIENCE / 2
    assert server.recv(1 << 20)


def test_an_attempt_to_connect_can_be_ended_by_shutdown(hosts):
    with hosts.left.socket() as client:
        client.bind(("", 5555))
        client.setblocking(False)
        assert client.connect_ex(("10.0.0.77", 80))
        client.shutdown(BOTH)
        with pytest.raises(ConnectionResetError):
            client.send(b"x")


def test_a_bound_socket_keeps_its_port_when_connecting_fails(hosts):
    with hosts.left.socket() as client:
        client.bind(("", 5555))
        assert client.connect_ex(("10.0.0.2", 1))
        assert client.getsockname()[1] == 5555
        with hosts.right.create_server(("", 7000)) as listener:
            client.connect(("10.0.0.2", 7000))
            accepted, address = listener.accept()
            accepted.close()
        assert address[1] == 5555


def test_who_waits_to_accept_is_told_that_the_listener_was_shut(hosts):
    with hosts.right.create_server(("", 7000)) as listener:
        waiting = hosts.run(lambda: tried(listener.accept))
        settle()
        listener.shutdown(RD)
        assert waiting.result(PATIENCE) == ("OSError", 22)
        with hosts.left.socket() as client:
            assert client.connect_ex(("10.0.0.2", 7000)) == 111
