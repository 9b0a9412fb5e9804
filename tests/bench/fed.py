"""Bulk in through a callback: `socket.feed` (stack/socket/feed.py) in place of a thread in `recv_into`.

The kernel's sockets call nobody. What is held against ours at FED is a thread in `recv_into`, the best that Python has
there; and in a row of its own asyncio with the same protocol (ASYNCIO), which is what a program would use.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from components.serving import start_thread
from components.small_services import BLOCK


class Sink(asyncio.BufferedProtocol):
    """Reads all, and closes after the peer."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(BLOCK))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None: ...


def fed(net: Any, spawn: Callable[[Callable[[], None]], Any], port: int) -> AbstractContextManager[Any]:
    """Sinks for all who come to our stack there, until the listener that this answers is closed."""
    listener: AbstractContextManager[Any] = net.create_server(("", port))
    spawn(lambda: accept(listener))
    return listener


def accept(listener: Any) -> None:
    try:
        while True:
            listener.accept()[0].feed(Sink())
    except OSError:
        pass  # closed


@contextmanager
def by_asyncio(port: int) -> Iterator[None]:
    """Sinks for all who come to the kernel there, from a loop in a thread of its own."""
    loop, listening = asyncio.new_event_loop(), threading.Event()

    async def listen() -> None:
        server = await loop.create_server(Sink, "", port)
        listening.set()
        await server.serve_forever()

    task = loop.create_task(listen())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = start_thread(run)
    listening.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
