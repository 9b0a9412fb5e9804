"""Listeners that share one address, SO_REUSEPORT of socket(7): each connection comes to one of them.

Which one depends on the peer's address and port alone, so that a SYN said again finds the same. One of them stands in
the layer's table for all; `mates` is one list that all of them have, or None for a listener that is alone.
"""

from __future__ import annotations

from binascii import crc32
from errno import EADDRINUSE
from typing import TYPE_CHECKING

from stack.failure import failure

if TYPE_CHECKING:
    from stack.tcp.layer import Tcp
    from stack.tcp.listener import Listener


def check(first: Listener | None, shares: bool) -> None:
    """May another listen where `first` does? OSError(EADDRINUSE)."""
    if first is not None and not (shares and first.shares):
        raise failure(EADDRINUSE)


def enter(listener: Listener) -> None:
    """`check` has been asked."""
    first = listener.layer.listeners.setdefault(listener.key, listener)
    if first is not listener:
        if first.mates is None:
            first.mates = [first]
        first.mates.append(listener)
        listener.mates = first.mates


def leave(listener: Listener) -> None:
    listeners, mates = listener.layer.listeners, listener.mates
    if mates is None or len(mates) == 1:
        del listeners[listener.key]
        return
    mates.remove(listener)
    listener.mates = None
    listeners[listener.key] = mates[0]


def chosen(listener: Listener, remote: tuple[bytes, int]) -> Listener:
    """Whose a connection from `remote` is."""
    mates = listener.mates
    return listener if mates is None else mates[crc32(remote[0], remote[1]) % len(mates)]


def everyone(layer: Tcp) -> list[Listener]:
    return [mate for first in layer.listeners.values() for mate in first.mates or (first,)]
