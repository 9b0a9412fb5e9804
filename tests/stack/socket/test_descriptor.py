"""`fileno()`: what select, poll and epoll say of a socket; what both can do is asked of the kernel's too, and first."""

from __future__ import annotations

import errno
import gc
import os
import select
import selectors
import socket as kernel
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import stack.socket as ours
from components.lan import Lan
from netif.runtime import ThreadedRuntime
from stack.stack import Stack

SOON = 20.0  # seconds; for what takes microseconds unless it is broken
IN, OUT = select.POLLIN, select.POLLOUT  # epoll's too


class Net(NamedTuple):
    sockets: Any
    module: Any


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def host() -> Iterator[Stack]:
    runtime = ThreadedRuntime(strict=True)
    with Stack("host", runtime=runtime) as stack:
        yield stack
    runtime.check()
    runtime.close()


@pytest.fixture(params=["kernel", "ours"])
def net(request: pytest.FixtureRequest, host: Stack) -> Net:
    return Net(kernel, kernel) if request.param == "kernel" else Net(host, ours)


@pytest.fixture
def ends(net: Net) -> Iterator[tuple[Any, Any]]:
    with net.sockets.create_server(("127.0.0.1", 0)) as listener:
        client = net.sockets.create_connection(listener.getsockname(), SOON)
        server, _ = listener.accept()
    client.setblocking(False)
    server.setblocking(False)
    with client, server:
        yield client, server


def by_select(socket: Any, timeout: float) -> int:
    readable, writable, _ = select.select([socket], [socket], [], timeout)
    return IN * len(readable) | OUT * len(writable)


def ready(events: int) -> int:
    """As select has it: an error is something to read and to write."""
    return IN | OUT if events & select.POLLERR else events & (IN | OUT)


def by_poll(socket: Any, timeout: float) -> int:
    poll = select.poll()
    poll.register(socket, IN | OUT)
    return sum(ready(events) for _, events in poll.poll(timeout * 1000))


def by_epoll(socket: Any, timeout: float) -> int:
    with select.epoll() as epoll:
        epoll.register(socket, IN | OUT)
        return sum(ready(events) for _, events in epoll.poll(timeout))


WAYS = {"select": by_select, "poll": by_poll}
if hasattr(select, "epoll"):
    WAYS["epoll"] = by_epoll


@pytest.fixture(params=WAYS)
def told(request: pytest.FixtureRequest) -> Callable[[Any, float], int]:
    return WAYS[request.param]


def until(told: Callable[[Any, float], int], socket: Any, events: int) -> None:
    limit = time.monotonic() + SOON
    while told(socket, 0) != events:
        assert time.monotonic() < limit, told(socket, 0)
        time.sleep(0.001)


def fill(sender: Any) -> int:
    sent = 0
    try:
        while True:
            sent += sender.send(bytes(1 << 16))
    except BlockingIOError:
        return sent


def drain(reader: Any, count: int) -> None:
    while count:
        assert select.select([reader], [], [], SOON)[0]
        data = reader.recv(1 << 18)
        assert data
        count -= len(data)


def test_a_descriptor_is_made_once_and_closed_with_its_socket(host):
    before = set(os.listdir("/proc/self/fd"))
    with host.socket() as s:
        assert set(os.listdir("/proc/self/fd")) == before
        number = s.fileno()
        assert number == s.fileno() >= 0
        os.fstat(number)
    assert s.fileno() == -1
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_has_come_makes_it_readable_until_it_is_read(ends, told):
    client, server = ends
    assert told(server, 0) == OUT
    client.send(b"hello")
    until(told, server, IN | OUT)
    assert server.recv(2) == b"he"
    assert told(server, 0) == IN | OUT
    assert server.recv(100) == b"llo"
    assert told(server, 0) == OUT
    with pytest.raises(BlockingIOError):
        server.recv(1)


def test_peeking_leaves_it_readable(ends, told):
    client, server = ends
    client.send(b"x")
    until(told, server, IN | OUT)
    assert server.recv(1, kernel.MSG_PEEK) == b"x"
    assert told(server, 0) == IN | OUT
    assert server.recv_into(bytearray(9)) == 1
    assert told(server, 0) == OUT


def test_a_full_one_is_not_writable_until_the_peer_has_read(ends, told):
    client, server = ends
    sent = fill(client)
    assert not told(client, 0) & OUT
    drain(server, sent)
    until(told, client, OUT)
    assert client.send(b"x") == 1


