"""Faults on a wire: seeded loss, delay, and scripts, each per direction, around any driver.

The driver inside is asked for one segment and no offload, so that a fault falls on what would be one frame on a cable.
What is decided follows from the port's dice (or `seed`) and the order of the frames in that direction alone. Delays
keep the order unless a script says otherwise; what waits is bounded, and what finds no room is lost and counted.
Without anything to do, `impair(driver)` is `driver`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

import attrs

from netif.link import Buffer, Dice, Driver, LinkCaps, Offload, Port, Runtime
from tapio.script import DROP, DUPLICATE, PASS, Direction, Rule, Script, Verdict
from tapio.wrapper import Wrapper

Amount: TypeAlias = float | str
Amounts: TypeAlias = Amount | tuple[Amount, Amount]  # of both directions, or (out, in)
Rules: TypeAlias = Rule | Script | Sequence[Rule | Script] | None
Frame: TypeAlias = tuple[Buffer, Offload | None]

_HELD = 32 << 20  # bytes of frames that may wait in one direction, each counted with its overhead
_OVERHEAD = 256  # bytes
_PULLED = 64  # frames taken from the driver inside at one go
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}


def impair(
    driver: Driver, *, loss: Amounts = 0, delay: Amounts = 0, script: Rules = None, seed: int | str | None = None
) -> Driver:
    """`driver` with these faults: the driver itself where there are none."""
    impaired = Impair(driver, loss=loss, delay=delay, script=script, seed=seed)
    return impaired if impaired.has_rules() else driver


class Impair(Wrapper):
    """Loss (0.05, "5%") and delay (0.02, "20ms") hold for both directions, or are pairs (out, in)."""

    def __init__(
        self,
        driver: Driver,
        *,
        loss: Amounts = 0,
        delay: Amounts = 0,
        script: Rules = None,
        seed: int | str | None = None,
    ) -> None:
        super().__init__(driver)
        losses, delays = _both(loss, fraction), _both(delay, seconds)
        if script is None:
            scripts: list[Script] = []
        else:
            wanted = script if isinstance(script, Iterable) else (script,)
            scripts = [one.begin() if isinstance(one, Rule) else one for one in wanted]
        self.out = Lane("out", losses[0], delays[0], scripts)
        self.into = Lane("in", losses[1], delays[1], scripts)
        self._seed = seed
        self._port: Port | None = None
        self._blocked = False  # the driver inside answered False, and has not yet said `writable`
        self._refused = False  # so did we, and owe a `writable`

    def has_rules(self) -> bool:
        return bool(self.out.has_rules() or self.into.has_rules())

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        seeds = random.Random(port.dice.getrandbits(64) if self._seed is None else repr(self._seed))
        for lane in (self.out, self.into):
            lane.dice = random.Random(seeds.getrandbits(64))
        self._port = port
        segment = attrs.evolve(want, gso_max=want.mtu, tx_checksum=False, rx_checksum=False)
        return self.driver.open(segment, _InnerPort(self, port))

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        port, lane = self._port, self.out
        if port is None:
            return True
        if self._blocked:
            self._refused = True
            return False
        for wait, pieces, left in lane.fates(buffers, offload):
            if wait <= 0:
                if self.driver.transmit(pieces, left):
                    continue
                self._blocked = True  # what was decided stands, so the frame waits here
            lane.hold(port.now() + wait, b"".join(pieces), left)
            if not self._blocked:
                port.call_at(lane.waiting[0][0])
        return True

    def receive(self) -> Frame | None:
        port, lane = self._port, self.into
        if port is None:
            return None
        waiting = lane.waiting
        if waiting and waiting[0][0] <= port.now():
            return lane.pop()
        for _ in range(_PULLED):
            item = self.driver.receive()
            if item is None:
                break
            frame, offload = item
            fates = lane.fates((frame,), offload)
            if len(fates) == 1 and fates[0][0] <= 0:
                _, (frame,), offload = fates[0]
                return frame, offload
            for wait, (piece,), left in fates:
                lane.hold(port.now() + wait, piece, left)
        else:
            port.readable()
        if not waiting:
            return None
        if waiting[0][0] <= port.now():
            return lane.pop()
        port.call_at(waiting[0][0])
        return None

    def advance(self, now: float) -> None:
        port = self._port
        if port is None:
            return
        self.driver.advance(now)
        waiting = self.out.waiting
        while waiting and waiting[0][0] <= now and not self._blocked:
            _, _, frame, offload = waiting[0]
            if self.driver.transmit((frame,), offload):
                self.out.pop()
            else:
                self._blocked = True
        if waiting and not self._blocked:
            port.call_at(waiting[0][0])
        if self._refused and not self._blocked:
            self._refused = False
            port.writable()
        if self.into.waiting:
            if self.into.waiting[0][0] <= now:
                port.readable()
            else:
                port.call_at(self.into.waiting[0][0])

    def may_go_on(self) -> None:
        """The driver inside has room again."""
        self._blocked = False
        if self._port is not None:
            self._port.call_at(self._port.now())

    def close(self) -> None:
        self._port = None
        self._blocked = self._refused = False
        self.out.forget()
        self.into.forget()
        self.driver.close()

    def __repr__(self) -> str:
        return f"<Impair {self.out!r}, {self.into!r}, {self.driver!r}>"


class Lane:
    """One direction: what is decided, what waits, and how many frames met which end."""

    def __init__(self, direction: Direction, loss: float, delay: float, scripts: Sequence[Script]) -> None:
        self.direction = direction
        self.loss = loss
        self.delay = delay
        self.scripts = scripts
        self.dice: Dice = random.Random(0)  # until `open` brings the port's
        self.seen = self.lost = self.dropped = self.overflowed = 0  # all; by loss; by script; for want of room
        self.waiting: list[tuple[float, int, Buffer, Offload | None]] = []  # a heap by time, then by order
        self._held = 0
        self._order = 0

    def has_rules(self) -> bool:
        return bool(self.loss or self.delay or self.scripts)

    def fates(
        self, buffers: tuple[Buffer, ...], offload: Offload | None
    ) -> tuple[tuple[float, tuple[Buffer, ...], Offload | None], ...]:
        """The frames that go on in this one's place, and after how many seconds."""
        self.seen += 1
        if self.scripts:
            frame = b"".join(buffers)
            verdict = self._verdict(frame)
            if verdict is DROP:
                self.dropped += 1
                return ()
            if verdict is PASS:
                return ((self.delay, buffers, offload),)
            if verdict is DUPLICATE:
                return ((self.delay, (frame,), offload), (self.delay, (frame,), offload))
            if isinstance(verdict, bytes):
                return ((self.delay, (verdict,), None),)
            if isinstance(verdict, (float, int)):
                return ((self.delay + verdict, (frame,), offload),)
        if self.loss and self.dice.random() < self.loss:
            self.lost += 1
            return ()
        return ((self.delay, buffers, offload),)

    def _verdict(self, frame: bytes) -> Verdict:
        """The first that any script gives; each is asked, since each counts."""
        verdict = None
        for script in self.scripts:
            said = script(self.direction, frame, self.seen)
            if verdict is None:
                verdict = said
        return verdict

    def hold(self, due: float, frame: Buffer, offload: Offload | None) -> None:
        if self._held > _HELD:
            self.overflowed += 1
            return
        self._order += 1
        self._held += len(frame) + _OVERHEAD
        heappush(self.waiting, (due, self._order, frame, offload))

    def pop(self) -> Frame:
        _, _, frame, offload = heappop(self.waiting)
        self._held -= len(frame) + _OVERHEAD
        return frame, offload

    def forget(self) -> None:
        self.waiting.clear()
        self._held = 0

    def __repr__(self) -> str:
        return (
            f"{self.direction}: {self.seen} seen, {self.lost + self.dropped} lost of them, {len(self.waiting)} waiting"
        )


