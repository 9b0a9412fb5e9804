"""The class that stands for `socket.socket`: what a call makes, and what a subclass is."""

import abc
import os
import socket
import ssl

import pytest

import netif
from netif import Stack

KERNELS = socket.socket


@pytest.fixture
def host():
    with Stack("host") as made:
        yield made


@pytest.fixture
def within(host):
    with netif.use(host):
        yield host


class Before(socket.socket):
    """Derived from the stdlib's, before any scope."""


def is_kernels(made: object) -> bool:
    return isinstance(made, KERNELS)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (socket.AF_INET,),
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP),
        (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        (socket.AF_INET, socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)),
    ],
)
def test_the_hosts_sockets_are_ipv4s(within, arguments):
    with socket.socket(*arguments) as made:
        assert not is_kernels(made)
        assert isinstance(made, socket.socket)
        assert isinstance(made, socket.SocketType)


def test_local_sockets_are_the_kernels(within):
    with socket.socket(socket.AF_UNIX) as made:
        assert is_kernels(made)
    with socket.socket(family=socket.AF_UNIX, type=socket.SOCK_DGRAM) as made:
        assert is_kernels(made)
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
        assert isinstance(one, socket.socket)


def test_ipv6_is_refused_as_where_there_is_none(within):
    with pytest.raises(OSError, match="Address family not supported"):
        socket.socket(socket.AF_INET6)
    assert not socket.has_dualstack_ipv6()
    with socket.create_server(("", 0)) as made:  # which looks for it
        assert not is_kernels(made)


def test_a_descriptor_of_the_kernels_makes_a_socket_of_the_kernels(within):
    with netif.use(None), socket.socket() as theirs:
        pass
    theirs = KERNELS()
    with theirs, socket.socket(fileno=os.dup(theirs.fileno())) as made:
        assert is_kernels(made)
    listening = KERNELS()
    with listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with KERNELS() as asking:
            asking.connect(listening.getsockname())
            with listening.accept()[0] as accepted:  # the stdlib's accept finds the class by its name
                assert type(accepted) is KERNELS
        with listening.dup() as again:
            assert type(again) is KERNELS


def test_classes_that_were_there_before_are_of_the_kind(within):
    assert issubclass(ssl.SSLSocket, socket.socket)
    assert issubclass(Before, socket.socket)
    assert not issubclass(int, socket.socket)
    assert not isinstance(3, socket.socket)
    with Before() as made:
        assert isinstance(made, socket.socket)
        assert is_kernels(made)


def make_class():
    class Shouting(socket.socket):
        __slots__ = ("word",)

        def __init__(self, *arguments, word="!", **options):
            super().__init__(*arguments, **options)
            self.word = word

        def getblocking(self):
            return super().getblocking(), self.word

        @classmethod
        def make(cls):
            return cls(word="made")

    return Shouting


def test_a_subclass_is_over_the_hosts_or_the_kernels_as_is_asked_for(host):
    with netif.use(host):
        shouting = make_class()
        with shouting(word="?") as made:
            assert made.getblocking() == (True, "?")
            assert isinstance(made, shouting)
            assert isinstance(made, socket.socket)
            assert not is_kernels(made)
            assert type(made).__name__ == "Shouting"
        with shouting(socket.AF_UNIX, socket.SOCK_DGRAM, word="local") as local:
            assert is_kernels(local)
            assert isinstance(local, shouting)
            assert local.getblocking() == (True, "local")
            with local.dup() as again:
                assert isinstance(again, shouting)
                assert is_kernels(again)
        with pytest.raises(OSError, match="Address family not supported"):
            shouting(socket.AF_INET6)
        assert issubclass(shouting, socket.socket)
    with shouting.make() as outside:  # it outlives the scope that it was defined in
        assert is_kernels(outside)
        assert outside.getblocking() == (True, "made")
        assert isinstance(outside, shouting)
    with netif.use(host), shouting() as once_more:
        assert not is_kernels(once_more)


def test_a_subclass_has_subclasses_may_be_abstract_and_calls_the_class_by_name(within):
    class Named(socket.socket):
        def __init__(self):
            socket.socket.__init__(self, socket.AF_INET, socket.SOCK_DGRAM)

        def settimeout(self, value):
            socket.socket.settimeout(self, value * 2)

    class Last(Named, abc.ABC):
        def settimeout(self, value):
            super().settimeout(value + 1)

    with Last() as made:
        made.settimeout(1)
        assert made.gettimeout() == 4
        assert made.type is socket.SOCK_DGRAM
        assert isinstance(made, Named)
        assert not isinstance(made, Before)
    with Named() as made:
        assert not isinstance(made, Last)


def test_a_subclasss_accept_answers_plain_sockets_as_the_stdlibs(within):
    class Listening(socket.socket):
        pass

    with Listening() as listener, socket.socket() as asking:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        asking.connect(listener.getsockname())
        with listener.accept()[0] as accepted:
            assert not isinstance(accepted, Listening)
            assert isinstance(accepted, socket.socket)


def test_the_class_has_what_the_stdlibs_has(within):
    assert hasattr(socket.socket, "recvmsg")
    assert "sendall" in dir(socket.socket)
    with pytest.raises(AttributeError):
        socket.socket.no_such_method  # noqa: B018
    with socket.socket() as made:
        socket.socket.settimeout(made, 3)
        assert socket.socket.gettimeout(made) == 3
    assert socket.socket.__name__ == "socket"


def test_a_descriptor_of_the_hosts_makes_a_socket_of_the_host(host):
    with netif.use(host), socket.socket(type=socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        with socket.fromfd(made.fileno(), socket.AF_INET, socket.SOCK_DGRAM) as again:
            assert not is_kernels(again)
            assert again.getsockname() == made.getsockname()
        number = socket.dup(made.fileno())
        with netif.use(None), socket.socket(fileno=number) as outside:
            assert not is_kernels(outside)
            assert outside.getsockname() == made.getsockname()
        with host.socket_module.fromfd(made.fileno(), socket.AF_INET, socket.SOCK_DGRAM) as again:
            assert again.getsockname() == made.getsockname()
        socket.close(socket.dup(made.fileno()))
        made.sendto(b"x", made.getsockname())
        assert made.recv(10) == b"x"


def test_a_subclass_is_made_of_a_descriptor_and_duplicated(host):
    with netif.use(host):
        shouting = make_class()
        with shouting() as made, made.dup() as again, shouting(fileno=socket.dup(made.fileno())) as third:
            assert isinstance(again, shouting)
            assert again.type is third.type is socket.SOCK_STREAM
            assert not is_kernels(third)
    with socket.socket() as theirs, pytest.raises(OSError):
        shouting(fileno=theirs.fileno() + 1000)


def test_what_is_no_descriptor_is_refused_as_the_stdlib_does(within):
    for wrong, error in ((-1, ValueError), (99999, OSError), ("3", TypeError)):
        with pytest.raises(error):
            socket.socket(fileno=wrong)