def test_the_end_is_readable_and_stays_so(ends, told):
    client, server = ends
    client.shutdown(kernel.SHUT_WR)
    until(told, server, IN | OUT)
    assert server.recv(9) == b""
    assert told(server, 0) == IN | OUT
    server.close()
    until(told, client, IN | OUT)


def test_a_reset_makes_both_sides_ready(ends, told):
    client, server = ends
    fill(server)
    server.fileno()
    client.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    until(told, server, IN | OUT)
    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_ones_own_shutdown_of_reading_is_readable(ends, told):
    _, server = ends
    assert told(server, 0) == OUT
    server.shutdown(kernel.SHUT_RD)
    assert told(server, 0) == IN | OUT


def test_a_listener_is_readable_while_somebody_waits(net, told):
    with net.sockets.create_server(("127.0.0.1", 0)) as listener:
        assert told(listener, 0) == 0
        with net.sockets.create_connection(listener.getsockname(), SOON):
            until(told, listener, IN)
            listener.accept()[0].close()
            assert told(listener, 0) == 0


def test_an_attempt_to_connect_is_writable_when_it_has_succeeded(host, told):
    with Lan(clock="real") as lan:
        one, other = lan.host("one"), lan.host("other", delay="50ms")
        with other.create_server(("", 80)), one.socket() as s:
            s.setblocking(False)
            assert told(s, 0) == IN | OUT  # neither connected nor listening: EPOLLHUP
            assert s.connect_ex((other.ip, 80)) == errno.EINPROGRESS
            assert told(s, 0) == 0
            assert told(s, SOON) == OUT
            assert s.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == 0
            assert s.send(b"x") == 1


def test_an_attempt_to_connect_is_writable_when_it_has_failed(net, told):
    with net.sockets.socket() as s, net.sockets.create_server(("127.0.0.1", 0)) as gone:
        nobody = gone.getsockname()
        gone.close()
        s.setblocking(False)
        s.fileno()
        assert s.connect_ex(nobody) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        assert told(s, SOON) == IN | OUT
        assert s.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) in (errno.ECONNREFUSED, 0)


