"""Fast Open by the calls that Linux has for it: MSG_FASTOPEN, TCP_FASTOPEN and TCP_FASTOPEN_CONNECT."""

import errno
import socket as kernel

import pytest

from netif.netif import Netif
from netif.runtime import ThreadedRuntime
from stack.socket.constants import MSG_FASTOPEN
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from tapio import pair
from tests.stack.socket.conftest import PATIENCE

SERVER = ("10.0.0.2", 7000)
CONNECT = 30  # TCP_FASTOPEN_CONNECT


@pytest.fixture
def fast():
    """Two hosts that may; the one on the right listens."""
    runtime = ThreadedRuntime(strict=True)
    one, other = pair()
    may = TcpConfig(fast_open=True)
    with (
        Stack("left", runtime=runtime, tcp=may) as left,
        Stack("right", runtime=runtime, tcp=may) as right,
        Netif(one, stack=left, ip="10.0.0.1/24"),
        Netif(other, stack=right, ip="10.0.0.2/24"),
        right.socket() as listener,
    ):
        listener.bind(("", 7000))
        listener.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_FASTOPEN, 5)
        listener.settimeout(PATIENCE)
        listener.listen()
        yield left, right, listener
    runtime.check()
    runtime.close()


def asks(left, listener, data):
    with left.socket() as client:
        client.settimeout(PATIENCE)
        assert client.sendto(data, MSG_FASTOPEN, SERVER) == len(data)
        server, _ = listener.accept()
        with server:
            server.settimeout(PATIENCE)
            assert server.recv(100) == data
            server.sendall(data.upper())
            assert client.recv(100) == data.upper()
        return client


def test_the_first_gets_a_cookie_and_the_others_use_it(fast):
    left, right, listener = fast
    for turn in range(3):
        asks(left, listener, b"hello %d" % turn)
    assert right.stats["fast_open_accepted"] == 2


def test_connecting_waits_for_the_first_data(fast):
    left, right, listener = fast
    asks(left, listener, b"first")
    with left.socket() as client:
        client.settimeout(PATIENCE)
        client.setsockopt(kernel.IPPROTO_TCP, CONNECT, 1)
        client.connect(SERVER)
        assert not left.tcp.half_open
        client.sendall(b"second")
        server, _ = listener.accept()
        with server:
            assert server.recv(100) == b"second"
    assert right.stats["fast_open_accepted"] == 1


def test_without_a_cookie_connecting_connects(fast):
    left, _, listener = fast
    with left.socket() as client:
        client.settimeout(PATIENCE)
        client.setsockopt(kernel.IPPROTO_TCP, CONNECT, 1)
        client.connect(SERVER)
        server, _ = listener.accept()
        server.close()


def test_who_does_not_block_is_told_that_it_has_begun(fast):
    left, _, _ = fast
    with left.socket() as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError) as caught:
            client.sendto(b"x", MSG_FASTOPEN, SERVER)
        assert caught.value.errno == errno.EINPROGRESS


def test_it_is_off_by_default(hosts):
    with hosts.left.socket() as client, pytest.raises(OSError) as caught:
        client.sendto(b"x", MSG_FASTOPEN, SERVER)
    assert caught.value.errno == errno.EOPNOTSUPP
