"""Selector: the stdlib's `selectors` over our sockets; what both can do is asked of both, the kernel first."""

from __future__ import annotations

import errno
import selectors
import signal
import socket as kernel
import sys
import threading
import time
from collections.abc import Callable, Iterator
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, NamedTuple

import pytest

import netif
from components.lan import Lan
from netif import Host, Selector
from netif.runtime import AsyncioRuntime, Deadlock, ThreadedRuntime
from stack.stack import Stack

BOTH = EVENT_READ | EVENT_WRITE
SOON = 20.0  # seconds; for what takes microseconds unless it is broken


class Net(NamedTuple):
    sockets: Any
    selector: Callable[[], selectors.BaseSelector]
    address: str


@pytest.fixture(params=["kernel", "ours"])
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    if request.param == "kernel":
        yield Net(kernel, selectors.DefaultSelector, "127.0.0.1")
        return
    runtime = ThreadedRuntime(strict=True)
    with Stack(runtime=runtime) as host:
        yield Net(host, Selector, "127.0.0.1")
    runtime.check()
    runtime.close()


@pytest.fixture
def ends(net: Net) -> Iterator[tuple[Any, Any]]:
    with net.sockets.create_server((net.address, 0)) as listener:
        client = net.sockets.create_connection(listener.getsockname(), SOON)
        server, _ = listener.accept()
    client.setblocking(False)
    server.setblocking(False)
    with client, server:
        yield client, server


@pytest.fixture
def selector(net: Net) -> Iterator[Any]:
    with net.selector() as selector:
        yield selector


def told(events: list[tuple[selectors.SelectorKey, int]]) -> dict[Any, int]:
    return {key.fileobj: mask for key, mask in events}


def fill(sender: Any) -> int:
    sent = 0
    try:
        while True:
            sent += sender.send(bytes(1 << 16))
    except BlockingIOError:
        return sent


def drain(reader: Any, count: int, selector: Any) -> None:
    while count:
        try:
            data = reader.recv(1 << 18)
            assert data
            count -= len(data)
        except BlockingIOError:
            assert selector.select(SOON)


def test_a_socket_with_something_to_read_is_ready_until_it_is_read(ends, selector):
    client, server = ends
    key = selector.register(server, EVENT_READ, "mine")
    assert (key.fileobj, key.events, key.data) == (server, EVENT_READ, "mine")
    assert selector.select(0) == []
    client.send(b"hello")
    for _ in range(2):  # level-triggered
        assert selector.select(SOON) == [(key, EVENT_READ)]
    assert server.recv(2) == b"he"
    assert selector.select(0) == [(key, EVENT_READ)]
    assert server.recv(100) == b"llo"
    assert selector.select(0) == []
    client.send(b"more")
    assert selector.select(SOON) == [(key, EVENT_READ)]


def test_only_what_was_asked_for_is_told(ends, selector):
    client, server = ends
    selector.register(server, EVENT_WRITE)
    selector.register(client, BOTH)
    assert told(selector.select(0)) == {server: EVENT_WRITE, client: EVENT_WRITE}
    client.send(b"x")
    server.send(b"y")
    selector.unregister(server)
    while told(selector.select(SOON)) != {client: BOTH}:
        pass


def test_a_full_socket_is_writable_again_once_the_peer_has_read(ends, selector):
    client, server = ends
    sent = fill(server)
    selector.register(server, EVENT_WRITE)
    assert selector.select(0.01) == []
    selector.register(client, EVENT_READ)
    drain(client, sent, selector)
    while server not in told(selector.select(SOON)):
        pass
    assert server.send(b"x") == 1


def test_the_end_of_the_stream_is_something_to_read(ends, selector):
    client, server = ends
    selector.register(server, EVENT_READ)
    client.close()
    assert told(selector.select(SOON)) == {server: EVENT_READ}
    assert server.recv(100) == b""
    assert told(selector.select(0)) == {server: EVENT_READ}


def test_after_ones_own_shutdown_of_reading_too(ends, selector):
    _, server = ends
    selector.register(server, EVENT_READ)
    assert selector.select(0) == []
    server.shutdown(kernel.SHUT_RD)
    assert told(selector.select(SOON)) == {server: EVENT_READ}
    assert server.recv(100) == b""


def test_a_reset_makes_both_sides_ready(ends, selector):
    client, server = ends
    fill(server)
    selector.register(server, BOTH)
    assert selector.select(0.01) == []
    client.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert told(selector.select(SOON)) == {server: BOTH}
    with pytest.raises(ConnectionResetError):
        server.recv(100)
    assert told(selector.select(0)) == {server: BOTH}


