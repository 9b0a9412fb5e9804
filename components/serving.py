"""Many clients at once, each with a thread and a socket that blocks; for one thread for all, see sessions.py.

Knows only the stdlib's socket names, so the same server runs on a `Stack`, on a `Host` of a `Lan` and on the kernel's
`socket` module, which is how the one is measured beside the other.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from components.command import GaveUp

Spawn: TypeAlias = Callable[[Callable[[], Any]], Any]
IDLE = 2  # waiting in accept beyond this many, a worker goes home
LATER = (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # accept(2): try again


class Sockets(Protocol):
    """Where sockets come from: a Stack, a Host, or the stdlib's module."""

    def socket(self, family: int = ..., type: int = ..., proto: int = ..., /) -> Any: ...
    def create_server(self, address: tuple[str, int], /) -> Any: ...


def spawner(net: Any) -> Spawn:
    """How concurrent code runs there: tasks of its runtime, or threads where there is none."""
    runtime = getattr(net, "runtime", None)
    return runtime.spawn if runtime is not None else start_thread


def start_thread(fn: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=fn, daemon=True)
    thread.start()
    return thread


def serve(listener: Any, handle: Callable[[Any, Any], None], spawn: Spawn, *, most: int | None = None) -> None:
    """Accept until the listener is closed. Whoever accepts a client also serves it, so that none is handed over.

    With `most` clients being served the next ones wait in the listener's backlog.
    """
    idle, workers = 0, 1
    lock = threading.Lock()  # never held across a call that waits

    def worker(first: bool = False) -> None:
        nonlocal idle, workers
        while True:
            with lock:
                if idle >= IDLE and not first:
                    workers -= 1
                    return
                idle += 1
            try:
                connection, peer = listener.accept()
            except OSError as error:
                with lock:
                    idle -= 1
                if error.errno in LATER:
                    continue
                return  # closed: by its owner, or with its stack
            with lock:
                idle -= 1
                alone = idle == 0 and (most is None or workers < most)
                workers += alone
            if alone:
                spawn(worker)
            handle(connection, peer)

    worker(first=True)


def attend(
    listener: Any,
    handle: Callable[[Any, Any], None],
    spawn: Spawn,
    *,
    most: int | None = None,
    once: bool = False,
    timeout: float | None = None,
) -> None:
    """As `serve`, or only the first client with `once`. Raises GaveUp if none comes within `timeout` seconds."""
    if once or timeout is not None:
        connection, peer = first_client(listener, timeout)
        if once:
            handle(connection, peer)
            return
        listener.settimeout(None)
        spawn(lambda: handle(connection, peer))
    serve(listener, handle, spawn, most=most)


def first_client(listener: Any, timeout: float | None) -> tuple[Any, Any]:
    """As its `accept`, which waits. Raises GaveUp if nobody comes within `timeout` seconds."""
    listener.settimeout(timeout)
    try:
        connection, peer = listener.accept()
    except TimeoutError:
        raise GaveUp(f"no client has come to port {listener.getsockname()[1]} within {timeout:g} s") from None
    return connection, peer


def printable(data: bytes, limit: int = 128) -> str:
    """What a peer sent, fit for a terminal: whatever could steer one is escaped."""
    text = data[:limit].decode("utf-8", "backslashreplace")
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text.rstrip("\r\n"))
    return shown + ("..." if len(data) > limit else "")
