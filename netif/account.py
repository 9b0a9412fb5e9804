"""Memory that many draw on: how much is held, and whether that is too much.

Accounts are nested: what a stack's sockets hold counts for the stack and for its Runtime. Over its limit an account is
pressed, and so is every one below it, until three quarters of the limit are left. What to do then is the holders' to
know: nothing is refused here, for a hole that may not be filled could never be read.
"""

from __future__ import annotations

from collections.abc import Callable

SOCKET_MEMORY = 256 << 20  # bytes that the sockets of all stacks of a Runtime may hold


class Account:
    __slots__ = ("_members", "above", "held", "limit", "over", "pressed", "told")

    def __init__(
        self, limit: int = SOCKET_MEMORY, above: Account | None = None, told: Callable[[], None] | None = None
    ) -> None:
        """`told` is called each time when it becomes pressed."""
        self.limit = limit
        self.above = above
        self.told = told
        self.held = 0  # bytes
        self.over = False
        self.pressed: bool = above is not None and above.pressed  # it, or one above it, is over its limit
        self._members: dict[Account, None] = {}
        if above is not None:
            above._members[self] = None

    def charge(self, change: int) -> None:
        """So many bytes more are held, or fewer."""
        held = self.held = self.held + change
        if self.over:
            if held * 4 <= self.limit * 3:
                self.over = False
                self._judge()
        elif held > self.limit:
            self.over = True
            self._judge()
        if self.above is not None:
            self.above.charge(change)

    def close(self) -> None:
        """Nobody draws on it any more: what it held is given back."""
        if self.above is not None:
            self.above._members.pop(self, None)
            self.above.charge(-self.held)
            self.above = None

    def _judge(self) -> None:
        pressed = self.over or (self.above is not None and self.above.pressed)
        if pressed is not self.pressed:
            self.pressed = pressed
            if pressed and self.told is not None:
                self.told()
            for member in self._members:
                member._judge()
