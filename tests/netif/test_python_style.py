"""The Python-style program on every kind of clock: threads, asyncio, virtual time."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial

import pytest

from netif import (
    AsyncioRuntime,
    DriverFailed,
    GotIp,
    LinkDown,
    LinkUp,
    Netif,
    Stack,
    ThreadedRuntime,
    VirtualRuntime,
    pair,
)
from netif.errors import IfNotReady

PATIENCE = 10  # seconds


@pytest.fixture
def threaded():
    runtime = ThreadedRuntime(strict=True)
    yield runtime
    runtime.close()


@pytest.fixture
def virtual():
    runtime = VirtualRuntime(strict=True)
    yield runtime
    runtime.close()


def attach(driver, name, runtime, ip):
    """A host with one interface, to be closed together."""
    host = Stack(name, runtime=runtime)
    return host, Netif(driver, stack=host, ip=ip)


def serve(listener):
    with listener:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)


def test_two_hosts_on_threads(threaded):
    ours, theirs = pair()
    with (
        Stack("peer", runtime=threaded) as peer,
        Netif(theirs, stack=peer, ip="192.168.5.1/24"),
        Stack(runtime=threaded) as host,
        Netif(ours, stack=host, ip="192.168.5.100/24", gateway="192.168.5.1"),
    ):
        server = threaded.spawn(partial(serve, peer.create_server(("", 3333))), "server")
        with host.socket() as s:
            s.connect(("192.168.5.1", 3333))
            s.sendall(b"hello")
            assert s.recv(100) == b"hello"
        server.result(PATIENCE)


def test_stack_closes_its_netifs(threaded):
    ours, _ = pair()
    with Stack(runtime=threaded) as host:
        netif = Netif(ours, stack=host, ip="192.168.5.100/24")
        assert netif.is_up
    assert not netif.is_up
    assert not threaded.stacks


def test_two_hosts_in_asyncio():
    async def run():
        runtime = AsyncioRuntime(strict=True)
        ours, theirs = pair()
        async with (
            Stack("peer", runtime=runtime) as peer,
            Netif(theirs, stack=peer, ip="192.168.5.1/24"),
            Stack(runtime=runtime) as host,
            Netif(ours, stack=host, ip="192.168.5.100/24") as netif,
        ):
            assert (await netif.wait_for_async(GotIp)).netif is netif
            ended = []

            async def serve():
                async with peer.aio.listen(("", 3333)) as listener:
                    connection, _ = await listener.accept()
                    async with connection:
                        while data := await connection.recv(65536):
                            await connection.sendall(data)
                        ended.append("in order")

            server = asyncio.create_task(serve())
            await asyncio.sleep(0)
            s = await host.aio.connect(("192.168.5.1", 3333))
            await s.sendall(b"hello")
            assert await s.recv(100) == b"hello"
            await netif.aclose()
            await asyncio.wait_for(server, PATIENCE)
            assert ended == ["in order"]
            s.close()
        runtime.check()
        runtime.close()

    asyncio.run(run())


def test_cancelled_wait_leaves_the_gate_whole():
    async def run():
        runtime = AsyncioRuntime(strict=True)
        ours, _ = pair()
        async with Stack(runtime=runtime) as host, Netif(ours, stack=host, ip="192.168.5.100/24") as netif:
            waiting = asyncio.create_task(netif.wait_for_async(LinkDown))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(TimeoutError):
                await netif.wait_for_async(LinkDown, timeout=0.01)
            netif.disconnected()
            await netif.wait_for_async(LinkDown)
        runtime.close()

    asyncio.run(run())


def test_blocking_wait_on_the_loop_is_refused():
    async def run():
        runtime = AsyncioRuntime()
        ours, _ = pair()
        async with Stack(runtime=runtime) as host, Netif(ours, stack=host, ip="192.168.5.100/24") as netif:
            netif.wait_for(GotIp)  # needs no waiting
            with pytest.raises(RuntimeError):
                netif.wait_for(LinkDown)
        runtime.close()

    asyncio.run(run())


def test_plain_with_on_the_loop_closes_at_once():
    async def run():
        runtime = AsyncioRuntime()
        ours, _ = pair()
        with Stack(runtime=runtime) as host, Netif(ours, stack=host, ip="192.168.5.100/24"):
            pass
        assert not runtime.stacks
        runtime.close()

    asyncio.run(run())


def test_two_hosts_in_virtual_time(virtual):
    ours, theirs = pair()
    peer, _ = attach(theirs, "peer", virtual, "192.168.5.1/24")
    host, netif = attach(ours, "host", virtual, "192.168.5.100/24")

    def ask():
        netif.wait_for(GotIp)
        with host.create_connection(("192.168.5.1", 3333)) as s:
            s.sendall(b"hello")
            return s.recv(100)

    virtual.spawn(partial(serve, peer.create_server(("", 3333))), "server")
    answer = virtual.spawn(ask)
    virtual.run_until(answer.done)
    assert answer.result() == b"hello"
    host.close()
    peer.close()


def test_events_in_virtual_time_come_in_order(virtual):
    ours, _ = pair()
    host, netif = attach(ours, "host", virtual, "192.168.5.100/24")
    heard = []
    netif.subscribe(LinkDown, lambda event: heard.append(("down", virtual.now())))
    netif.subscribe(LinkUp, lambda event: heard.append(("up", virtual.now())))

    def flap():
        virtual.sleep(1)
        netif.disconnected()
        virtual.sleep(1)
        netif.connected()
        netif.wait_for(LinkUp)

    done = virtual.spawn(flap)
    virtual.run_until(done.done)
    virtual.run_for(1)
    start = heard[0][1]
    assert [(name, round(when - start)) for name, when in heard] == [("up", 0), ("down", 1), ("up", 2)]
    host.close()


def test_handler_that_raises_is_logged_and_others_go_on(threaded, caplog):
    ours, _ = pair()
    heard = threading.Event()

    def explode(event):
        raise ValueError("no")

    with Stack(runtime=threaded) as host, Netif(ours, stack=host, ip="192.168.5.100/24") as netif:
        netif.subscribe(GotIp, explode)
        netif.subscribe(GotIp, lambda event: heard.set())
        assert heard.wait(PATIENCE)
    assert "ValueError: no" in caplog.text


@pytest.mark.parametrize(("event_type", "end"), [(LinkDown, "event"), (DriverFailed, "error")])
def test_waiting_ends_when_another_thread_closes(threaded, event_type, end):
    ours, _ = pair()
    with Stack(runtime=threaded) as host:
        netif = Netif(ours, stack=host, ip="192.168.5.100/24")

        def wait():
            try:
                return "event" if netif.wait_for(event_type, timeout=PATIENCE) else None
            except IfNotReady:
                return "error"

        waiter = threaded.spawn(wait)
        netif.close()
        assert waiter.result(PATIENCE) == end


def test_forked_child_leaves_the_parents_netif_alone(threaded):
    ours, theirs = pair()
    with (
        Stack("peer", runtime=threaded) as peer,
        Netif(theirs, stack=peer, ip="192.168.5.1/24"),
        Stack(runtime=threaded) as host,
        Netif(ours, stack=host, ip="192.168.5.100/24") as netif,
    ):
        child = os.fork()
        if child == 0:
            try:
                netif.close()
                os._exit(0)
            except BaseException:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert netif.is_up
