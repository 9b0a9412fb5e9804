"""Several sockets and numbers for one endpoint: dup, detach, `socket(fileno=...)`, fromfd, close; threads, a fork."""

from __future__ import annotations

import errno
import gc
import io
import os
import select
import socket as kernel
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import stack.socket as ours
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


BLOCKING = {
    "recv": lambda s: s.recv(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "recvmsg": lambda s: s.recvmsg(1),
    "recvfrom": lambda s: s.recvfrom(1),
    "recv, all": lambda s: s.recv(9, ours.MSG_WAITALL),
    "peek": lambda s: s.recv(9, ours.MSG_PEEK),
    "sendall": lambda s: s.sendall(bytes(1 << 24)),
    "send": lambda s: [s.send(bytes(1 << 20)) for _ in range(100)],
    "sendmsg": lambda s: [s.sendmsg([bytes(1 << 20)]) for _ in range(100)],
    "sendfile": lambda s: s.sendfile(io.BytesIO(bytes(1 << 24))),
    "SocketIO.readinto": lambda s: kernel.SocketIO(s, "r").readinto(bytearray(1)),
}


class Call:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.error: OSError | None = None
        self.result: Any = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            self.result = self.call()
        except OSError as error:
            self.error = error

    def switches(self) -> list[str]:
        with open(f"/proc/self/task/{self.thread.native_id}/status") as file:
            return [line for line in file if "ctxt" in line or "State" in line]

    def wait_until_it_sleeps(self) -> None:
        same = 0
        while same < 10:
            before = self.switches()
            time.sleep(0.001)
            same = same + 1 if before == self.switches() and "sleeping" in before[0] else 0

    def ended(self) -> OSError | None:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.error


@pytest.mark.parametrize("call", BLOCKING)
@pytest.mark.parametrize("described", [False, True])
def test_closing_wakes_a_call_that_blocks_in_another_thread(ends, call, described):
    client, _ = ends
    client.settimeout(None)
    blocked = Call(lambda: BLOCKING[call](client))
    blocked.wait_until_it_sleeps()
    if described:
        client.fileno()
    client.close()
    error = blocked.ended()
    assert error is not None
    assert error.errno == errno.EBADF


def test_closing_wakes_accept_connect_and_receivers_of_packets(hosts):
    listener = hosts.left.create_server(("", 7002))
    late = hosts.left.socket()
    ear = hosts.left.socket(type=ours.SOCK_DGRAM)
    ping = hosts.left.socket(ours.AF_INET, ours.SOCK_DGRAM, ours.IPPROTO_ICMP)
    raw = hosts.left.socket(ours.AF_INET, ours.SOCK_RAW, 200)
    ear.bind(("", 7002))
    for s, call in (
        (listener, listener.accept),
        (late, lambda: late.connect(("10.0.0.99", 7002))),
        (ear, lambda: ear.recvfrom_into(bytearray(9))),
        (ping, lambda: ping.recv(9)),
        (raw, lambda: raw.recvmsg(9)),
    ):
        blocked = Call(call)
        blocked.wait_until_it_sleeps()
        s.fileno()
        s.close()
        error = blocked.ended()
        assert error is not None
        assert error.errno == errno.EBADF


@pytest.mark.parametrize("way", ["select", "poll"])
def test_closing_wakes_a_select_on_the_marker(ends, way):
    client, _ = ends
    number = client.fileno()
    poll = select.poll()
    poll.register(number, select.POLLIN)
    waits = {"select": lambda: select.select([number], [], [], PATIENCE)[0], "poll": lambda: poll.poll(PATIENCE * 1000)}
    waiting = Call(waits[way])
    waiting.wait_until_it_sleeps()
    client.close()
    assert waiting.ended() is None
    assert waiting.result


def test_a_reader_that_was_blocked_before_leaves_the_marker_true(ends):
    client, server = ends
    blocked = Call(lambda: server.recv(9))
    blocked.wait_until_it_sleeps()
    assert readable(server) == []
    client.sendall(b"x")
    assert blocked.ended() is None
    assert blocked.result == b"x"
    assert readable(server) == []


def test_threads_that_share_a_socket_by_select_lose_nothing(hosts):
    with hosts.left.socket(type=ours.SOCK_DGRAM) as ear, hosts.right.socket(type=ours.SOCK_DGRAM) as mouth:
        ear.bind(("", 7003))
        ear.setblocking(False)
        heard: list[bytes] = []

        def listen() -> None:
            while select.select([ear], [], [], PATIENCE)[0]:
                try:
                    data = ear.recv(9)
                except BlockingIOError:  # the other was first
                    continue
                if not data:
                    return
                heard.append(data)

        def talk() -> None:
            for n in range(300):
                mouth.sendto(b"%d" % n, ("10.0.0.1", 7003))

        listeners = [Call(listen) for _ in range(2)]
        hosts.run(talk).result(PATIENCE)
        for _ in listeners:
            mouth.sendto(b"", ("10.0.0.1", 7003))
        assert [each.ended() for each in listeners] == [None, None]
        assert sorted(heard, key=int) == [b"%d" % n for n in range(300)]
        assert readable(ear) == []


def test_numbers_are_made_and_closed_by_many_threads_at_once(hosts):
    def live() -> None:
        for _ in range(30):
            with hosts.left.socket(type=ours.SOCK_DGRAM) as s, s.dup() as other:
                assert select.select([], [s, other], [], PATIENCE)[1] == [s, other]
                ours.close(other.detach())

    assert [each.ended() for each in [Call(live) for _ in range(4)]] == [None] * 4


class TestFork:
    def in_a_child(self, check: Callable[[], None]) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                check()
                os.write(writing, b"fine")
            except BaseException as error:
                os.write(writing, repr(error).encode()[:4000])
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().decode()
        os.waitpid(pid, 0)
        assert said == "fine"

    def test_the_childs_lead_nowhere_and_the_parents_go_on(self, ends):
        client, server = ends
        client.fileno()
        number = server.fileno()

        def check() -> None:
            assert os.readlink(f"/proc/self/fd/{number}") == os.devnull
            assert server.fileno() == -1
            assert number_of(lambda: ours.socket(fileno=number)) == errno.ENOTSOCK
            assert number_of(lambda: server.recv(1)) == errno.EBADF

        self.in_a_child(check)
        client.sendall(b"x")
        assert select.select([number], [], [], PATIENCE)[0]
        assert server.recv(9) == b"x"
        assert readable(server) == []
