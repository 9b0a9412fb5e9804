"""A runtime's port that only notes what a driver asks of it. The host tests of drivers share it."""

from __future__ import annotations

import random
from typing import Any

from netif.link import Buffer, Driver, Offload


class FakeRuntime:
    """A clock that a test turns by hand."""

    def __init__(self) -> None:
        self.time = 0.0


class FakePort:
    """Notes what a driver asks of the runtime: `ready`, `room` and `watched` count."""

    def __init__(self, runtime: FakeRuntime, seed: int = 1) -> None:
        self.runtime: Any = runtime
        self.dice = random.Random(seed)
        self.ready = self.room = self.watched = 0
        self.deadline: float | None = None
        self.failures: list[OSError] = []

    def now(self) -> float:
        return self.runtime.time

    def readable(self) -> None:
        self.ready += 1

    poke = readable

    def writable(self) -> None:
        self.room += 1

    def watch(self) -> None:
        self.watched += 1

    def call_at(self, when: float) -> None:
        self.deadline = when if self.deadline is None else min(when, self.deadline)

    def failed(self, error: OSError) -> None:
        self.failures.append(error)


def drain(driver: Driver) -> list[tuple[Buffer, Offload | None]]:
    """All that it has now."""
    taken = []
    while (item := driver.receive()) is not None:
        taken.append(item)
    return taken


def drained(driver: Driver) -> list[bytes]:
    """The frames of all that it has now."""
    return [bytes(frame) for frame, _ in drain(driver)]
