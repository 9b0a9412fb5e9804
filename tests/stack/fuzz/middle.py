"""Real conversations of all kinds between the victim and a talker, and somebody in the middle who meddles with them.

Beside them the scene's honest two, whom nobody meddles with. Everything follows from the seed.
"""

from __future__ import annotations

import random
from contextlib import suppress
from socket import AF_INET, SOCK_DGRAM
from typing import Any

from netif.link import Offload
from netif.netif import Netif
from netif.wire.segment import finish
from stack.limits import Limits
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from tests.stack.fuzz.scene import End, Scene, Wire
from tests.stack.fuzz.tampering import Tamperer, is_ip
from tests.stack.rig import address

TALKER, TALKER_MAC = address("10.0.0.3"), bytes.fromhex("020000000003")
ECHOING, TAKING, GIVING, ANSWERING = 90, 91, 92, 93  # the victim's services
CALLED = 94  # the talker's
LIMITS = Limits(
    arp_entries=32,
    icmp_errors=50,
    syn_table=24,
    time_wait=16,
    challenge_acks=50,
    resets=50,
    orphans=12,
    out_of_order_ranges=32,
    socket_memory=400_000,
    udp_queue_bytes=64 << 10,
    reassembly_datagrams=16,
    reassembly_bytes=200_000,
)


class Middle(Wire):
    """What passes between victim and talker is overheard, doubled, changed, delayed and lost."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice
        self.talker = End(self, TALKER_MAC)
        self.tamperer = Tamperer(dice)
        self.frames = 0  # of all of them
        self.meddled = 0  # frames that were made up
        self.meddles = False
        self.late: list[tuple[End, bytes, Offload | None]] = []

    def carries(self, sender: End, frame: bytes, offload: Offload | None) -> None:
        self.frames += 1
        if sender is self.victim:
            self.overheard.append((frame, offload))
        for end in (self.victim, self.honest, self.talker):
            if end is sender or not (frame[0] & 1 or frame[:6] == end.mac):
                continue
            if self.meddles and self.honest not in (sender, end):
                self._meddle(sender, end, frame, offload)
            else:
                end.takes(frame, offload)

    def _meddle(self, sender: End, end: End, frame: bytes, offload: Offload | None) -> None:
        dice = self.dice
        chance = dice.random()
        whole = finish((frame,), offload)
        if chance < 0.25:
            for made, claim in self.tamperer.changed(whole):
                end.takes(made, claim)
                self.meddled += 1
        elif chance < 0.28 and is_ip(whole):
            sender.takes(self.tamperer.report(whole), None)
            self.meddled += 1
        if dice.random() < 0.04:
            return  # lost
        if dice.random() < 0.06 and len(self.late) < 50:
            self.late.append((end, frame, offload))
            return
        end.takes(frame, offload)
        if self.late and dice.random() < 0.2:
            other, late, claim = self.late.pop(dice.randrange(len(self.late)))
            other.takes(late, claim)


def talk(connection: Any, dice: random.Random) -> None:
    """One conversation with a service of the other's, whichever it is."""
    for _ in range(dice.choice((1, 1, 3, 10))):
        connection.sendall(dice.randbytes(dice.choice((1, 100, 1460, 30_000, 200_000))))
        chance = dice.random()
        if chance < 0.7:
            connection.recv(dice.choice((1, 1000, 65536)))
    chance = dice.random()
    if chance < 0.4:
        connection.shutdown(1)
        while connection.recv(65536):
            pass
    elif chance < 0.6:
        connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0: a reset


class Conversations(Scene):
    CALLERS, SERVANTS = 5, 3

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.middle = Middle(dice)
        super().__init__(seed, LIMITS, self.middle)
        plain = TcpConfig(timestamps=dice.random() < 0.5, window_scale=dice.random() < 0.7, receive_buffer=200_000)
        self.talker = Stack("talker", runtime=self.runtime, tcp=plain)
        self.netifs.append(Netif(self.middle.talker, stack=self.talker, ip="10.0.0.3/24", mac=TALKER_MAC))
        self.talking = True
        self.done = 0  # conversations that came to their end, whichever it was
        self.tasks = []
        for port in (ECHOING, TAKING, GIVING):
            self._serves(self.stack, port)
        self._serves(self.talker, CALLED)
        for number in range(self.CALLERS):
            self._spawn(self._call, random.Random(f"{seed} {number}"), self.talker, "10.0.0.1", (90, 91, 92))
        self._spawn(self._call, random.Random(f"{seed} us"), self.stack, "10.0.0.3", (CALLED,))
        self._spawn(self._answer_datagrams)
        self._spawn(self._send_datagrams, random.Random(f"{seed} udp"))
        self.middle.meddles = True

    def _spawn(self, fn: Any, *arguments: Any) -> None:
        self.tasks.append(self.runtime.spawn(lambda: fn(*arguments)))

    def _serves(self, stack: Stack, port: int) -> None:
        listener = stack.create_server(("", port))
        listener.settimeout(5.0)
        for _ in range(self.SERVANTS):
            self._spawn(self._serve_port, listener, port)

    def _serve_port(self, listener: Any, port: int) -> None:
        while self.talking:
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            with suppress(OSError), connection:
                connection.settimeout(8.0)
                if port == GIVING:
                    connection.sendall(bytes(300_000))
                while self.talking and (data := connection.recv(65536)):
                    if port != TAKING:
                        connection.sendall(data)
        listener.close()

    def _call(self, dice: random.Random, stack: Stack, where: str, ports: tuple[int, ...]) -> None:
        while self.talking:
            with suppress(OSError), stack.create_connection((where, dice.choice(ports)), timeout=6.0) as connection:
                connection.settimeout(6.0)
                talk(connection, dice)
            self.done += 1
            self.runtime.sleep(dice.choice((0.01, 0.1, 0.5)))

    def _answer_datagrams(self) -> None:
        with self.stack.socket(AF_INET, SOCK_DGRAM) as socket:
            socket.bind(("", ANSWERING))
            socket.settimeout(5.0)
            while self.talking:
                with suppress(OSError):
                    data, peer = socket.recvfrom(65536)
                    socket.sendto(data[::-1], peer)

    def _send_datagrams(self, dice: random.Random) -> None:
        with self.talker.socket(AF_INET, SOCK_DGRAM) as socket:
            socket.settimeout(0.3)
            while self.talking:
                with suppress(OSError):
                    size = dice.choice((0, 10, 1472, 1473, 5000, 20_000))
                    socket.sendto(dice.randbytes(size), ("10.0.0.1", dice.choice((ANSWERING, ANSWERING, 4000))))
                    socket.recv(65536)
                self.runtime.sleep(dice.choice((0.0, 0.05, 0.3)))

    def meddle(self, frames: int) -> None:
        """So many frames are made up while they talk."""
        wanted = self.middle.meddled + frames
        self.runtime.run_until(lambda: self.middle.meddled >= wanted, timeout=100_000.0)

    def falls_silent(self) -> None:
        """They end what they began, and nobody meddles with that."""
        self.middle.meddles = self.talking = False
        self.runtime.run_until(lambda: all(task.done() for task in self.tasks), timeout=1000.0)
        for task in self.tasks:
            task.result()
        self.resting = True
        self.runtime.run_for(4000.0)
