"""Urgent data (RFC 9293 3.8.5, RFC 6093): the pointer names the octet that follows it, both ways.

As Linux and BSD have it, of what the peer calls urgent only the last octet is: it is read apart from the rest
(MSG_OOB) or, as RFC 6093 4 recommends, in line (SO_OOBINLINE); either way a read stops before it, and `at_mark` tells.
A connection has one of these from when urgent data is first sent or met; it knows sequence numbers and octets alone.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from netif.link import Buffer
from netif.wire.tcp import URG
from stack.failure import failure
from stack.tcp.receiver import Receiver
from stack.tcp.states import CLOSED

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.segment import Segment

MOST = 0xFFFF  # how far ahead a pointer can point


def read_at(receiver: Receiver) -> int:
    """The sequence number of the next octet that the application reads."""
    return receiver.rcv_nxt - receiver.queued - receiver.finished()


class Urgent:
    __slots__ = ("inline", "mark", "octet", "snd_up", "taken")

    def __init__(self) -> None:
        self.snd_up: int | None = None  # first octet that is not urgent, of what we send
        self.mark: int | None = None  # the peer's urgent octet, until a read has passed it
        self.octet: bytes | None = None  # it, once it has come
        self.taken = False  # it was read apart
        self.inline = False

    # what we send

    def ahead_of(self, seq: int) -> int:
        """The urgent pointer of a segment that begins at `seq`; 0: it bears none."""
        return 0 if self.snd_up is None or seq >= self.snd_up else min(self.snd_up - seq, MOST)

    # what the peer sends

    def arrives(self, segment: Segment, receiver: Receiver) -> bool:
        """A pointer. True: it is news to the application (MUST-32)."""
        mark = segment.seq + max(segment.urgent, 1) - 1
        if mark < receiver.rcv_nxt or (self.mark is not None and mark <= self.mark):
            return False
        if not self.inline and self.mark is not None and self.mark == read_at(receiver) and receiver.queued:
            receiver.read(1)  # the last one, which nobody has fetched, is none of the stream's
        self.mark, self.octet, self.taken = mark, None, False
        return True

    def look(self, segment: Segment) -> bool:
        """Is the urgent octet in this segment? It need not be in order."""
        mark = self.mark
        if mark is None or self.octet is not None or not segment.seq <= mark < segment.seq + segment.length:
            return False
        at = mark - segment.seq
        self.octet = bytes(segment.payload[at : at + 1])
        return True

    # what the application reads

    def at_mark(self, receiver: Receiver) -> bool:
        return self.mark is not None and self.mark == read_at(receiver)

    def pending(self) -> bool:
        """The octet has come, and nobody has read it."""
        return self.octet is not None and not self.taken

    def remaining(self, receiver: Receiver) -> int:
        """Octets up to the end of the urgent data (MUST-33)."""
        return 0 if self.mark is None else max(self.mark + 1 - read_at(receiver), 0)

    def readable(self, receiver: Receiver) -> int:
        """How much of what is queued the stream will give."""
        apart = not self.inline and self.mark is not None and read_at(receiver) <= self.mark < receiver.rcv_nxt
        return receiver.queued - apart

    def comes_to(self, receiver: Receiver) -> bool:
        """Does the stream give anything now? Not the octet alone: it can still be read apart."""
        return receiver.queued > 1 or self.readable(receiver) > 0

    def reads(self, receiver: Receiver, count: int) -> int:
        """Of `count` bytes none beyond the mark, but for a read that begins there: it passes the mark."""
        mark = self.mark
        if mark is None:
            return count
        ahead = mark - read_at(receiver)
        if ahead > 0:
            return min(count, ahead)
        if not self.inline:
            receiver.read(1)
        self.mark = self.octet = None
        return count

    def peek(self, receiver: Receiver, count: int) -> bytes:
        ahead = count if self.mark is None else self.mark - read_at(receiver)
        if ahead > 0:
            return receiver.peek(min(count, ahead))
        return receiver.peek(count) if self.inline else receiver.peek(count + 1)[1:]

    def read_apart(self, peek: bool) -> bytes | None:
        """MSG_OOB. None: it has not come. OSError(EINVAL): there is none, it was read, or it is in line."""
        if self.inline or self.mark is None or self.taken:
            raise failure(errno.EINVAL)
        if self.octet is not None and not peek:
            self.taken = True
        return self.octet


def of(connection: Connection) -> Urgent:
    """Its urgent data, from now on."""
    urgent = connection.urgent
    connection.is_straight = False
    if urgent is None:
        urgent = connection.urgent = Urgent()
        urgent.inline = connection.config.oob_inline
    return urgent


def arrives(connection: Connection, segment: Segment) -> None:
    """RFC 9293 3.10.7.4, sixth."""
    receiver = connection.receiver
    if segment.flags & URG and not receiver.finished():
        urgent = of(connection)
        if urgent.arrives(segment, receiver):
            connection.wake_readers()
            trace = connection.stack.trace
            if trace is not None:
                trace("urgent", connection, urgent.remaining(receiver))
    if connection.urgent is not None and connection.urgent.look(segment):
        connection.wake_readers()


def write(connection: Connection, data: Buffer) -> int:
    """As `connection.write`; the last octet accepted is urgent, and so is, to the peer, all before it."""
    accepted = connection.write(data)
    if accepted:
        sender = connection.sender
        of(connection).snd_up = sender.snd_nxt + sender.unsent_bytes
        if sender.snd_nxt >= sender.snd_una + sender.snd_wnd:
            connection.receiver.ack_now = True  # the pointer needs no window
    return accepted


def read(connection: Connection, peek: bool) -> bytes | None:
    """The urgent octet, read apart; b"" when it will never come, None while it has not."""
    octet = of(connection).read_apart(peek)
    if octet is None and (connection.receiver.finished() or connection.state is CLOSED):
        return b""
    return octet
