"""Descriptors in several threads: closing wakes whoever blocks, and those who share a socket lose nothing."""

from __future__ import annotations

import errno
import io
import select
import socket as kernel
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import stack.socket as ours
from tests.stack.socket.conftest import PATIENCE


@pytest.fixture
def ends(connection):
    yield connection
    for end in connection:
        end.close()


def readable(socket: Any) -> list[Any]:
    return select.select([socket], [], [], 0)[0]


BLOCKING = {
    "recv": lambda s: s.recv(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "recvmsg": lambda s: s.recvmsg(1),
    "recvfrom": lambda s: s.recvfrom(1),
    "recv, all": lambda s: s.recv(9, ours.MSG_WAITALL),
    "peek": lambda s: s.recv(9, ours.MSG_PEEK),
    "sendall": lambda s: s.sendall(bytes(1 << 24)),
    "send": lambda s: [s.send(bytes(1 << 20)) for _ in range(100)],
    "sendmsg": lambda s: [s.sendmsg([bytes(1 << 20)]) for _ in range(100)],
    "sendfile": lambda s: s.sendfile(io.BytesIO(bytes(1 << 24))),
    "SocketIO.readinto": lambda s: kernel.SocketIO(s, "r").readinto(bytearray(1)),
}


class Call:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.error: OSError | None = None
        self.result: Any = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            self.result = self.call()
        except OSError as error:
            self.error = error

    def switches(self) -> list[str]:
        with open(f"/proc/self/task/{self.thread.native_id}/status") as file:
            return [line for line in file if "ctxt" in line or "State" in line]

    def wait_until_it_sleeps(self) -> None:
        same = 0
        while same < 10:
            before = self.switches()
            time.sleep(0.001)
            same = same + 1 if before == self.switches() and "sleeping" in before[0] else 0

    def ended(self) -> OSError | None:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.error


@pytest.mark.parametrize("call", BLOCKING)
@pytest.mark.parametrize("described", [False, True])
def test_closing_wakes_a_call_that_blocks_in_another_thread(ends, call, described):
    client, _ = ends
    client.settimeout(None)
    blocked = Call(lambda: BLOCKING[call](client))
    blocked.wait_until_it_sleeps()
    if described:
        client.fileno()
    client.close()
    error = blocked.ended()
    assert error is not None
    assert error.errno == errno.EBADF


def test_closing_wakes_accept_connect_and_receivers_of_packets(hosts):
    listener = hosts.left.create_server(("", 7002))
    late = hosts.left.socket()
    ear = hosts.left.socket(type=ours.SOCK_DGRAM)
    ping = hosts.left.socket(ours.AF_INET, ours.SOCK_DGRAM, ours.IPPROTO_ICMP)
    raw = hosts.left.socket(ours.AF_INET, ours.SOCK_RAW, 200)
    ear.bind(("", 7002))
    for s, call in (
        (listener, listener.accept),
        (late, lambda: late.connect(("10.0.0.99", 7002))),
        (ear, lambda: ear.recvfrom_into(bytearray(9))),
        (ping, lambda: ping.recv(9)),
        (raw, lambda: raw.recvmsg(9)),
    ):
        blocked = Call(call)
        blocked.wait_until_it_sleeps()
        s.fileno()
        s.close()
        error = blocked.ended()
        assert error is not None
        assert error.errno == errno.EBADF


@pytest.mark.parametrize("way", ["select", "poll"])
def test_closing_wakes_a_select_on_the_marker(ends, way):
    client, _ = ends
    number = client.fileno()
    poll = select.poll()
    poll.register(number, select.POLLIN)
    waits = {"select": lambda: select.select([number], [], [], PATIENCE)[0], "poll": lambda: poll.poll(PATIENCE * 1000)}
    waiting = Call(waits[way])
    waiting.wait_until_it_sleeps()
    client.close()
    assert waiting.ended() is None
    assert waiting.result


def test_a_reader_that_was_blocked_before_leaves_the_marker_true(ends):
    client, server = ends
    blocked = Call(lambda: server.recv(9))
    blocked.wait_until_it_sleeps()
    assert readable(server) == []
    client.sendall(b"x")
    assert blocked.ended() is None
    assert blocked.result == b"x"
    assert readable(server) == []


def test_threads_that_share_a_socket_by_select_lose_nothing(hosts):
    with hosts.left.socket(type=ours.SOCK_DGRAM) as ear, hosts.right.socket(type=ours.SOCK_DGRAM) as mouth:
        ear.bind(("", 7003))
        ear.setblocking(False)
        heard: list[bytes] = []

        def listen() -> None:
            while select.select([ear], [], [], PATIENCE)[0]:
                try:
                    data = ear.recv(9)
                except BlockingIOError:  # the other was first
                    continue
                if not data:
                    return
                heard.append(data)

        def talk() -> None:
            for n in range(300):
                mouth.sendto(b"%d" % n, ("10.0.0.1", 7003))

        listeners = [Call(listen) for _ in range(2)]
        hosts.run(talk).result(PATIENCE)
        for _ in listeners:
            mouth.sendto(b"", ("10.0.0.1", 7003))
        assert [each.ended() for each in listeners] == [None, None]
        assert sorted(heard, key=int) == [b"%d" % n for n in range(300)]
        assert readable(ear) == []


def test_numbers_are_made_and_closed_by_many_threads_at_once(hosts):
    def live() -> None:
        for _ in range(30):
            with hosts.left.socket(type=ours.SOCK_DGRAM) as s, s.dup() as other:
                assert select.select([], [s, other], [], PATIENCE)[1] == [s, other]
                ours.close(other.detach())

    assert [each.ended() for each in [Call(live) for _ in range(4)]] == [None] * 4
