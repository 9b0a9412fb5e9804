"""Kernel programs beside a Lan: threads and subprocesses on loopback, each ended with its test."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.lan import Lan

PATIENCE = 20.0  # seconds for anything that is awaited


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=8, clock="real") as made:
        yield made


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], object]], Callable[[], object]]]:
    """aside(fn): run it in a thread of its own; the answer waits for its result."""
    started: list[Callable[[], object]] = []

    def begin(fn: Callable[[], object]) -> Callable[[], object]:
        results: list[object] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(fn())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def result() -> object:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{fn} is not done"
            if errors:
                raise errors.pop()
            return results[0] if results else None

        started.append(result)
        return result

    yield begin
    for result in started:
        result()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A kernel socket that listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE)
        yield made


def call(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, PATIENCE)


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def push(sock: Any, quiet: float = 0.3) -> int:
    """Send until hardly anything is taken any more for `quiet` seconds: how much went."""
    sock.settimeout(quiet)
    count, taken = 0, 65536
    try:
        while count < 64 << 20 and taken > 1024:  # less is what a sender tries when a window stays small for long
            taken = sock.send(bytes(65536))
            count += taken
    except TimeoutError:
        pass
    sock.settimeout(PATIENCE)
    return count
