"""The states of a Netif and which may follow which (only `Netif._become` moves along them), and the gate."""

from __future__ import annotations

import enum

from netif.link import Runtime


class State(enum.Enum):
    NEW = "new"  # configured
    ATTACHED = "attached"  # has a handle
    STARTED = "started"  # has an interface in its stack and a port in the runtime; link down
    UP = "up"  # frames pass
    CLOSING = "closing"  # as STARTED or UP, while connections end
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.ATTACHED, State.CLOSED}),
    State.ATTACHED: frozenset({State.STARTED, State.NEW, State.CLOSED}),
    State.STARTED: frozenset({State.UP, State.ATTACHED, State.CLOSING}),
    State.UP: frozenset({State.STARTED, State.ATTACHED, State.CLOSING}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Held:
    """The gate, for a `with`; nothing where there is no runtime yet."""

    __slots__ = ("runtime",)

    def __init__(self, runtime: Runtime | None) -> None:
        self.runtime = runtime

    def __enter__(self) -> None:
        if self.runtime is not None:
            self.runtime.enter()

    def __exit__(self, *_exception: object) -> None:
        if self.runtime is not None:
            self.runtime.leave()
