"""Several sockets and numbers for one endpoint: dup, detach, `socket(fileno=...)`, fromfd, close; and a fork."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket as kernel
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import stack.socket as ours
from tests.netif.runtime.children import in_a_child
from tests.stack.socket.conftest import PATIENCE


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def ends(connection):
    yield connection
    for end in connection:
        end.close()


def readable(*sockets: Any) -> list[Any]:
    return select.select(sockets, [], [], 0)[0]


def number_of(call: Callable[[], Any]) -> int | None:
    with pytest.raises(OSError) as caught:
        call()
    return caught.value.errno


def test_a_duplicate_keeps_it_open(ends):
    client, server = ends
    client.settimeout(3.0)
    with client.dup() as other:
        assert other.fileno() not in (-1, client.fileno())
        assert (other.gettimeout(), other.getpeername()) == (3.0, client.getpeername())
        client.close()
        other.sendall(b"x")
        assert server.recv(9) == b"x"
        server.sendall(b"y")
        assert select.select([other], [], [], PATIENCE)[0]
        assert other.recv(9) == b"y"
    assert server.recv(9) == b""


def test_all_duplicates_are_ready_alike(ends):
    client, server = ends
    with server.dup() as other:
        client.sendall(b"xy")
        assert select.select([server], [], [], PATIENCE)[0]
        assert readable(server, other) == [server, other]
        assert other.recv(1) == b"x"
        assert readable(server, other) == [server, other]
        assert server.recv(1) == b"y"
        assert readable(server, other) == []


def test_what_is_detached_lives_on_and_is_found_again(ends):
    client, server = ends
    number = client.fileno()
    assert client.detach() == number
    assert (client.fileno(), client.detach()) == (-1, -1)
    assert number_of(lambda: client.send(b"x")) == errno.EBADF
    with ours.socket(fileno=number) as again:
        assert again.fileno() == number
        assert (again.family, again.type, again.proto) == (ours.AF_INET, ours.SOCK_STREAM, ours.IPPROTO_TCP)
        again.sendall(b"x")
        assert server.recv(9) == b"x"
    assert server.recv(9) == b""
    assert number_of(lambda: os.fstat(number)) == errno.EBADF


def test_as_the_stdlibs_ssl_moves_a_socket(ends):
    client, server = ends
    with ours.socket(ours.AF_INET, ours.SOCK_STREAM, 0, client.fileno()) as wrapped:
        client.detach()
        wrapped.sendall(b"x")
        assert server.recv(9) == b"x"


def test_a_detached_number_is_closed_by_the_modules_close(ends):
    client, server = ends
    number = client.detach()
    ours.close(number)
    assert server.recv(9) == b""
    assert number_of(lambda: ours.close(number)) == errno.EBADF


def test_a_detached_number_that_os_close_has_ended_is_noticed_when_the_next_is_made(ends, hosts):
    client, server = ends
    os.close(client.detach())
    with hosts.left.socket() as another:
        another.fileno()
    assert server.recv(9) == b""


def test_and_when_something_happens_to_it(ends):
    client, server = ends
    os.close(client.detach())
    server.sendall(b"x")
    with suppress(ConnectionResetError):
        assert server.recv(9) == b""


def test_fromfd_and_dup_take_another_number(ends):
    client, server = ends
    number = ours.dup(client.fileno())
    with ours.fromfd(number, ours.AF_INET, ours.SOCK_STREAM) as again:
        assert again.fileno() not in (number, client.fileno())
        client.close()
        ours.close(number)
        again.sendall(b"x")
        assert server.recv(9) == b"x"
    assert server.recv(9) == b""


def test_a_number_that_another_has_closed_is_bad(ends):  # as CPython's testCloseException has it
    client, server = ends
    ours.socket(fileno=client.fileno()).close()
    assert server.recv(9) == b""
    assert client.fileno() == -1
    assert number_of(lambda: client.recv(1)) == errno.EBADF
    assert number_of(client.close) == errno.EBADF
    client.close()


def test_what_is_no_descriptor_of_ours_is_refused(hosts):
    with kernel.socket() as foreign:
        assert number_of(lambda: ours.socket(fileno=foreign.fileno())) == errno.ENOTSOCK
        assert number_of(lambda: ours.fromfd(foreign.fileno(), ours.AF_INET, ours.SOCK_STREAM)) == errno.ENOTSOCK
        with kernel.socket(fileno=ours.dup(foreign.fileno())) as copy:
            number = copy.detach()
        ours.close(number)
        number = foreign.fileno()
    assert number_of(lambda: ours.socket(fileno=number)) == errno.EBADF
    with pytest.raises(ValueError, match="negative"):
        ours.socket(fileno=-1)
    for wrong in ("3", 3.0):
        with pytest.raises(TypeError):
            ours.socket(fileno=wrong)


def test_a_number_that_the_kernel_has_given_to_another_is_not_ours(ends):
    client, server = ends
    number = client.fileno()
    os.close(number)
    assert os.open(os.devnull, os.O_RDONLY) == number
    assert number_of(lambda: ours.socket(fileno=number)) == errno.ENOTSOCK
    server.sendall(b"x")
    server.close()
    assert number_of(client.close) == errno.EBADF
    os.close(number)  # it is there still


def test_a_reused_number_of_another_socket_of_ours_is_that_ones(hosts):
    first = hosts.left.socket()
    number = first.fileno()
    first.close()
    with hosts.left.socket(type=ours.SOCK_DGRAM) as second:
        assert second.fileno() == number
        with ours.socket(fileno=ours.dup(number)) as again:
            assert again.type == ours.SOCK_DGRAM


def test_no_program_inherits_it_unless_told(ends):
    client, _ = ends
    assert not client.get_inheritable()
    client.fileno()
    assert not client.get_inheritable()
    client.set_inheritable(True)
    assert client.get_inheritable()
    with client.dup() as other:
        assert not other.get_inheritable()


def test_an_unclosed_one_is_closed_with_its_descriptor(hosts):
    with hosts.right.create_server(("", 7001)) as listener:
        client = hosts.left.create_connection(("10.0.0.2", 7001), PATIENCE)
        server, _ = listener.accept()
    number = client.fileno()
    with server:
        with pytest.warns(ResourceWarning, match="unclosed"):
            del client
        server.settimeout(PATIENCE)
        assert server.recv(9) == b""
    assert number_of(lambda: os.fstat(number)) == errno.EBADF


def test_an_unclosed_duplicate_leaves_the_other(ends):
    client, server = ends
    other = client.dup()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del other
    client.sendall(b"x")
    assert server.recv(9) == b"x"
    assert client.fileno() >= 0


def test_a_thousand_leave_nothing(hosts):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        with hosts.left.socket() as s, s.dup() as t:
            number = t.detach()
            ours.socket(fileno=number).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_room_for_descriptors_leaves_the_socket_as_it_is(hosts):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with hosts.left.socket() as s:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
        try:
            assert number_of(s.fileno) == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        s.bind(("", 0))
        assert s.fileno() >= 0


class TestFork:
    def test_the_childs_lead_nowhere_and_the_parents_go_on(self, ends):
        client, server = ends
        client.fileno()
        number = server.fileno()

        def check() -> None:
            assert os.readlink(f"/proc/self/fd/{number}") == os.devnull
            assert server.fileno() == -1
            assert number_of(lambda: ours.socket(fileno=number)) == errno.ENOTSOCK
            assert number_of(lambda: server.recv(1)) == errno.EBADF

        in_a_child(check)
        client.sendall(b"x")
        assert select.select([number], [], [], PATIENCE)[0]
        assert server.recv(9) == b"x"
        assert readable(server) == []
