"""What the benchmark's server serves beside `components.small_services`: the same on our stack and on the kernel's.

A thread of its own blocks in each `recv_into` and each `sendall` (READ, WRITE; TALK echoes so); datagrams are counted
as they come (COUNT: one of another size asks how many there were) and sent as fast as `sendto` can (POUR: the asker
says for how long). 64 bytes are a datagram that counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from socket import AF_INET, SOCK_DGRAM
from typing import Any

from components.serving import serve, spawner
from components.small_services import BLOCK, CHARACTERS, SmallServices
from tests.bench.client import ASYNCIO, COUNT, DATAGRAM, FED, POUR, READ, TALK, WRITE
from tests.bench.fed import by_asyncio, fed


def read(connection: Any, _peer: Any) -> None:
    buffer = bytearray(BLOCK)
    with connection:
        try:
            while connection.recv_into(buffer):
                pass
        except OSError:
            pass  # the client has gone


def write(connection: Any, _peer: Any) -> None:
    with connection:
        try:
            while True:
                connection.sendall(CHARACTERS)
        except OSError:
            pass  # how each of them ends


def count(receiver: Any, dropped: Callable[[], int]) -> None:
    """Tell whoever asks how many datagrams came, and how many the stack has dropped."""
    came, recvfrom = 0, receiver.recvfrom
    try:
        while True:
            data, source = recvfrom(2048)
            if len(data) == len(DATAGRAM):
                came += 1
            else:
                answer = {"asked": data.decode(), "came": came, "dropped": dropped()}
                receiver.sendto(json.dumps(answer).encode(), source)
    except OSError:
        pass  # closed


def pour(sender: Any) -> None:
    """To whoever asks, for as many seconds as the question says; then how many those were, until it is heard."""
    try:
        while True:
            data, source = sender.recvfrom(2048)
            sent, sendto = 0, sender.sendto
            begun = time.perf_counter()
            end = begun + float(data)
            while (now := time.perf_counter()) < end:
                for _ in range(16):
                    sendto(DATAGRAM, source)
                sent += 16
            sender.sendto(json.dumps({"sent": sent, "seconds": now - begun}).encode(), source)
    except OSError:
        pass


@contextmanager
def services(net: Any, dropped: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """All of them, on a Stack or the stdlib's `socket`; `dropped` is what `count` tells of drops."""
    spawn = spawner(net)
    with ExitStack() as stack:
        stack.enter_context(SmallServices(net))
        for port, handle in ((READ, read), (WRITE, write)):
            listener = stack.enter_context(net.create_server(("", port)))
            spawn(partial(serve, listener, handle, spawn))
        for port, loop in ((COUNT, partial(count, dropped=dropped)), (POUR, pour)):
            receiver = stack.enter_context(net.socket(AF_INET, SOCK_DGRAM))
            receiver.bind(("", port))
            spawn(partial(loop, receiver))
        talking = stack.enter_context(net.create_server(("", TALK)))
        spawn(partial(serve, talking, talk, spawn))
        if hasattr(net, "runtime"):
            stack.enter_context(fed(net, spawn, FED))
            stack.enter_context(fed(net, spawn, ASYNCIO))
        else:
            reading = stack.enter_context(net.create_server(("", FED)))
            spawn(partial(serve, reading, read, spawn))
            stack.enter_context(by_asyncio(ASYNCIO))
        yield


def talk(connection: Any, _peer: Any) -> None:
    with connection:
        try:
            while data := connection.recv(BLOCK):
                connection.sendall(data)
        except OSError:
            pass
