"""Every option that a socket here has, set to anything, beside the kernel's: what is raised, and what it is then."""

import errno
import socket as kernel

import pytest

SOL, IP, TCP, UDP = kernel.SOL_SOCKET, kernel.IPPROTO_IP, kernel.IPPROTO_TCP, kernel.IPPROTO_UDP
VALUES = [0, 1, -1, 5, b"", b"\0", b"\1\0\0\0", bytes(8), bytes(100)]
RANGES = {SOL: range(84), IP: range(54), TCP: range(46), UDP: (1, 2, 10, 100, 103)}
KINDS = {"stream": kernel.SOCK_STREAM, "datagram": kernel.SOCK_DGRAM}
MISSING = 999  # that no kernel has

# The values differ, by what the stack or the kernel's settings have come to; what may be set does not.
OWN_VALUES = {
    (SOL, kernel.SO_RCVBUF): "buffers are as large as either has made them",
    (SOL, kernel.SO_SNDBUF): "the same",
    (SOL, kernel.SO_RCVLOWAT): "at most Linux' tcp_rmem",
    (TCP, kernel.TCP_SYNCNT): "a setting of the kernel's (tcp_syn_retries)",
    (TCP, kernel.TCP_CONGESTION): "the same",
    (TCP, kernel.TCP_INFO): "figures",
    (TCP, kernel.TCP_QUICKACK): "Linux begins with some; ours are counted from the first data",
}
# What is different, and why.
DIFFERENT = {
    ("datagram", IP, 4): "IP_OPTIONS: a number is no list of options, in whatever order its bytes are",
    ("datagram", IP, 10): "IP_MTU_DISCOVER: 4 and 5 (IP_PMTUDISC_INTERFACE, OMIT) are not here",
    ("datagram", IP, 36): "IP_DROP_MEMBERSHIP of no group: Linux looks for the interface later",
}


def said(act):
    try:
        return act()
    except OSError as error:
        return errno.errorcode[error.errno]


def after(stack_socket, kind, level, option, value):
    with stack_socket(kernel.AF_INET, kind) as made:
        return said(lambda: made.setsockopt(level, option, value)), said(lambda: made.getsockopt(level, option))


def known(stack, kind):
    with stack.socket(kernel.AF_INET, kind) as made:
        for level, numbers in RANGES.items():
            for option in numbers:
                if said(lambda: made.getsockopt(level, option)) not in ("ENOPROTOOPT", "EOPNOTSUPP"):  # noqa: B023
                    yield level, option


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_set_and_what_it_is_then_is_as_in_linux(hosts, kind):
    options = [(level, number) for level, number in known(hosts.left, KINDS[kind])]
    assert len(options) >= 38
    for level, option in options:
        if (kind, level, option) in DIFFERENT:
            continue
        for value in VALUES:
            theirs = after(kernel.socket, KINDS[kind], level, option, value)
            mine = after(hosts.left.socket, KINDS[kind], level, option, value)
            if (level, option) in OWN_VALUES:
                theirs, mine = theirs[:1], mine[:1]
            assert mine == theirs, (level, option, value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_an_option_is_refused_as_in_linux(hosts, kind):
    for level in (SOL, IP, TCP, UDP, 255, 77):
        for value in (1, b"\1\0\0\0"):
            assert after(hosts.left.socket, KINDS[kind], level, MISSING, value) == after(
                kernel.socket, KINDS[kind], level, MISSING, value
            )


@pytest.mark.parametrize(
    "arguments",
    [
        (SOL, kernel.SO_REUSEADDR, "1"),
        (SOL, kernel.SO_REUSEADDR, 1.5),
        (SOL, kernel.SO_REUSEADDR, None),
        (SOL, kernel.SO_REUSEADDR, None, 4),
        (SOL, kernel.SO_REUSEADDR, 1, 4),
        (SOL, kernel.SO_REUSEADDR, 1 << 40),
        (SOL, "2", 1),
        ("1", kernel.SO_REUSEADDR, 1),
        (SOL, kernel.SO_REUSEADDR),
    ],
)
def test_wrong_arguments_of_setsockopt(hosts, arguments):
    def raised(make):
        with make() as made, pytest.raises((TypeError, OSError)) as caught:
            made.setsockopt(*arguments)
        return caught.type, getattr(caught.value, "errno", None)

    assert raised(hosts.left.socket) == raised(kernel.socket)


@pytest.mark.parametrize("length", [-1, 1, 2, 4, 8, 1024, 1025, "4"])
def test_the_length_that_getsockopt_is_given(hosts, length):
    def answer(make):
        with make() as made:
            try:
                return made.getsockopt(SOL, kernel.SO_TYPE, length)
            except (OSError, TypeError) as error:
                return type(error), getattr(error, "errno", None)

    assert answer(hosts.left.socket) == answer(kernel.socket)
