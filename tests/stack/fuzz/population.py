"""Connections of the victim's with strangers, in every state, each come to by real segments."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.tcp.connection import Connection
from stack.tcp.states import ESTABLISHED, SYN_SENT, TIME_WAIT
from stack.tcp.time_wait import TimeWait
from tests.stack.attacker import Caller, segment
from tests.stack.fuzz.scene import HONEST, OPEN, STRANGE_MACS, STRANGERS, Scene
from tests.stack.rig import US, asks


class Population:
    """Connections of the victim's with strangers, in all states, each come to by real segments."""

    EACH = 2

    def __init__(self, scene: Scene, dice: random.Random) -> None:
        self.scene = scene
        self.dice = dice
        self.sport = 2000
        self.seen: Counter[str] = Counter()

    def entries(self) -> list[Connection | TimeWait]:
        return [entry for key, entry in self.scene.stack.tcp.connections.items() if key[2] != HONEST]

    def tend(self) -> None:
        """Accept who has come, and look after the numbers of each state."""
        while self.scene.listener.accept() is not None:
            pass
        entries = self.entries()
        states = Counter(entry.state.value for entry in entries)
        self.seen += states
        for way in self.WAYS:
            if states[way] < self.EACH:
                self.WAYS[way](self, self._caller())
        if len(entries) > 60:
            for entry in entries[:20]:
                self._end(entry)
        self._live(entries)

    def _end(self, entry: Connection | TimeWait) -> None:
        if isinstance(entry, Connection) and entry.state not in (SYN_SENT, TIME_WAIT):
            remote, local = entry.remote, entry.local
            self.scene.gets(segment(remote[1], local[1], entry.receiver.rcv_nxt, 0, RST, src=remote[0]))

    def _live(self, entries: list[Connection | TimeWait]) -> None:
        """The applications do something now and then."""
        self.scene.runtime.enter()
        try:
            for entry in entries:
                if isinstance(entry, Connection) and not entry.orphan and self.dice.random() < 0.2:
                    try:
                        if self.dice.random() < 0.5:
                            entry.read(self.dice.randrange(1, 20_000))
                        elif entry.state is ESTABLISHED:
                            entry.write(bytes(self.dice.randrange(1, 20_000)))
                    except OSError:
                        pass  # what the attack has done to it
        finally:
            self.scene.runtime.leave()

    def _caller(self) -> Caller:
        index = self.dice.randrange(len(STRANGERS))
        self.sport = 2000 + (self.sport - 1999) % 50_000
        caller = Caller(
            self.scene,  # type: ignore[arg-type]
            OPEN,
            self.sport,
            src=STRANGERS[index],
            mac=STRANGE_MACS[index],
            iss=self.dice.getrandbits(32),
        )
        self.scene.gets(asks(caller.src, US, caller.mac))
        self.scene.frames()
        return caller

    def _acts(self, action: Any) -> None:
        """The application does something, and the victim is flushed."""
        self.scene.runtime.enter()
        try:
            action()
        except OSError:
            pass
        finally:
            self.scene.runtime.leave()

    def _open(self, caller: Caller) -> Connection | None:
        options = self.dice.choice(
            (b"\2\4\5\xb4", b"\2\4\5\xb4\1\3\3\7", b"\2\4\5\xb4\1\1" + b"\x08\x0a\0\0\0\1\0\0\0\0")
        )
        if not any(one.flags == SYN | ACK for one in caller.knocks(options)):
            return None  # the wire or the table is full
        caller.says(ACK)
        entry = self.scene.stack.tcp.connections.get((US, caller.dport, caller.src, caller.sport))
        return entry if isinstance(entry, Connection) and entry.state is ESTABLISHED else None

    def half_opened(self, caller: Caller) -> None:
        caller.knocks()

    def opening(self, caller: Caller) -> None:
        self._acts(lambda: self.scene.stack.tcp.connect(None, (caller.src, 9)))

    def opened(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None and self.dice.random() < 0.7:
            self._acts(lambda: connection.write(bytes(self.dice.randrange(1, 60_000))))
            if self.dice.random() < 0.5:
                caller.hears()
                caller.says(ACK, window=self.dice.choice((0, 1, 100)))

    def ended_by_peer(self, caller: Caller) -> None:
        if self._open(caller):
            caller.says(FIN | ACK)

    def last_ack(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None:
            caller.says(FIN | ACK)
            self._acts(connection.close)

    def ended_by_us(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None:
            self._acts(connection.close if self.dice.random() < 0.5 else connection.shutdown_write)

    def half_closed(self, caller: Caller) -> None:
        self.ended_by_us(caller)
        caller.hears()
        caller.says(ACK)

    def closing(self, caller: Caller) -> None:
        self.ended_by_us(caller)
        caller.says(FIN | ACK)

    def time_wait(self, caller: Caller) -> None:
        self.half_closed(caller)
        caller.says(FIN | ACK)

    WAYS = {
        "SYN-RECEIVED": half_opened,
        "SYN-SENT": opening,
        "ESTABLISHED": opened,
        "CLOSE-WAIT": ended_by_peer,
        "LAST-ACK": last_ack,
        "FIN-WAIT-1": ended_by_us,
        "FIN-WAIT-2": half_closed,
        "CLOSING": closing,
        "TIME-WAIT": time_wait,
    }