def test_a_listener_is_readable_while_a_client_waits(net, selector):
    with net.sockets.create_server((net.address, 0)) as listener:
        listener.setblocking(False)
        selector.register(listener, EVENT_READ)
        assert selector.select(0) == []
        with net.sockets.create_connection(listener.getsockname(), SOON):
            for _ in range(2):
                assert told(selector.select(SOON)) == {listener: EVENT_READ}
            listener.accept()[0].close()
            assert selector.select(0) == []
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_a_connect_that_succeeds_makes_it_writable(net, selector):
    with net.sockets.create_server((net.address, 0)) as listener, net.sockets.socket() as client:
        client.setblocking(False)
        assert client.connect_ex(listener.getsockname()) in (errno.EINPROGRESS, 0)
        selector.register(client, EVENT_WRITE)
        assert told(selector.select(SOON)) == {client: EVENT_WRITE}
        assert client.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == 0


def test_so_does_one_that_fails(net, selector):
    with net.sockets.create_server((net.address, 0)) as listener:
        nobody = listener.getsockname()
    with net.sockets.socket() as client:
        client.setblocking(False)
        assert client.connect_ex(nobody) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        selector.register(client, EVENT_WRITE)
        assert told(selector.select(SOON)) == {client: EVENT_WRITE}
        assert client.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == errno.ECONNREFUSED


def test_what_is_neither_connected_nor_listening_hangs_up_until_it_is(net, selector):
    with net.sockets.socket() as one:
        selector.register(one, BOTH)
        assert told(selector.select(0)) == {one: BOTH}  # EPOLLHUP
        one.bind((net.address, 0))
        one.listen()
        assert selector.select(0) == []
        with net.sockets.create_connection(one.getsockname(), SOON):
            assert told(selector.select(SOON)) == {one: EVENT_READ}


def test_datagrams_are_told_as_bytes_are(net, selector):
    with net.sockets.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as receiver:
        receiver.bind((net.address, 0))
        receiver.setblocking(False)
        selector.register(receiver, BOTH)
        assert told(selector.select(0)) == {receiver: EVENT_WRITE}
        selector.modify(receiver, EVENT_READ)
        assert selector.select(0) == []
        receiver.sendto(b"one", receiver.getsockname())
        receiver.sendto(b"two", receiver.getsockname())
        for text in (b"one", b"two"):
            assert told(selector.select(SOON)) == {receiver: EVENT_READ}
            assert receiver.recv(100) == text
        assert selector.select(0) == []


def test_select_waits_no_longer_than_it_was_told(ends, selector):
    _, server = ends
    selector.register(server, EVENT_READ)
    began = time.monotonic()
    assert selector.select(0.02) == []
    assert 0.02 <= time.monotonic() - began < SOON / 2
    assert selector.select(-1) == []


def test_nothing_registered_is_nothing_ready(selector):
    assert selector.select(0) == []
    assert selector.select(0.01) == []


def test_another_threads_registration_wakes_who_selects(ends, selector):
    client, server = ends
    selector.register(server, EVENT_READ)
    later = threading.Timer(0.01, selector.register, (client, EVENT_WRITE))
    later.start()
    assert told(selector.select(SOON)) == {client: EVENT_WRITE}
    later.join()


def test_what_was_modified_counts_from_then_on(ends, selector):
    client, server = ends
    key = selector.register(server, EVENT_READ, 1)
    assert selector.modify(server, EVENT_READ, 2) == key._replace(data=2)
    assert selector.get_key(server).data == 2
    later = threading.Timer(0.01, selector.modify, (server, BOTH, 3))
    later.start()
    while not told(selector.select(SOON))[server]:  # the stdlib tells the kernel first, and then itself
        pass
    later.join()
    assert selector.select(0) == [(key._replace(events=BOTH, data=3), EVENT_WRITE)]
    selector.modify(server, EVENT_READ)
    assert selector.select(0) == []
    client.send(b"x")
    assert selector.select(SOON) == [(key._replace(data=None), EVENT_READ)]


def test_the_map_holds_what_is_registered(ends, selector):
    client, server = ends
    keys = selector.get_map()
    assert len(keys) == 0
    key = selector.register(server, EVENT_READ)
    assert keys[server] == selector.get_key(server) == key
    assert len(keys) == len(list(keys)) == 1
    with pytest.raises(KeyError):
        selector.get_key(client)
    with pytest.raises(KeyError):
        selector.unregister(client)
    with pytest.raises(KeyError):
        selector.modify(client, EVENT_READ)
    with pytest.raises(KeyError):
        selector.register(server, EVENT_WRITE)
    assert selector.unregister(server) == key
    assert len(keys) == 0
    client.send(b"x")
    assert selector.select(0.01) == []


