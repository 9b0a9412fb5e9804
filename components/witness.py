"""What a host has to say of the frames in a capture: why it dropped one, and how its connection stood after it.

Joins three that know nothing of each other: a capture's `Comments`, a stack (its trace, its connections) and the
`Impair`s around its driver. Nothing is kept but the frame in hand; who asks for no comments has none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netif.wire import Malformed, ip, tcp
from netif.wire.segment import link_length
from stack.tcp.connection import Connection
from tapio.capture.comments import Comments, Note
from tapio.impairment import Impair

if TYPE_CHECKING:
    from netif.link import Buffer, Driver, Medium
    from stack import Stack
    from tapio.script import Direction

SEQ_MASK = 0xFFFFFFFF


class Witness:
    """Speaks for `stack`; `name` stands before what it says. `sees_arrivals`: frames are noted as the host gets them,
    too, and what is lost on the way is then noted here. It takes the stack's trace, and hands on to who had it."""

    def __init__(
        self, comments: Comments, stack: Stack, name: str, medium: Medium, *, sees_arrivals: bool = False
    ) -> None:
        self.comments = comments
        self.stack = stack
        self.name = name
        self._link = link_length(medium)
        self._sees_arrivals = sees_arrivals
        self._current: Note | None = None
        self._before = stack.trace
        stack.trace = self._trace

    def listen(self, driver: Driver | None) -> None:
        """To every Impair from `driver` inwards."""
        while driver is not None:
            if isinstance(driver, Impair):
                driver.tell(self._befell)
            driver = getattr(driver, "driver", None)

    def _befell(self, direction: Direction, frame: bytes, words: tuple[str, ...], changed: tuple[bytes, ...]) -> None:
        text = f"{self.name} {direction}: {', '.join(words)}"
        if direction == "out":
            self.comments.will_be_noted("out", frame, text, changed)
        elif not self._sees_arrivals:
            self.comments.said(frame, text, changed)
        elif changed:
            self.comments.will_be_noted("in", changed[0], text)
        else:
            self.comments.will_be_noted("in", frame, text)
            self.comments.frame("in", self.stack.runtime.now(), (frame,), None, self.name)

    def sent(self, frame: bytes) -> None:
        note = self.comments.find(frame)
        state = None if note is None else self._state(frame, ours=True)
        if note is not None and state is not None:
            note.say(f"{self.name}: {state}")

    def arrived(self, frame: Buffer | None) -> None:
        """The stack gets `frame` now, and is done with the one before; None: it gets no more in this turn."""
        note = self._current
        if note is not None:
            state = self._state(note.frame, ours=False)
            if state is not None:
                note.say(f"{self.name}: {state}")
        self._current = None if frame is None else self.comments.find(frame)

    def _trace(self, event: str, owner: object, detail: object) -> None:
        if event == "drop" and self._current is not None:
            self._current.say(f"{self.name} dropped it: {detail}")
        if self._before is not None:
            self._before(event, owner, detail)

    def _state(self, frame: bytes, *, ours: bool) -> str | None:
        """Of the connection that a segment belongs to, with numbers counted from its beginning."""
        link = self._link
        try:
            if link and frame[12:14] != b"\x08\0":
                return None
            header_len, total_len, _, fragment, _, protocol, src, dst, _ = ip.parse(frame, link)
            if protocol != ip.TCP or fragment & (ip.MF | ip.OFFSET_MASK):
                return None
            sport, dport, *_ = tcp.parse(frame, link + header_len, link + total_len)
        except Malformed:
            return None
        key: Any = (src, sport, dst, dport) if ours else (dst, dport, src, sport)
        entry = self.stack.tcp.connections.get(key)
        if entry is None:
            return None
        if not isinstance(entry, Connection):
            return "TIME-WAIT"
        sender = entry.sender
        text = f"{entry.state.value} una {sender.snd_una - sender.iss}"
        if entry.irs is not None:
            text += f" nxt {entry.receiver.rcv_nxt - entry.irs & SEQ_MASK}"
        return text

    def close(self) -> None:
        self.arrived(None)
        if self.stack.trace == self._trace:
            self.stack.trace = self._before
