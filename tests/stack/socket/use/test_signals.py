"""Handlers that raise, as of whoever bounds a call by an alarm: before a call on a socket or behind it, not within."""

import signal
import socket
import threading

import pytest

import netif
from netif import Stack, ThreadedRuntime


class AlarmError(Exception):
    pass


def ring(signum, frame):
    raise AlarmError


@pytest.fixture
def host():
    before = signal.getsignal(signal.SIGALRM)
    runtime = ThreadedRuntime(strict=True)
    with Stack("host", runtime=runtime) as made, netif.use(made):
        yield made
    runtime.check()
    runtime.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), 20)
        return client, listener.accept()[0]


def test_an_alarm_in_the_middle_of_anything_leaves_the_host_whole(host):
    signal.signal(signal.SIGALRM, ring)
    client, server = pair()
    with client, server:

        def echo():
            while data := server.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

        echoing = threading.Thread(target=echo)
        echoing.start()
        rung = 0
        while rung < 200:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003 + 0.00001 * (rung % 50))
                while True:
                    client.send(b"x" * 100)
                    client.recv(65536)
            except AlarmError:
                rung += 1
        client.settimeout(20)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
        echoing.join()
    assert not host.stats["internal_error"]


def test_an_alarm_ends_a_call_that_sleeps(host):
    signal.signal(signal.SIGALRM, ring)
    client, server = pair()
    with client, server:
        client.settimeout(None)
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(AlarmError):
                client.recv(1)
        server.send(b"x")
        assert client.recv(1) == b"x"


def test_a_handler_that_does_not_raise_lets_a_call_go_on(host):
    client, server = pair()
    with client, server:
        signal.signal(signal.SIGALRM, lambda signum, frame: server.send(b"x"))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert client.recv(1) == b"x"  # PEP 475


def test_a_program_sees_its_own_handlers(host):
    first = signal.signal(signal.SIGALRM, ring)
    assert signal.getsignal(signal.SIGALRM) is ring
    assert signal.signal(signal.SIGALRM, signal.SIG_IGN) is ring
    assert signal.signal(signal.SIGALRM, ring) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with netif.use(None):
        assert signal.signal(signal.SIGALRM, first) is ring
    assert signal.getsignal(signal.SIGALRM) == first
    with pytest.raises(TypeError):
        signal.signal(signal.SIGALRM, "ring")


def test_what_a_program_had_before_is_put_off_too_and_stays_its_own():
    before = signal.signal(signal.SIGALRM, ring)
    try:
        runtime = ThreadedRuntime(strict=True)
        with Stack("host", runtime=runtime) as host, netif.use(host):
            assert signal.getsignal(signal.SIGALRM) is ring
            client, server = pair()
            with client, server:
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                with pytest.raises(AlarmError):
                    client.recv(1)
        runtime.close()
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.signal(signal.SIGALRM, before)