@pytest.mark.parametrize("events", [0, 4, 7])
def test_events_are_reading_and_writing(ends, selector, events):
    with pytest.raises(ValueError, match="Invalid events"):
        selector.register(ends[0], events)


def test_a_closed_socket_cannot_be_registered_but_unregistered(ends, selector):
    client, server = ends
    selector.register(server, EVENT_READ)
    server.close()
    assert selector.unregister(server).fileobj is server
    client.close()
    with pytest.raises(ValueError, match="Invalid file"):
        selector.register(client, EVENT_READ)
    with pytest.raises(ValueError, match="Invalid file"):
        selector.register("a word", EVENT_READ)


def test_a_closed_selector_says_so(net, ends):
    selector = net.selector()
    selector.register(ends[0], EVENT_READ)
    selector.close()
    selector.close()
    assert selector.get_map() is None
    with pytest.raises(RuntimeError, match="Selector is closed"):
        selector.get_key(ends[0])
    with pytest.raises(ValueError, match="closed"):
        selector.select(0)
    with pytest.raises((ValueError, KeyError)):
        selector.register(ends[1], EVENT_READ)


# what is ours alone


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=1) as lan:
        yield lan


def test_one_selector_takes_the_sockets_of_several_hosts(lan):
    one, other, client = (lan.host(name) for name in ("one", "other", "client"))

    def serve():
        with Selector() as selector:
            for host in (one, other):
                selector.register(host.create_server(("", 7)), EVENT_READ, host)
            came = []
            while len(came) < 2:
                for key, _ in selector.select():
                    key.fileobj.accept()[0].close()
                    came.append((key.data, lan.now()))
            for listener in list(selector.get_map()):
                selector.unregister(listener)
                listener.close()
            return came

    def ask():
        lan.sleep(1.0)
        client.create_connection((other.ip, 7)).close()
        lan.sleep(1.0)
        client.create_connection((one.ip, 7)).close()

    served = one.spawn(serve)
    client.spawn(ask)
    lan.run_until(served.done)
    assert [host for host, _ in served.result()] == [other, one]
    assert [at for _, at in served.result()] == pytest.approx([1.0, 2.0], abs=0.01)


def test_time_is_the_runtimes(lan):
    host = lan.host("host")

    def wait():
        with Selector() as selector, host.create_server(("", 7)) as listener:
            selector.register(listener, EVENT_READ)
            assert selector.select(2.5) == []
            return lan.now()

    waited = host.spawn(wait)
    lan.run_until(waited.done)
    assert waited.result() == 2.5


def test_a_deadlock_names_who_selects(lan):
    host = lan.host("host")

    def wait():
        with Selector() as selector, host.create_server(("", 7)) as listener:
            selector.register(listener, EVENT_READ)
            selector.select()

    waited = host.spawn(wait)
    with pytest.raises(Deadlock, match="waits in select of <Selector of 1 sockets>"):
        lan.run_until(waited.done)


def test_on_a_virtual_clock_only_what_was_spawned_may_wait(lan):
    with Selector() as selector, lan.host("host").create_server(("", 7)) as listener:
        selector.register(listener, EVENT_READ)
        assert selector.select(0) == []
        with pytest.raises(RuntimeError, match=r"select of <Selector.* was not spawned"):
            selector.select(1)


def test_a_socket_of_another_runtime_does_not_belong(lan):
    with Lan(seed=2) as elsewhere, Selector() as selector:
        here, there = (net.host("host").create_server(("", 7)) for net in (lan, elsewhere))
        with here, there:
            selector.register(here, EVENT_READ)
            with pytest.raises(ValueError, match="belongs to another runtime"):
                selector.register(there, EVENT_READ)
            selector.unregister(here)
            selector.register(there, EVENT_READ)  # nothing else is in it
            selector.unregister(there)


def test_nor_does_one_of_the_kernels(lan):
    with Selector() as selector, kernel.socket() as theirs, pytest.raises(ValueError, match="DefaultSelector"):
        selector.register(theirs, EVENT_READ)


def test_a_socket_that_another_thread_closes_wakes_who_selects_and_is_ready(lan):
    host = lan.host("host")
    listener = host.create_server(("", 7))

    def wait():
        with Selector() as selector:
            key = selector.register(listener, EVENT_READ)
            assert selector.select() == [(key, EVENT_READ)]
            with pytest.raises(OSError, match="Bad file descriptor"):
                listener.accept()
            assert selector.select() == [(key, EVENT_READ)]
            assert selector.unregister(listener) == key
            return lan.now(), selector.select(1.0)

    waited = host.spawn(wait)
    lan.run_for(1.0)
    listener.close()
    lan.run_until(waited.done)
    assert waited.result() == (1.0, [])


