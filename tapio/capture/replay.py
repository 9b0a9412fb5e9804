"""A capture as a wire: what its far side sent is delivered, at the times of then; what we send goes nowhere, or is
held against what the capture says that we sent (`verify`).

A frame is the far side's by its direction; where the file says none, by our MAC. The file is read as it is played, a
window at a time. Its checksums are not trusted. What a damaged file has before the damage is played; then it fails.
"""

from __future__ import annotations

import errno
import logging
import math
import os
from collections import deque
from typing import Literal, NamedTuple

import attrs

from netif.link import PARTIAL, Buffer, LinkCaps, Medium, Offload, Port
from netif.wire.ethernet import parse_mac
from netif.wire.segment import link_length
from tapio.capture.dialogue import Dialogue
from tapio.capture.reader import Reader
from tapio.capture.source import Captured, CaptureError
from tapio.pcap.checksums import Checksums
from tapio.wire import WireError, grant

log = logging.getLogger(__name__)

ETHERNET = 1  # link types
BARE_IP = (101, 12, 228)
PATIENCE = 10.0  # seconds for which a frame of ours is waited for
AHEAD = 64  # frames that are read before it is their time, to find ours among them
AHEAD_BYTES = 4 << 20
_READ = 512  # frames of no use that are passed over at one go
_LONGEST = 3600.0  # seconds asked for at a time: a capture may claim any

AtEnd = Literal["silent", "fail"]


class Step(NamedTuple):
    """One frame of the capture that has a part in this."""

    number: int
    after: float  # seconds since the first, at the speed asked for
    is_ours: bool
    frame: bytes
    offload: Offload | None