def test_a_datagram_is_readable_until_it_is_taken(net, told):
    make = net.sockets.socket
    with make(kernel.AF_INET, kernel.SOCK_DGRAM) as one, make(kernel.AF_INET, kernel.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        assert told(one, 0) == OUT
        for data in (b"a", b"b"):
            other.sendto(data, one.getsockname())
        until(told, one, IN | OUT)
        assert one.recvfrom(9)[0] == b"a"
        assert told(one, 0) == IN | OUT
        assert one.recv(9) == b"b"
        assert told(one, 0) == OUT


@pytest.mark.parametrize("way", ["recv", "SO_ERROR"])
def test_an_error_of_a_datagram_socket_is_readable_until_it_is_told(net, told, way):
    make = net.sockets.socket
    with make(kernel.AF_INET, kernel.SOCK_DGRAM) as one, make(kernel.AF_INET, kernel.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        one.connect(gone.getsockname())
        gone.close()
        one.setblocking(False)
        assert told(one, 0) == OUT
        one.send(b"x")
        until(told, one, IN | OUT)
        if way == "recv":
            with pytest.raises(ConnectionRefusedError):
                one.recv(9)
        else:
            assert one.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == errno.ECONNREFUSED
        assert told(one, 0) == OUT


def test_a_ping_socket_a_raw_one_and_one_of_frames(host, told):
    echo = b"\x08\0\0\0\0\0\0\1ping"
    with host.socket(kernel.AF_INET, kernel.SOCK_DGRAM, kernel.IPPROTO_ICMP) as ping:
        assert told(ping, 0) == OUT
        ping.sendto(echo, ("127.0.0.1", 0))
        until(told, ping, IN | OUT)
        assert ping.recv(100).endswith(b"ping")
        assert told(ping, 0) == OUT
    with (
        host.socket(kernel.AF_INET, kernel.SOCK_RAW, 200) as raw,
        host.socket(kernel.AF_INET, kernel.SOCK_RAW, 200) as other,
    ):
        assert told(raw, 0) == OUT
        other.sendto(b"x", ("127.0.0.1", 0))
        until(told, raw, IN | OUT)
        raw.recv(100)
        assert told(raw, 0) == OUT
    with Lan(clock="real") as lan:
        one, other = lan.host("one"), lan.host("other")
        with one.stack.l2tap(one.netif, 0x88B5) as tap, other.stack.l2tap(other.netif, 0x88B5) as far:
            assert told(tap, 0) == OUT
            far.send(b"\xff" * 6 + bytes.fromhex(other.mac.replace(":", "")) + b"\x88\xb5hello")
            until(told, tap, IN | OUT)
            assert tap.recv(100)[14:].startswith(b"hello")
            assert told(tap, 0) == OUT


def test_edges_are_told_once_each(ends):
    client, server = ends
    with select.epoll() as epoll:
        epoll.register(server, IN | OUT | select.EPOLLET)
        assert epoll.poll(SOON) == [(server.fileno(), OUT)]
        assert epoll.poll(0.01) == []
        for data in (b"a", b"bc"):
            client.send(data)
            assert epoll.poll(SOON) == [(server.fileno(), IN | OUT)]
            assert epoll.poll(0.01) == []
            assert server.recv(100) == data
            assert epoll.poll(0.01) == []
        sent = fill(server)
        assert epoll.poll(0.01) == []
        drain(client, sent)
        assert epoll.poll(SOON)[0][1] & OUT
        client.close()
        assert epoll.poll(SOON)[0][1] & IN


def test_one_shot_until_it_is_armed_anew(ends):
    client, server = ends
    with select.epoll() as epoll:
        epoll.register(server, IN | select.EPOLLONESHOT)
        client.send(b"a")
        assert epoll.poll(SOON) == [(server.fileno(), IN)]
        assert server.recv(9) == b"a"
        client.send(b"b")
        assert epoll.poll(0.01) == []
        epoll.modify(server, IN | select.EPOLLONESHOT)
        assert epoll.poll(SOON) == [(server.fileno(), IN)]


def test_ours_and_the_kernels_in_one_selector(host):
    near, far = kernel.socketpair()
    with near, far, host.socket(type=kernel.SOCK_DGRAM) as ear, host.socket(type=kernel.SOCK_DGRAM) as mouth:
        ear.bind(("127.0.0.1", 0))
        with selectors.DefaultSelector() as selector:
            key = selector.register(ear, selectors.EVENT_READ, "ours")
            assert key.fd == ear.fileno()
            selector.register(near, selectors.EVENT_READ, "kernel's")
            assert selector.select(0) == []
            mouth.sendto(b"x", ear.getsockname())
            assert [key.data for key, _ in selector.select(SOON)] == ["ours"]
            far.send(b"y")
            assert sorted(key.data for key, _ in selector.select(SOON)) == ["kernel's", "ours"]
            ear.recv(9)
            assert [key.data for key, _ in selector.select(SOON)] == ["kernel's"]


def test_no_system_call_while_readiness_stays_the_same(host):
    """What lies in the pair is what was put there by changes alone."""
    with host.socket(type=kernel.SOCK_DGRAM) as ear, host.socket(type=kernel.SOCK_DGRAM) as mouth:
        ear.bind(("127.0.0.1", 0))
        watched = ear.fileno()
        for n in range(5):
            mouth.sendto(b"%d" % n, ear.getsockname())
        with kernel.socket(fileno=os.dup(watched)) as marker:
            assert len(marker.recv(100, kernel.MSG_PEEK)) == 1


def test_a_waiting_select_sees_that_another_thread_has_closed_it(host):
    ear = host.socket(type=kernel.SOCK_DGRAM)
    number = ear.fileno()
    threading.Timer(0.05, ear.close).start()
    assert select.select([number], [], [], SOON)[0] == [number]
    assert ear.fileno() == -1


def test_a_closed_one_is_gone_from_epoll(ends):
    _, server = ends
    with select.epoll() as epoll:
        epoll.register(server, OUT)
        server.close()
        assert epoll.poll(0) == []


def test_a_stack_that_ends_makes_its_sockets_ready(host, told):
    other = Stack("other", runtime=host.runtime)
    with other.create_server(("127.0.0.1", 0)) as listener:
        assert told(listener, 0) == 0
        other.close()
        until(told, listener, IN | OUT)


def test_a_file_made_of_it_has_the_same_descriptor(ends):
    _, server = ends
    with server.makefile("rb", 0) as file:
        assert file.fileno() == server.fileno()


def test_it_works_in_virtual_time_too():
    with Lan(clock="virtual") as lan:
        one, other = lan.host("one"), lan.host("other")
        ear, mouth = one.socket(type=kernel.SOCK_DGRAM), other.socket(type=kernel.SOCK_DGRAM)
        with ear, mouth:
            ear.bind(("", 9))
            assert by_epoll(ear, 0) == OUT
            other.spawn(lambda: mouth.sendto(b"x", (one.ip, 9)))
            lan.run_for(1.0)
            assert by_epoll(ear, 0) == IN | OUT
