"""Whom the calling code means by `socket`: a scope, or nobody, kept in a context variable.

Tasks of asyncio copy it by nature; who copies it into threads is `threads`' knowledge. A thread means what it was
started with as long as it lives.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from stack.stack import Stack

_POLICIES = ("refuse", "kernel")
_KERNELS = ("tapio.", "components.host.", "components.gateway.")  # of our rooms, what is between us and the kernel
_PASSED_BY = ("socket.", "stack.socket.use.")  # functions of these ask for somebody else


class Scope(NamedTuple):
    """What one `use` has said."""

    stack: Stack
    passes: bool = False  # to the kernel what the host cannot reach


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
    frame = sys._getframe(1)
    while frame.f_back is not None and _module(frame).startswith(_PASSED_BY):
        frame = frame.f_back
    return None if _module(frame).startswith(_KERNELS) else meaning.scope


def _module(frame: Any) -> str:
    """With a dot at its end."""
    return f"{frame.f_globals.get('__name__')}."