class Replay:
    """`speed`: so many times faster; "fast" (or inf): as fast as the stack takes them.

    Whose a frame is: with `mac` (of ours) by its source address; with `interface` (its name in the file) as that one
    saw it, others' being the far side's; else by its direction, and by our own MAC where it has none.
    `verify`: our frames are waited for, at most `patience` seconds, before what came after them is delivered; see
    `mismatches` and `report()`. `strict`: they are to be the same, byte for byte; `tolerance`: and within so many
    seconds of their time. `partial`: frames whose checksum was left to the receiver are recognised, super-frames too,
    and granted. `at_end`: stay silent, or fail. Raises OSError, and ValueError for what is no capture.
    """

    shared_wire = False

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        speed: float | Literal["fast"] = 1.0,
        verify: bool = False,
        strict: bool = False,
        mac: str | bytes | None = None,
        interface: str | None = None,
        partial: bool = False,
        tolerance: float | None = None,
        patience: float = PATIENCE,
        at_end: AtEnd = "silent",
    ) -> None:
        self.name = os.fspath(file)
        self._speed = math.inf if speed == "fast" else float(speed)
        if not self._speed > 0:
            raise ValueError(f"{self.name}: speed {speed!r}: write how many times faster, or 'fast'")
        if at_end not in ("silent", "fail"):
            raise ValueError(f"{self.name}: at_end {at_end!r}: write 'silent' or 'fail'")
        try:
            self._mac = parse_mac(mac) if isinstance(mac, str) else mac
        except ValueError as error:
            raise ValueError(f"{self.name}: mac: {error}") from None
        self._interface = interface
        self._verify, self._partial = verify or strict, partial
        self._tolerance, self._patience, self._at_end = tolerance, patience, at_end
        self.ended = False  # everything has been played
        self.played = 0  # frames of the far side, delivered
        self.skipped = 0  # frames of another link type, or not captured whole
        self.sent = 0  # frames that the stack sent
        self._ahead: deque[Step] = deque()
        self._held = 0  # bytes ahead
        self._port: Port | None = None
        self._damage: CaptureError | None = None
        self._reader: Reader | None = Reader(file)
        try:
            self._first = next(self._reader, None)
            self.medium = self._medium(strict)
        except BaseException:
            self._reader.close()
            raise

    def _medium(self, strict: bool) -> Medium:
        link_type = ETHERNET if self._first is None else self._first.link_type
        if link_type not in (ETHERNET, *BARE_IP):
            raise CaptureError(f"{self.name}: link type {link_type} is neither Ethernet (1) nor bare IP packets (101)")
        medium = Medium.ETHERNET if link_type == ETHERNET else Medium.POINT_TO_POINT
        if self._partial and medium is not Medium.ETHERNET:
            raise CaptureError(f"{self.name}: partial checksums are recognised in Ethernet frames alone")
        self._dialogue = Dialogue(link_length(medium), strict)
        return medium

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        caps = grant(want, tx_checksum=self._partial, rx_checksum=self._partial)
        if self._reader is None:  # it was closed
            self._reader = Reader(self.name)
            self._first = next(self._reader, None)
        self._next, self._begin = self._first, 0 if self._first is None else self._first.time
        self._dialogue = Dialogue(link_length(self.medium), self._dialogue.strict)
        self._checksums = Checksums(self.name, None)
        self._checksums.our_mtu = self._checksums.mtu = caps.mtu
        self._damage, self.ended = None, False
        self._ahead.clear()
        self._held = 0
        self._port, self._ours = port, self._mac or want.mac
        self._opened = self._base = port.now()
        self._base_after = 0.0  # what of the capture was at `_base`
        port.readable()
        return attrs.evolve(caps, medium=self.medium)

    # reading ahead

    def _fill(self) -> None:
        """Have some steps ahead, as far as there are any soon."""
        for _ in range(_READ):
            if len(self._ahead) >= (AHEAD if self._verify else 1) or self._held >= AHEAD_BYTES:
                return
            captured, self._next = self._next, None
            if captured is None:
                captured = self._read()
            if captured is None:
                return
            step = self._step(captured)
            if step is not None:
                self._ahead.append(step)
                self._held += len(step.frame)

    def _read(self) -> Captured | None:
        if self._reader is None or self._damage is not None:
            return None
        try:
            captured = next(self._reader, None)
        except CaptureError as error:
            self._damage = error
            return None
        except OSError as error:
            self._damage = CaptureError(f"{self.name}: {error.strerror}")
            return None
        if captured is None:
            self._reader.close()
            self._reader = None
        return captured

    def _step(self, captured: Captured) -> Step | None:
        link_type = ETHERNET if self.medium is Medium.ETHERNET else captured.link_type
        whole = captured.length == len(captured.frame) and captured.frame
        if captured.link_type != link_type or link_type not in (ETHERNET, *BARE_IP) or not whole:
            self.skipped += 1
            return None
        is_ours = self._is_ours(captured)
        if is_ours is None or (is_ours and not self._verify):
            return None
        offload = None
        if self._partial and not is_ours:
            usable, said = self._checksums.judge(captured.frame)
            if not usable:
                self.skipped += 1
                return None
            offload = said if said is not None and said.checksum == PARTIAL else None
        after = (captured.time - self._begin) / 1e9 / self._speed
        return Step(captured.number, after, is_ours, captured.frame, offload)

    def _is_ours(self, captured: Captured) -> bool | None:
        """None: it is nobody's here."""
        direction = captured.direction
        if self._mac is not None and self.medium is Medium.ETHERNET:
            return captured.frame[6:12] == self._mac
        if self._interface is not None and captured.interface != self._interface:
            return None if direction == "in" else False
        if direction is None and self.medium is Medium.ETHERNET:
            return bool(self._ours) and captured.frame[6:12] == self._ours
        return direction == "out"

    # playing

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        port = self._port
        if port is None or self.ended:
            return None
        now = port.now()
        self._fill()
        while self._ahead:
            step = self._ahead[0]
            due = self._due(step)
            if step.is_ours:
                due += self._patience
            if due > now:
                port.call_at(min(due, now + _LONGEST))
                return None
            self._take(0)
            if not step.is_ours:
                self._base, self._base_after = self._due(step), step.after
                self.played += 1
                if not self._verify:
                    return step.frame, step.offload
                return self._dialogue.rewritten(step.frame, partial=step.offload is not None), step.offload
            self._base, self._base_after = now, step.after
            self._dialogue.missing(step.number, now - self._opened, step.frame)
            self._fill()
        if self._reader is not None and self._damage is None:
            port.readable()  # there is more, further on
        else:
            self._end(port)
        return None

    def _due(self, step: Step) -> float:
        """As much later than what was before it as it was then."""
        return self._base + max(0.0, step.after - self._base_after)

    def _take(self, index: int) -> Step:
        step = self._ahead[index]
        del self._ahead[index]
        self._held -= len(step.frame)
        return step

    def _end(self, port: Port) -> None:
        self.ended = True
        if self._verify:
            log.info("%s", self.report().partition("\n")[0])
        if self._damage is not None:
            port.failed(WireError(errno.EIO, str(self._damage)))
        elif self._at_end == "fail":
            port.failed(WireError(errno.ENODATA, f"{self.name}: end of capture"))

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.sent += 1
        port = self._port
        if self._verify and port is not None and not self.ended:
            self._compare(b"".join(buffers), port.now())
            port.readable()
        return True

    def _compare(self, got: bytes, now: float) -> None:
        """Find the frame that this one is; what should have come before it is missing."""
        self._fill()
        at, dialogue = now - self._opened, self._dialogue
        ours = [index for index, step in enumerate(self._ahead) if step.is_ours]
        for place, index in enumerate(ours):
            if dialogue.is_same(self._ahead[index].frame, got):
                for taken, passed in enumerate(ours[:place]):
                    step = self._take(passed - taken)
                    dialogue.missing(step.number, at, step.frame)
                self._matched(index - place, got, now)
                return
        if ours and dialogue.is_alike(self._ahead[ours[0]].frame, got):
            step = self._taken(ours[0], got, now)
            dialogue.differs(step.number, at, step.frame, got)
        elif ours or self._damage is None:
            dialogue.unexpected(at, got)

    def _matched(self, index: int, got: bytes, now: float) -> None:
        late = now - self._due(self._ahead[index])
        step = self._taken(index, got, now)
        self._dialogue.matched += 1
        if self._tolerance is not None and abs(late) > self._tolerance:
            self._dialogue.untimely(step.number, now - self._opened, late, got)

    def _taken(self, index: int, got: bytes, now: float) -> Step:
        step = self._take(index)
        self._dialogue.accept(step.frame, got)
        if not index:
            self._base, self._base_after = now, step.after
        return step

    @property
    def mismatches(self) -> list[str]:
        """The first of what differed, a line each."""
        return self._dialogue.mismatches

    def report(self) -> str:
        """What came of `verify`: a line, and one for each mismatch that is kept."""
        dialogue = self._dialogue
        left = sum(step.is_ours for step in self._ahead)
        where = "played to its end" if self.ended else f"not played to its end, {left} of our frames waited for"
        head = f"{self.name}: {dialogue.matched} frames as recorded, {dialogue.differing} mismatches; {where}"
        return "\n".join((head, *dialogue.mismatches))

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def advance(self, now: float) -> None:
        if self._port is not None:
            self._port.readable()

    def close(self) -> None:
        self._port = None
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __repr__(self) -> str:
        return f"<Replay {self.name}, {self.played} frames played{', ended' if self.ended else ''}>"
