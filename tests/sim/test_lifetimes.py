"""Whole lives of hosts, links and connections: what they take they give back, in whatever order they end."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket as stdlib
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.lan import Lan
from netif.netif import Netif
from netif.runtime import AsyncioRuntime, ThreadedRuntime, VirtualRuntime
from stack import Stack
from stack.tcp.config import TcpConfig
from tapio import UnixWire, pair

PATIENCE = 20.0  # seconds, for what takes milliseconds unless it is broken
LEFT, RIGHT = "10.0.0.1", "10.0.0.2"
Runtime = ThreadedRuntime | VirtualRuntime


def holdings() -> tuple[set[str], set[threading.Thread], Any]:
    gc.collect()
    return set(os.listdir("/proc/self/fd")), set(threading.enumerate()), signal.getsignal(signal.SIGINT)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = holdings()
    yield
    assert holdings() == before


class Two:
    """Two hosts on one cable."""

    def __init__(self, runtime: Any, ends: tuple[Any, Any] | None = None, **settings: Any) -> None:
        self.runtime = runtime
        self.listening = threading.Event()
        tcp = TcpConfig(**settings)
        ends = ends or pair()
        self.left = Stack("left", runtime=runtime, tcp=tcp)
        self.right = Stack("right", runtime=runtime, tcp=tcp)
        self.left_netif = Netif(ends[0], stack=self.left, ip=f"{LEFT}/24")
        self.right_netif = Netif(ends[1], stack=self.right, ip=f"{RIGHT}/24")

    def connected(self) -> tuple[Any, Any]:
        """(a client of the left, its server's end on the right)."""
        with self.right.create_server(("", 7)) as listener:
            client = self.left.create_connection((RIGHT, 7), timeout=PATIENCE)
            return client, listener.accept()[0]

    def close(self, linger: float = 1.0) -> None:
        self.left.close(linger)
        self.right.close(linger)
        self.runtime.close()

    def accepts_in_vain(self) -> None:
        with self.left.create_server(("", 9)) as listener:
            self.listening.set()
            told(listener.accept)


def connected(two: Two, then: Callable[[Any, Any], Any]) -> Any:
    """What `then` says of two ends; in virtual time by a spawned function, as only those may block."""

    def scene() -> Any:
        return then(*two.connected())

    if isinstance(two.runtime, ThreadedRuntime):
        return scene()
    task = two.runtime.spawn(scene)
    two.runtime.run_until(task.done)
    return task.result()


class TestAHundredLives:
    """Open, connect, talk, close: a hundred times, and nothing stays."""

    def test_in_threads(self, tmp_path: Path):
        def life(n: int) -> list[Any]:
            two = Two(ThreadedRuntime(strict=True))
            client, server = two.connected()
            blocked = two.runtime.spawn(two.accepts_in_vain)
            assert two.listening.wait(PATIENCE)
            with client, server:
                client.sendall(bytes(20_000))
                assert len(server.recv(20_000, stdlib.MSG_WAITALL)) == 20_000
                if n % 3 == 0:
                    two.close(0.01)
            two.close()
            assert blocked.done()
            return [two.left, two.right, two.runtime, two.left_netif]

        live_and_leave_nothing(life)

    def test_in_threads_with_everything_left_open(self):
        def life(n: int) -> list[Any]:
            two = Two(ThreadedRuntime(strict=True))
            client, server = two.connected()
            client.sendall(b"never read")
            two.runtime.spawn(partial(told, partial(client.recv, 1)))
            two.close(0.01)
            client.close()
            server.close()
            return [two.left, two.right, two.runtime, two.left_netif]

        live_and_leave_nothing(life)

    def test_in_virtual_time(self):
        def life(n: int) -> list[Any]:
            two = Two(VirtualRuntime(seed=n, strict=True))

            def talk(client: Any, server: Any) -> None:
                with client, server:
                    client.sendall(bytes(20_000))
                    assert len(server.recv(20_000, stdlib.MSG_WAITALL)) == 20_000

            connected(two, talk)
            two.runtime.spawn(two.accepts_in_vain)
            two.runtime.run_for(1.0)
            two.close()
            return [two.left, two.right, two.runtime, two.left_netif]

        live_and_leave_nothing(life)

    def test_on_a_loop(self):
        async def scene(n: int) -> list[Any]:
            runtime = AsyncioRuntime(seed=n, strict=True)
            two = Two(runtime)
            async with two.right.aio.listen(("", 7)) as listener:
                client = await two.left.aio.connect((RIGHT, 7))
                server, _ = await listener.accept()
                async with client, server:
                    await client.sendall(bytes(20_000))
                    assert await server.recv(20_000)
            await two.left.aclose()
            await two.right.aclose()
            runtime.close()
            return [two.left, two.right, runtime, two.left_netif]

        live_and_leave_nothing(lambda n: asyncio.run(scene(n)))

    def test_of_a_lan(self):
        def life(n: int) -> list[Any]:
            with Lan(seed=n, clock="real" if n % 2 else "virtual") as lan:
                server, client = lan.host("server"), lan.host("client")

                def serve() -> None:
                    with server.create_server(("", 7)) as listener:
                        connection, _ = listener.accept()
                        with connection:
                            connection.sendall(connection.recv(100))

                def ask() -> bytes:
                    with client.create_connection((server.ip, 7)) as connection:
                        connection.sendall(b"hello")
                        return connection.recv(100)

                serving = server.spawn(serve)
                asking = client.spawn(lambda: patiently(ask))
                lan.run_until(lambda: asking.done() and serving.done(), timeout=PATIENCE)
                assert asking.result() == b"hello"
            return [lan, server.stack, client.stack, lan.runtime]

        live_and_leave_nothing(life)

    def test_of_a_wire_between_processes(self, tmp_path: Path):
        def life(n: int) -> list[Any]:
            path = str(tmp_path / "wire")
            two = Two(ThreadedRuntime(strict=True), (UnixWire(path), UnixWire(path)))
            client, server = two.connected()
            with client, server:
                client.sendall(bytes(20_000))
                assert len(server.recv(20_000, stdlib.MSG_WAITALL)) == 20_000
            two.right.close()  # or it would be told that the switch is gone
            two.close()
            assert os.listdir(tmp_path) == []
            return [two.left, two.right, two.runtime, two.left_netif]

        live_and_leave_nothing(life)


def patiently(ask: Callable[[], bytes]) -> bytes:
    """On a real clock a client may come before its server."""
    while True:
        try:
            return ask()
        except ConnectionRefusedError:
            time.sleep(0.001)


def live_and_leave_nothing(life: Callable[[int], list[Any]]) -> None:
    """`life` answers objects that must be gone when it is over."""
    for n in range(8):
        life(n)
    before_holdings = holdings()
    tracemalloc.start()
    try:
        for n in range(4):
            life(n)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for n in range(100):
            remains = [weakref.ref(each) for each in life(n)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [ref() for ref in remains] == [None] * len(remains)
    assert after - before < 64 << 10
    assert holdings() == before_holdings


PIECES = ("client", "server", "listener", "left_netif", "right_netif", "left", "right", "runtime")


@pytest.mark.parametrize("kind", [ThreadedRuntime, VirtualRuntime])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_things_may_be_closed_in_any_order(kind: type[Runtime], busy: bool, seed: int):
    """Each once, and all of them again; whoever waits is told."""
    dice = random.Random(seed)
    for _ in range(16):
        order = dice.sample(PIECES, len(PIECES))
        two = Two(kind(seed=dice.getrandbits(32), strict=True))
        pieces: dict[str, Any] = {name: getattr(two, name, None) for name in PIECES}
        pieces["listener"] = two.left.create_server(("", 9))
        pieces["client"], pieces["server"] = connected(two, lambda *both: both)
        waits = [partial(pieces["client"].recv, 1), pieces["listener"].accept]
        if busy:
            waits.append(partial(pieces["server"].sendall, bytes(5_000_000)))
        waiting = [two.runtime.spawn(partial(told, wait)) for wait in waits]
        two.runtime.run_for(0.01)
        print(*order)
        for name in (*order, *order):
            if name.endswith("netif") or name in ("left", "right"):
                pieces[name].close(linger=0.05)
            else:
                pieces[name].close()
        assert [task.done() for task in waiting] == [True] * len(waits)
        assert two.runtime.internal_errors == 0


def told(wait: Callable[[], Any]) -> None:
    """`wait`, which ends by an error or by the end of the stream."""
    try:
        wait()
    except OSError:
        pass


def test_an_order_that_is_known_to_be_hard():
    """The wire goes first, the runtime next, and what lives by them last."""
    two = Two(ThreadedRuntime(strict=True))
    client, server = two.connected()
    client.sendall(bytes(100))
    two.left_netif.close(0)
    two.runtime.close()
    with pytest.raises(OSError, match=r".+"):
        client.send(b"x")
    for each in (client, server, two.right_netif, two.right, two.left):
        each.close()
