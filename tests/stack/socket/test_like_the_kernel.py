"""What the stdlib raises, we raise: each misuse on a kernel socket and on ours, by type and errno."""

import contextlib
import socket as kernel

import pytest

import stack.socket as ours

LISTENS = kernel.SO_ACCEPTCONN


def outcome(make, act):
    """What `act` raises on a fresh socket, or what it answers."""
    with contextlib.closing(make()) as made:
        try:
            return act(made)
        except Exception as error:
            return type(error), getattr(error, "errno", None)


MISUSES = {
    "recv before connect": lambda s: s.recv(1),
    "recv of a negative size": lambda s: s.recv(-1),
    "send before connect": lambda s: s.send(b"x"),
    "getpeername before connect": lambda s: s.getpeername(),
    "getsockname before bind": lambda s: s.getsockname(),
    "shutdown before connect": lambda s: s.shutdown(kernel.SHUT_WR),
    "shutdown of nonsense": lambda s: s.shutdown(9),
    "accept without listen": lambda s: s.accept(),
    "bind to a string": lambda s: s.bind("127.0.0.1"),
    "bind to a foreign address": lambda s: s.bind(("203.0.113.1", 0)),
    "bind to a port above": lambda s: s.bind(("127.0.0.1", 65536)),
    "bind to a port that is no number": lambda s: s.bind(("127.0.0.1", "7")),
    "bind twice": lambda s: (s.bind(("127.0.0.1", 0)), s.bind(("127.0.0.1", 0))),
    "connect to three": lambda s: s.connect(("127.0.0.1", 1, 2)),
    "connect to nobody": lambda s: s.connect(("127.0.0.1", 1)),
    "connect to a port above": lambda s: s.connect(("127.0.0.1", 70000)),
    "settimeout below zero": lambda s: s.settimeout(-1),
    "an option that is none": lambda s: s.setsockopt(kernel.SOL_SOCKET, 4711, 1),
    "keep-alive of no time": lambda s: s.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_KEEPIDLE, 0),
    "a mode that is none": lambda s: s.makefile("x"),
    "use after close": lambda s: (s.close(), s.recv(1)),
    "getsockname after close": lambda s: (s.close(), s.getsockname()),
    "listen, then connect": lambda s: (s.listen(), s.connect(("127.0.0.1", 1))),
    "shut a listener's writing": lambda s: (s.listen(), s.shutdown(1), s.getsockopt(kernel.SOL_SOCKET, LISTENS)),
    "shut a listener's reading": lambda s: (s.listen(), s.shutdown(0), s.getsockopt(kernel.SOL_SOCKET, LISTENS)),
    "shut a listener, then accept": lambda s: (s.listen(), s.shutdown(2), s.accept()),
    "shut a listener, then listen": lambda s: (s.listen(), s.shutdown(2), s.listen()),
    "shut a listener, then send": lambda s: (s.listen(), s.shutdown(2), s.send(b"x")),
    "listen twice": lambda s: (s.listen(1), s.listen(5)),
    "listen with a backlog below zero": lambda s: s.listen(-1),
    "send to a listener": lambda s: (s.listen(), s.send(b"x")),
    "recv from a listener": lambda s: (s.listen(), s.recv(1)),
    "linger of the wrong size": lambda s: s.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, 1),
    "fail to connect, then again": lambda s: (s.connect_ex(("127.0.0.1", 1)), s.connect_ex(("127.0.0.1", 1))),
    "fail to connect, then listen": lambda s: (s.connect_ex(("127.0.0.1", 1)), s.listen()),
    "fail to connect, then ask who": lambda s: (s.connect_ex(("127.0.0.1", 1)), s.getpeername()),
    "close twice": lambda s: (s.close(), s.close()),
    "default time-out": lambda s: (s.gettimeout(), s.getblocking()),
    "kind": lambda s: (s.family, s.type),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misused_stream_raises_what_the_kernels_does(hosts, misuse):
    act = MISUSES[misuse]
    assert outcome(hosts.left.socket, act) == outcome(kernel.socket, act)


@pytest.mark.parametrize(
    "arguments",
    [
        ("10.0.0.1", 80, 0, kernel.SOCK_STREAM),
        ("127.0.0.1", "http", 0, kernel.SOCK_STREAM),
        (None, 80, kernel.AF_INET, kernel.SOCK_STREAM, 0, kernel.AI_PASSIVE),
        ("1.2.3.4", 0, kernel.AF_INET, kernel.SOCK_DGRAM),
        ("1.2.3.4", "no-such-service", kernel.AF_INET),
    ],
)
def test_getaddrinfo_of_numbers_answers_as_the_stdlib(hosts, arguments):
    def ask(module_function):
        try:
            return sorted(module_function(*arguments))
        except OSError as error:
            return type(error), error.errno

    assert ask(hosts.left.getaddrinfo) == ask(kernel.getaddrinfo)


def test_a_descriptor_is_refused():
    with pytest.raises(OSError, match="descriptor"):
        ours.socket(fileno=3)


def test_ipv6_is_refused(hosts):
    with pytest.raises(OSError) as caught:
        hosts.left.socket(ours.AF_INET6)
    assert caught.value.errno == __import__("errno").EAFNOSUPPORT
    assert not ours.has_ipv6
