"""Faults on a wire: seeded and scripted, each per direction, around any driver. docs/impair.md has the rules.

The driver inside is asked for one segment and no offload, so that a fault falls on what would be one frame on a cable.
What is decided follows from the port's dice (or `seed`) and the order of the frames in that direction alone; what waits
is bounded, and what finds no room is lost and counted. Without anything to do, `impair(driver)` is `driver`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeAlias, Unpack

import attrs

from netif.link import Buffer, Driver, LinkCaps, Offload, Port
from netif.wire import ethernet
from netif.wire.segment import link_length
from tapio.faults import Side, Words, both
from tapio.lane import Frame, Lane, Told
from tapio.script import Rule, Script
from tapio.wrapper import InnerPort, Wrapper

Rules: TypeAlias = Rule | Script | Sequence[Rule | Script] | None

_PULLED = 64  # frames taken from the driver inside at one go


def impair(
    driver: Driver,
    *,
    tx: Side = None,
    rx: Side = None,
    script: Rules = None,
    seed: int | str | None = None,
    **faults: Unpack[Words],
) -> Driver:
    """`driver` with these faults: the driver itself where there are none."""
    impaired = Impair(driver, tx=tx, rx=rx, script=script, seed=seed, **faults)
    return impaired if impaired.has_rules() else driver


def _rules(script: Rules) -> tuple[Rule | Script, ...]:
    if script is None:
        return ()
    given = tuple(script) if isinstance(script, Iterable) and not isinstance(script, str) else (script,)
    for one in given:
        if not isinstance(one, Rule) and not callable(one):
            raise ValueError(f"script: {one!r} is no rule: write drop('3rd SYN'), or script_from_data(...) around text")
    return given


class Impair(Wrapper):
    """`faults` hold for both directions, or are pairs (out, in); `tx` and `rx` are rules of one, and win."""

    def __init__(
        self,
        driver: Driver,
        *,
        tx: Side = None,
        rx: Side = None,
        script: Rules = None,
        seed: int | str | None = None,
        **faults: Unpack[Words],
    ) -> None:
        super().__init__(driver)
        sent, received = both(tx, rx, faults)
        self._script = _rules(script)
        self.out, self.into = Lane("out", sent), Lane("in", received)
        self._begin(ethernet.HEADER_LENGTH)
        self._seed = seed
        self._port: Port | None = None
        self._blocked = False  # the driver inside answered False, and has not yet said `writable`
        self._refused = False  # so did we, and owe a `writable`

    def _begin(self, link: int) -> None:
        """Frames have so many bytes in front of IP. What scripts have counted, they have counted on this wire."""
        scripts = [one.begin(link) if isinstance(one, Rule) else one for one in self._script]
        for lane in (self.out, self.into):
            lane.link, lane.scripts = link, scripts

    def tell(self, told: Told | None) -> None:
        """Of every frame that does not pass as it is; it may look, and is called under the gate. None ends it."""
        self.out.told = self.into.told = told

    def has_rules(self) -> bool:
        return bool(self.out.has_rules() or self.into.has_rules())

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        seeds = random.Random(port.dice.getrandbits(64) if self._seed is None else repr(self._seed))
        for lane in (self.out, self.into):
            lane.roll(random.Random(seeds.getrandbits(64)), port.now())
        self._port = port
        segment = attrs.evolve(want, gso_max=want.mtu, tx_checksum=False, rx_checksum=False)
        granted = self.driver.open(segment, InnerPort(port, self.may_go_on))
        link = link_length(granted.medium)
        if link != self.out.link:
            self._begin(link)
        return granted

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        port, lane = self._port, self.out
        if port is None:
            return True
        if self._blocked:
            self._refused = True
            return False
        now = port.now()
        for due, pieces, left in lane.fates(buffers, offload, now):
            if due <= now:
                if self.driver.transmit(pieces, left):
                    continue
                self._blocked = True  # what was decided stands, so the frame waits here
            lane.hold(due, b"".join(pieces), left)
            if not self._blocked:
                port.call_at(lane.waiting[0][0])
        return True

    def receive(self) -> Frame | None:
        port, lane = self._port, self.into
        if port is None:
            return None
        waiting, now = lane.waiting, port.now()
        if waiting and waiting[0][0] <= now:
            return lane.pop()
        for _ in range(_PULLED):
            item = self.driver.receive()
            if item is None:
                break
            frame, offload = item
            fates = lane.fates((frame,), offload, now)
            if len(fates) == 1 and fates[0][0] <= now:
                _, (frame,), offload = fates[0]
                return frame, offload
            for due, (piece,), left in fates:
                lane.hold(due, piece, left)
        else:
            port.readable()
        if not waiting:
            return None
        if waiting[0][0] <= now:
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
