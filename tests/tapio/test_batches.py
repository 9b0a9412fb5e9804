"""Several frames of one wake: none is left where no poll finds it."""

from __future__ import annotations

from collections import deque

from netif.link import Buffer, Offload
from tapio.batches import ALONE, InBatches
from tests.tapio.ports import FakePort, FakeRuntime


class AtOneRead(InBatches):
    """Has taken over all that the kernel had, as libpcap does from bpf(4): the descriptor says no more of it."""

    _poll_tells = False

    def __init__(self, port: FakePort) -> None:
        self._port = port
        self._pieces: deque[tuple[Buffer, Offload | None]] = deque()
        self.taken: deque[bytes] = deque()

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        return (self.taken.popleft(), None) if self.taken else None


def received(wire: AtOneRead, port: FakePort) -> list[bytes]:
    """What a runtime gets of one wake, with as many batches as it is asked for."""
    got: list[bytes] = []
    port.ready = 1
    while port.ready:
        port.ready = 0
        batch, _ = wire.receive_batch(16, 1 << 18)
        got += [bytes(frame) for frame, _ in batch]
    return got


def test_more_than_a_batch_that_was_read_at_once_arrives_with_one_wake():
    port = FakePort(FakeRuntime())
    wire = AtOneRead(port)
    wire.taken.extend(b"%d" % number for number in range(40))
    assert len(received(wire, port)) == 40


def test_two_small_frames_that_were_read_at_once_arrive_with_one_wake_after_many_that_came_alone():
    port = FakePort(FakeRuntime())
    wire = AtOneRead(port)
    for _ in range(ALONE + 2):
        wire.taken.append(b"alone")
        assert len(received(wire, port)) == 1
    wire.taken.extend((b"one", b"two"))
    assert received(wire, port) == [b"one", b"two"]
