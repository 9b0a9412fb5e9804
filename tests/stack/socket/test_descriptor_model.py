"""Random programs on two hosts: after each step, what epoll says is what a call that may not wait does; no lost edge.

Level: said to be readable, a read has an answer (data, an end, an error); not said so, it would block. Said to be
writable, a write is taken. Edge (epoll(7)): whoever has got EAGAIN hears of the next thing that is ready.
"""

from __future__ import annotations

import errno
import random
import select
import socket as kernel
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import stack.socket as ours
from components.lan import Lan

IN, OUT = select.EPOLLIN, select.EPOLLOUT
PEEK = kernel.MSG_PEEK | kernel.MSG_DONTWAIT
ABORT = b"\1\0\0\0\0\0\0\0"


class Watched:
    """One socket, and for which of both sides its program may have missed nothing."""

    def __init__(self, socket: Any, listening: bool = False) -> None:
        self.socket = socket
        self.listening = listening
        self.armed = 0  # sides on which it has not been told EAGAIN since it heard of them


class Program:
    def __init__(self, lan: Lan, seed: str) -> None:
        self.lan = lan
        self.dice = random.Random(seed)
        self.hosts = [lan.host("one", loss="3%", delay="3ms"), lan.host("other", delay="2ms")]
        self.level, self.edge = select.epoll(), select.epoll()
        self.watched: dict[int, Watched] = {}
        self.listeners = [self.watch(host.create_server(("", 80)), True) for host in self.hosts]
        for host in self.hosts:
            ear = self.watch(host.socket(type=ours.SOCK_DGRAM)).socket
            ear.bind(("", 53))
        self.did: list[str] = []

    def watch(self, socket: Any, listening: bool = False) -> Watched:
        socket.setblocking(False)
        if socket.type == kernel.SOCK_STREAM:
            socket.setsockopt(kernel.SOL_SOCKET, kernel.SO_SNDBUF, self.dice.choice((4096, 30_000)))
        number = socket.fileno()
        self.level.register(number, IN | OUT)
        self.edge.register(number, IN | OUT | select.EPOLLET)
        watched = self.watched[number] = Watched(socket, listening)
        return watched

    def step(self) -> None:
        act = self.dice.choice(ACTS)
        victims = [each for each in self.watched.values() if not each.listening]
        victim = self.dice.choice(victims)
        self.did.append(f"{act.__name__} {victim.socket!r}")
        with suppress(OSError):
            act(self, victim)
        if self.dice.random() < 0.5:
            self.lan.run_for(self.dice.choice((0.0, 0.001, 0.003, 0.3)))
        self.check()

    def check(self) -> None:
        """Twice, for reading may tell an error, after which all is different; else nothing is, once it was looked."""
        for _ in range(2):
            before = self.said()
            for number, events in self.edge.poll(0):
                self.watched[number].armed |= events
            told = [self.compare(each, before.get(number, 0)) for number, each in self.watched.items()]
            assert any(told) or self.said() == before, f"silent after {self.did[-5:]}"

    def said(self) -> dict[int, int]:
        return dict(self.level.poll(0))

    def compare(self, each: Watched, said: int) -> bool:
        """True: it has told an error, and will not again."""
        assert not said & ~each.armed, f"a lost edge of {each.socket!r}: {said} after {self.did[-5:]}"
        if not each.listening:
            error = failure(lambda: each.socket.recv(1, PEEK))
        elif said & IN:
            return False  # until it is accepted
        else:
            error = failure(each.socket.accept)
        blocked = error == errno.EAGAIN
        assert bool(said & IN) is not blocked, f"{each.socket!r} is {said} after {self.did[-5:]}"
        if blocked:
            each.armed &= ~IN
        return error not in (None, errno.EAGAIN, errno.ENOTCONN)

    # what programs do

    def connect(self, _: Watched) -> None:
        if len(self.watched) < 12:
            made = self.watch(self.dice.choice(self.hosts).socket())
            made.socket.connect_ex((str(self.dice.choice(self.hosts).ip), self.dice.choice((80, 80, 80, 81))))

    def accept(self, _: Watched) -> None:
        listener = self.dice.choice(self.listeners)
        try:
            self.watch(listener.socket.accept()[0])
        except BlockingIOError:
            listener.armed &= ~IN

    def send(self, victim: Watched) -> None:
        number = victim.socket.fileno()
        for _ in range(self.dice.randrange(4)):
            said = self.said().get(number, 0) & OUT
            try:
                victim.socket.send(bytes(self.dice.choice((1, 1000, 30_000))))
            except BlockingIOError:
                assert not said, f"{victim.socket!r} was said to be writable"
                victim.armed &= ~OUT
                return

    def sendto(self, victim: Watched) -> None:
        host = self.dice.choice(self.hosts)
        victim.socket.sendto(bytes(9), (str(host.ip), self.dice.choice((53, 53, 54))))

    def aim(self, victim: Watched) -> None:
        """Of a datagram socket: what it sends next may be refused. Of a stream: once more, if it failed."""
        victim.socket.connect((str(self.dice.choice(self.hosts).ip), self.dice.choice((53, 54, 80, 81))))

    def receive(self, victim: Watched) -> None:
        victim.socket.recv(self.dice.choice((1, 1000, 100_000, 1 << 20)))

    def shutdown(self, victim: Watched) -> None:
        if self.dice.random() < 0.2:
            victim.socket.shutdown(self.dice.choice((kernel.SHUT_RD, kernel.SHUT_WR, kernel.SHUT_RDWR)))

    def error(self, victim: Watched) -> None:
        victim.socket.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR)

    def buffers(self, victim: Watched) -> None:
        option = self.dice.choice((kernel.SO_SNDBUF, kernel.SO_RCVBUF))
        victim.socket.setsockopt(kernel.SOL_SOCKET, option, self.dice.choice((4096, 1 << 18)))

    def close(self, victim: Watched) -> None:
        if victim.socket.type != kernel.SOCK_STREAM or self.dice.random() < 0.5:
            return
        if self.dice.random() < 0.3:
            victim.socket.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, ABORT)
        del self.watched[victim.socket.fileno()]
        victim.socket.close()

    def detach(self, victim: Watched) -> None:
        victim.socket = ours.socket(fileno=victim.socket.detach())
        victim.socket.setblocking(False)

    def duplicate(self, victim: Watched) -> None:
        """For a while; the descriptor that was made first leads on."""
        with victim.socket.dup() as other:
            other.recv(10)

    # its end

    def drain(self) -> None:
        """Everybody reads on: then whoever is connected may write, and nobody is told of anything to read."""
        for _ in range(100):
            for each in list(self.watched.values()):
                while not each.listening:
                    try:
                        if not each.socket.recv(1 << 20):
                            break
                    except BlockingIOError:
                        each.armed &= ~IN
                        break
                    except OSError as error:
                        if error.errno == errno.ENOTCONN:
                            break
            self.lan.run_for(0.5)
            self.check()
        said = self.said()
        for number, each in self.watched.items():
            assert each.listening or said[number] & OUT, f"{each.socket!r} is not writable"

    def close_all(self) -> None:
        for each in self.watched.values():
            each.socket.close()
        assert not self.level.poll(0)
        self.level.close()
        self.edge.close()


ACTS: list[Callable[[Program, Watched], None]] = [
    Program.connect, Program.accept, Program.send, Program.send, Program.send, Program.sendto, Program.aim,
    Program.receive, Program.receive, Program.receive, Program.shutdown, Program.error, Program.buffers, Program.close,
    Program.detach, Program.duplicate,
]  # fmt: skip


def failure(call: Callable[[], Any]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


def run(seed: str, steps: int) -> None:
    with Lan(seed=seed, clock="virtual") as lan:
        program = Program(lan, seed)
        for _ in range(steps):
            program.step()
        program.drain()
        program.close_all()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_is_what_a_call_does(seed):
    run(f"short {seed}", 300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16))
def test_for_thousands_of_steps(seed):
    run(f"long {seed}", 5000)
