"""One way between the kernel and a Lan: how many use it at once, and what it counts.

What a door counts is in `stats`, by the names in COUNTERS; nothing that it turns away goes without a count.
"""

from __future__ import annotations

from typing import Any, Protocol

from components.gateway.quay import Quay
from stack.stats import Stats

COUNTERS = {
    "opened": "connections, or senders of datagrams, that came through",
    "full": "times when one more had to wait or was turned away, for there were too many",
    "no_descriptor": "the same, for this process may open no more descriptors",
    "refused": "connections that the other side refused, or that could not be begun",
    "not_allowed": "connections and datagrams to where the caller does not allow any",
    "undelivered": "datagrams lost because one side took none, or would take none of that size",
    "unreachable": "datagrams for which the other side has no socket",
    "forgotten": "senders of datagrams that were silent for too long, or made room for another",
}


class User(Protocol):
    """Whoever has come through."""

    def abort(self) -> None: ...


def checked(most: int) -> int:
    """ValueError."""
    if most < 1:
        raise ValueError(f"connections={most}: take 1 or more")
    return most


class Door:
    def __init__(self, quay: Quay, most: int) -> None:
        self.quay = quay
        self.most = checked(most)
        self.stats = Stats()
        self.users: dict[Any, None] = {}

    def is_full(self) -> bool:
        return len(self.users) >= self.most

    def enter(self, user: User) -> None:
        self.stats.count("opened")
        self.users[user] = None

    def left(self, user: User) -> None:
        self.users.pop(user, None)

    def abort(self) -> None:
        """Everybody who is still here. The gate is held."""
        for user in list(self.users):
            user.abort()
