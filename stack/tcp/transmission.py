"""One range of sequence numbers on its way, and what is known of its fate. It can be cut in two."""

from __future__ import annotations

from operator import attrgetter

import attrs

from netif.link import Buffer

FLYING, LOST, SACKED, DONE = 0, 1, 2, 3  # Transmission.state; DONE: acknowledged, or part of another now

_SMALL = 4096  # bytes

by_seq = attrgetter("seq")


@attrs.define(eq=False)
class Transmission:
    """[seq, end), the views that hold its bytes, when it was last sent."""

    seq: int
    end: int
    views: tuple[Buffer, ...]
    sent_at: float
    fin: bool = False  # its last sequence number is the FIN
    retransmitted: bool = False
    state: int = FLYING


def skip(views: tuple[Buffer, ...], count: int) -> tuple[Buffer, ...]:
    """The views without their first `count` bytes."""
    for index, view in enumerate(views):
        size = len(view)
        if count < size:
            return (memoryview(view)[count:], *views[index + 1 :]) if count else views[index:]
        count -= size
    return ()


def take(views: tuple[Buffer, ...], count: int) -> tuple[Buffer, ...]:
    """The first `count` bytes of the views."""
    taken: list[Buffer] = []
    for view in views:
        if count <= 0:
            break
        taken.append(view if len(view) <= count else memoryview(view)[:count])
        count -= len(view)
    return tuple(taken)


def join(first: tuple[Buffer, ...], second: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
    """One after the other. Where they meet small ones become one, or single bytes would cost an object each."""
    if first and second and len(first[-1]) + len(second[0]) <= _SMALL:
        return (*first[:-1], b"".join((first[-1], second[0])), *second[1:])
    return first + second


def split(whole: Transmission, count: int) -> Transmission:
    """Take the first `count` bytes off a range."""
    seq = whole.seq
    views = take(whole.views, count)
    head = Transmission(seq, seq + count, views, whole.sent_at, False, whole.retransmitted, whole.state)
    whole.views = skip(whole.views, count)
    whole.seq = seq + count
    return head