def test_so_does_a_connection(lan):
    server, client = lan.host("server"), lan.host("client")

    def wait():
        with Selector() as selector, server.create_server(("", 7)) as listener:
            connection, _ = listener.accept()
            lan.runtime.spawn(lambda: (lan.sleep(1.0), connection.close()))
            selector.register(connection, EVENT_READ)
            return told(selector.select()), connection, lan.now()

    def stay():
        with client.create_connection((server.ip, 7)):
            lan.sleep(10.0)

    waited = server.spawn(wait)
    client.spawn(stay)
    lan.run_until(waited.done)
    heard, connection, at = waited.result()
    assert heard == {connection: EVENT_READ}
    assert at == pytest.approx(1.0, abs=0.01)


def test_a_selector_that_another_thread_closes_lets_go_of_who_selects(lan):
    host = lan.host("host")
    selector = Selector()
    with host.create_server(("", 7)) as listener:
        selector.register(listener, EVENT_READ)
        waited = host.spawn(selector.select)
        lan.run_for(1.0)
        assert not waited.done()
        selector.close()
        lan.run_until(waited.done)
        assert waited.result() == []


def test_an_accepter_and_two_selectors_at_one_listener_all_hear_of_a_client(lan):
    server, client = lan.host("server"), lan.host("client")
    listener = server.create_server(("", 7))

    def watch():
        with Selector() as selector:
            selector.register(listener, EVENT_READ)
            heard = told(selector.select())
            at = lan.now()
            lan.sleep(1.0)
            return heard, at

    accepted = server.spawn(lambda: listener.accept()[0].close())
    watched = [server.spawn(watch) for _ in range(2)]
    lan.run_for(0.1)
    client.spawn(lambda: client.create_connection((server.ip, 7)).close())
    lan.run_until(lambda: accepted.done() and all(task.done() for task in watched))
    assert [task.result()[0] for task in watched] == [{listener: EVENT_READ}] * 2
    assert [task.result()[1] for task in watched] == pytest.approx([0.1, 0.1], abs=0.01)
    listener.close()


def calls_in_a_select(host: Host, among: int) -> int:
    """How many functions one `select` calls when one of so many sockets is ready."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    with Selector() as selector:
        with host.create_server(("127.0.0.1", 7)) as listener:
            clients = [host.create_connection(("127.0.0.1", 7)) for _ in range(among)]
            servers = [listener.accept()[0] for _ in range(among)]
        for server in servers:
            selector.register(server, EVENT_READ)
        assert selector.select(1.0) == []
        clients[-1].send(b"x")
        assert told(selector.select()) == {servers[-1]: EVENT_READ}
        sys.setprofile(count)
        ready = selector.select()
        sys.setprofile(None)
        assert told(ready) == {servers[-1]: EVENT_READ}
        for one in [*servers, *clients]:
            one.close()
    return calls


def test_a_select_costs_what_is_ready_and_not_what_is_registered(lan):
    host = lan.host("host")
    few = host.spawn(lambda: calls_in_a_select(host, 2))
    lan.run_until(few.done)
    many = host.spawn(lambda: calls_in_a_select(host, 100))
    lan.run_until(many.done)
    assert few.result() == many.result()


def test_on_an_event_loop_it_may_look_but_not_wait():
    import asyncio

    async def main():
        runtime = AsyncioRuntime(strict=True)
        async with Stack(runtime=runtime) as host:
            with Selector() as selector, host.create_server(("127.0.0.1", 7)) as listener:
                selector.register(listener, EVENT_READ)
                assert selector.select(0) == []
                with pytest.raises(
                    RuntimeError, match=r"select of <Selector of 1 sockets>.*would block the event loop"
                ):
                    selector.select(1)
                task = runtime.spawn(lambda: selector.select(SOON))
                async with host.aio.connect(("127.0.0.1", 7)):
                    while not task.done():
                        await asyncio.sleep(0.001)
                assert told(task.result()) == {listener: EVENT_READ}
        runtime.close()

    asyncio.run(main())


def test_ctrl_c_ends_a_select():
    with Stack(runtime=ThreadedRuntime(strict=True)) as host:
        with Selector() as selector, host.create_server(("127.0.0.1", 7)) as listener:
            selector.register(listener, EVENT_READ)
            main = threading.main_thread().ident
            threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                selector.select(SOON)
            assert selector.select(0) == []
            with host.create_connection(("127.0.0.1", 7)):
                assert told(selector.select(SOON)) == {listener: EVENT_READ}
        host.runtime.close()


def test_it_stands_at_the_door():
    assert netif.Selector is Selector
    assert issubclass(Selector, selectors.BaseSelector)
