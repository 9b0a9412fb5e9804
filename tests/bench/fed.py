"""Bulk in through the callback: `socket.feed` (stack/socket/feed.py) in place of a thread in `recv_into`.

On our stack alone: the kernel's sockets call nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from components.small_services import BLOCK
from tests.bench.client import FED


class Sink:
    """Reads all, and closes after the peer."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(BLOCK))

    def connection_made(self, _feed: Any) -> None: ...
    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, _nbytes: int) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, _error: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


def fed(net: Any, spawn: Callable[[Callable[[], None]], Any]) -> AbstractContextManager[Any]:
    """Sinks for all who come to FED, until the listener that this answers is closed."""
    listener: AbstractContextManager[Any] = net.create_server(("", FED))
    spawn(lambda: accept(listener))
    return listener


def accept(listener: Any) -> None:
    try:
        while True:
            listener.accept()[0].feed(Sink())
    except OSError:
        pass  # closed
