"""Whom the calling code means by `socket`: a scope, or nobody, kept in a context variable.

Tasks of asyncio copy it by nature; who copies it into threads is `threads`' knowledge. A thread means what it was
started with as long as it lives.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from netif.runtime.virtual import VirtualRuntime
    from stack.stack import Stack

_POLICIES = ("refuse", "kernel")
_KERNELS = ("tapio.", "components.host.", "components.gateway.")  # of our rooms, what is between us and the kernel
_REAL_TIMES = (*_KERNELS, "netif.", "stack.")  # and those that know what time it is
_PASSED_BY = ("socket.", "stack.socket.use.")  # functions of these ask for somebody else
_WAITING = (*_PASSED_BY, "threading.", "queue.", "concurrent.futures.")  # and so do these, where time is asked for


class Scope(NamedTuple):
    """What one `use` has said."""

    stack: Stack
    passes: bool = False  # to the kernel what the host cannot reach
    clock: VirtualRuntime | None = None  # whose time is meant too


class Meaning(NamedTuple):
    """A scope, and what held around it."""

    scope: Scope | None  # None: the stdlib's own
    outer: Meaning | None
    said_by: object


_meaning: ContextVar[Meaning | None] = ContextVar("netif.use", default=None)


def scope_of(host: Any, elsewhere: str) -> Scope | None:
    """TypeError, ValueError."""
    from stack.stack import Stack

    if elsewhere not in _POLICIES:
        raise ValueError(f"elsewhere={elsewhere!r}: write {' or '.join(map(repr, _POLICIES))}")
    if host is None:
        return None
    stack = getattr(host, "stack", host)
    if not isinstance(stack, Stack):
        raise TypeError(f"use: {host!r} is no host: give a Stack, or what has one as .stack, like a Lan's Host")
    return Scope(stack, elsewhere == "kernel")


def push(scope: Scope | None, said_by: object) -> None:
    _meaning.set(Meaning(scope, _meaning.get(), said_by))


def pop(said_by: object) -> None:
    """What `said_by` has said does not hold any more; in another context than the one it said it in, it does not."""
    now = _meaning.get()
    if now is not None and now.said_by is said_by:
        _meaning.set(now.outer)


def current() -> Meaning | None:
    return _meaning.get()


def resume(meaning: Meaning | None) -> Meaning | None:
    """From now on this, in the calling context; what was before is returned."""
    before = _meaning.get()
    _meaning.set(meaning)
    return before


def asked() -> Scope | None:
    """The scope that whoever calls the stdlib is in; None: the kernel is meant, as our drivers mean it always."""
    meaning = _meaning.get()
    if meaning is None or meaning.scope is None:
        return None
    return None if _is_ours(_KERNELS, _PASSED_BY) else meaning.scope


def clock_asked() -> VirtualRuntime | None:
    """Whose time the caller means; a scope that says nothing of time leaves that as it was around it."""
    meaning = _meaning.get()
    while meaning is not None and meaning.scope is not None:
        clock = meaning.scope.clock
        if clock is not None:
            return None if clock.closed or _is_ours(_REAL_TIMES, _WAITING) else clock
        meaning = meaning.outer
    return None


def _is_ours(rooms: tuple[str, ...], passed_by: tuple[str, ...]) -> bool:
    """Whoever asks, by way of functions of the stdlib or not, is one of these rooms of ours."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _module(frame).startswith(passed_by):
        if frame.f_code.co_name == "run_program":  # where a thread of the program begins
            return False
        frame = frame.f_back
    return _module(frame).startswith(rooms)


def _module(frame: Any) -> str:
    """With a dot at its end."""
    return f"{frame.f_globals.get('__name__')}."
