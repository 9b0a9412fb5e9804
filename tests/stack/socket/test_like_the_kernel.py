"""What the stdlib raises, we raise: each misuse on a kernel socket and on ours, by type and errno."""

import contextlib
import socket as kernel

import pytest

import stack.socket as ours


def outcome(make, act):
    """What `act` raises on a fresh socket, or what it answers."""
    with contextlib.closing(make()) as made:
        try:
            return act(made)
        except Exception as error:
            return type(error), getattr(error, "errno", None)


MISUSES = {
    "an option that is none": lambda s: s.setsockopt(kernel.SOL_SOCKET, 4711, 1),
    "keep-alive of no time": lambda s: s.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_KEEPIDLE, 0),
    "linger of the wrong size": lambda s: s.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, 1),
    "shut a listener, then send": lambda s: (s.listen(), s.shutdown(2), s.send(b"x")),
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
