"""A function that sees every frame of a wire, and may change, drop or add some: `Hook(driver, fn)`.

As for `impair`, the driver inside is asked for one segment and no offload, and what comes undone all the same is cut
and finished: `fn` sees what would be on a cable, checksums complete. It runs under the gate, so it may enter no socket.
What it puts in is not shown to it again. All that waits is bounded, and what finds no room is counted.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import attrs

from netif.link import PARTIAL, Buffer, Driver, LinkCaps, Offload, Port
from netif.wire import Malformed
from netif.wire.segment import cut
from tapio.script import DROP, DUPLICATE, PASS, Direction, Fate
from tapio.wrapper import InnerPort, Wrapper

log = logging.getLogger(__name__)

Answer: TypeAlias = Fate | bytes | Sequence[bytes] | None
Function: TypeAlias = Callable[[Direction, bytes], Answer]

WAITING = 1024  # frames, in each direction
_PULLED = 64  # frames taken from the driver inside at one go


class Hook(Wrapper):
    """`fn(direction, frame)` answers None or PASS: as it is; bytes: this frame instead; a list: these, in order; DROP;
    DUPLICATE. `direction` is "in" or "out", as the host sees it.

    An exception in `fn`, or an answer that is none of these, is logged the first time with its traceback, and counted;
    the frame passes, or is dropped where `on_error` is "drop".
    """

    def __init__(
        self, driver: Driver, fn: Function, *, on_error: Literal["pass", "drop"] = "pass", waiting: int = WAITING
    ) -> None:
        super().__init__(driver)
        if not callable(fn):
            raise ValueError(f"{fn!r} is no function of a direction and a frame")
        if on_error not in ("pass", "drop"):
            raise ValueError(f"on_error: {on_error!r}: write 'pass' or 'drop'")
        self.fn = fn
        self.seen = self.changed = self.removed = self.added = 0  # frames, both directions
        self.errors = 0  # of `fn`
        self.malformed = 0  # could not be cut or finished: dropped unseen
        self.refused = 0  # no room: what was to be put in, or what came of a frame
        self._on_error = on_error
        self._room = waiting
        self._inward: deque[bytes] = deque()
        self._outward: deque[bytes] = deque()
        self._port: Port | None = None
        self._owes = False  # a `writable`: we answered False

    @property
    def counters(self) -> dict[str, int]:
        """All counts by name."""
        names = "seen changed removed added errors malformed refused"
        return {name: getattr(self, name) for name in names.split()}

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._port = port
        segment = attrs.evolve(want, gso_max=want.mtu, tx_checksum=False, rx_checksum=False)
        return self.driver.open(segment, InnerPort(port, self._may_go_on))

    def inject_in(self, frame: bytes) -> bool:
        """Let the host get `frame`; from any thread. False: no room, or the wire is not open."""
        return self._inject(self._inward, frame)

    def inject_out(self, frame: bytes) -> bool:
        """Send `frame` on the wire; from any thread. False: no room, or the wire is not open."""
        return self._inject(self._outward, frame)

    def _inject(self, waiting: deque[bytes], frame: bytes) -> bool:
        port = self._port
        if port is None or not self._add(waiting, bytes(frame)):
            return False
        self.added += 1
        port.poke()
        return True

    def _add(self, waiting: deque[bytes], frame: bytes) -> bool:
        if len(waiting) < self._room:
            waiting.append(frame)
            return True
        self.refused += 1
        return False

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self._port is None:
            return True
        if self._outward and not self._send():
            self._owes = True
            return False
        for frame in self._asked("out", buffers, offload):
            self._add(self._outward, frame)
        self._send()
        return True

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        port = self._port
        if port is None:
            return None
        self._send()  # what was put in from another thread
        for _ in range(_PULLED):
            if self._inward:
                return self._inward.popleft(), None
            item = self.driver.receive()
            if item is None:
                return (self._inward.popleft(), None) if self._inward else None
            for frame in self._asked("in", (item[0],), item[1]):
                self._add(self._inward, frame)
        port.readable()
        return None

    def advance(self, now: float) -> None:
        if self._port is None:
            return
        self.driver.advance(now)
        if self._send() and self._owes:
            self._owes = False
            self._port.writable()

    def _send(self) -> bool:
        """What waits for the wire; True if nothing does any longer."""
        while self._outward:
            if not self.driver.transmit((self._outward[0],), None):
                return False
            self._outward.popleft()
        return True

    def _may_go_on(self) -> None:
        """The driver inside has room again."""
        if self._port is not None:
            self._port.call_at(self._port.now())

    def _asked(self, direction: Direction, buffers: tuple[Buffer, ...], offload: Offload | None) -> Sequence[bytes]:
        """What goes on in this frame's place."""
        if offload is None or (offload.checksum != PARTIAL and not offload.gso_size):
            return self._ask(direction, b"".join(buffers))
        try:
            pieces = cut(buffers, offload)
        except Malformed:
            self.malformed += 1
            return ()
        return [frame for piece in pieces for frame in self._ask(direction, piece)]

    def _ask(self, direction: Direction, frame: bytes) -> Sequence[bytes]:
        self.seen += 1
        try:
            answer = self.fn(direction, frame)
            frames = (frame,) if answer is None or answer is PASS else frames_of(answer, frame)
        except Exception:
            if not self.errors:
                fate = "are dropped" if self._on_error == "drop" else "pass"
                log.exception("%r: an error in it, told once; such frames %s", self, fate)
            self.errors += 1
            frames = () if self._on_error == "drop" else (frame,)
        if not frames:
            self.removed += 1
        elif frames[0] != frame:
            self.changed += 1
        self.added += max(0, len(frames) - 1)
        return frames

    def close(self) -> None:
        self._port = None
        self._owes = False
        self._inward.clear()
        self._outward.clear()
        self.driver.close()

    def __repr__(self) -> str:
        return f"<Hook {getattr(self.fn, '__qualname__', self.fn)}, {self.driver!r}>"


def frames_of(answer: Answer, frame: bytes) -> Sequence[bytes]:
    """The frames that an answer stands for; TypeError for what is none."""
    if answer is DROP:
        return ()
    if answer is DUPLICATE:
        return (frame, frame)
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return (bytes(answer),)
    if isinstance(answer, (list, tuple)) and all(isinstance(one, (bytes, bytearray)) for one in answer):
        return [bytes(one) for one in answer]
    raise TypeError(f"{answer!r} is no answer: None, bytes, a list of bytes, DROP or DUPLICATE")