class _InnerPort:
    """The port as the driver inside has it: all is handed through, but room is first the waiting frames'."""

    def __init__(self, impair: Impair, outer: Port) -> None:
        self.runtime: Runtime = outer.runtime
        self.dice = outer.dice
        self.now = outer.now
        self.readable = outer.readable
        self.poke = outer.poke
        self.watch = outer.watch
        self.call_at = outer.call_at
        self.failed = outer.failed
        self.writable = impair.may_go_on


def fraction(amount: Amount) -> float:
    """0.05 of 0.05 or "5%"."""
    try:
        if isinstance(amount, str) and amount.strip().endswith("%"):
            value = float(amount.strip()[:-1]) / 100
        elif isinstance(amount, (str, int, float)):
            value = float(amount)
        else:
            raise ValueError
        if 0 <= value <= 1:
            return value
    except ValueError:
        pass
    raise ValueError(f"loss: {amount!r} is not from 0 to 1: write 0.05 or '5%', or a pair (out, in)")


def seconds(amount: Amount) -> float:
    """0.02 of 0.02, "20ms", "20000us" or "0.02s"."""
    if isinstance(amount, (int, float)):
        value = float(amount)
    else:
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(us|ms|s|)\s*", amount) if isinstance(amount, str) else None
        value = float(match[1]) * _SECONDS[match[2]] if match else -1.0
    if 0 <= value <= 3600:
        return value
    raise ValueError(f"delay: {amount!r} is not from 0 to an hour: write 0.02 or '20ms', or a pair (out, in)")


def _both(amounts: Amounts, parse: Callable[[Amount], float]) -> tuple[float, float]:
    if isinstance(amounts, (tuple, list)):
        if len(amounts) != 2:
            raise ValueError(f"{amounts!r}: write one amount for both directions, or a pair (out, in)")
        return parse(amounts[0]), parse(amounts[1])
    return parse(amounts), parse(amounts)
