"""Sequence numbers and timestamps that pass 2^32 in mid-transfer, both ways, over a wire that loses: bytes exact."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from netif.netif import Netif
from netif.runtime import VirtualRuntime
from netif.wire import ip, options, tcp
from stack import Stack
from stack.tcp.config import TcpConfig
from tapio import Sniff, impair, pair

WRAP = 1 << 32


class Numbers:
    """A sink that notes the sequence numbers and timestamps of one host's segments, as they are on the wire."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.stamps: list[int] = []

    def frame(self, direction: str, _when: float, frame: Any, *_more: Any) -> None:
        data = frame if isinstance(frame, bytes) else b"".join(frame)
        if direction == "out" and data[12:14] == b"\x08\0" and data[23] == ip.TCP:
            _, _, seq, _, header_len, _, _, _ = tcp.parse(data, 34, len(data))
            self.seqs.append(seq)
            timestamp = options.parse(data, 54, 34 + header_len).timestamp
            if timestamp is not None:
                self.stamps.append(timestamp[0])

    def flush(self) -> None:
        """Nothing is held back."""


class Hosts:
    def __init__(self, left: Stack, right: Stack, runtime: VirtualRuntime, numbers: tuple[Numbers, Numbers]) -> None:
        self.left, self.right, self.runtime, self.numbers = left, right, runtime, numbers


@contextmanager
def hosts(seed: int, iss: tuple[int, int], loss: str = "2%", delay: str = "3ms", **settings: Any) -> Iterator[Hosts]:
    """Two hosts on a bad wire, whose connections begin with these sequence numbers."""
    with ExitStack() as closing:
        runtime = VirtualRuntime(seed=seed, strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)
        stacks, numbers = [], (Numbers(), Numbers())
        ends = pair()
        for number, (end, name) in enumerate(zip(ends, ("left", "right"), strict=True)):
            config = TcpConfig(initial_sequence=iss[number], **settings)
            stack = closing.enter_context(Stack(name, runtime=runtime, tcp=config))
            driver = Sniff(impair(end, loss=loss, delay=delay) if number == 0 else end, numbers[number], name=name)
            closing.enter_context(Netif(driver, stack=stack, ip=f"10.0.0.{number + 1}/24"))
            stacks.append(stack)
        yield Hosts(stacks[0], stacks[1], runtime, numbers)


def both_ways(hosts: Hosts, there: bytes, back: bytes) -> None:
    """`there` and `back` at the same time, by one connection, to the end of both streams."""

    def talk(connect: Callable[[], Any], said: bytes) -> bytes:
        with connect() as s:
            writing = hosts.runtime.spawn(lambda: s.sendall(said) or s.shutdown(1))
            heard = bytearray()
            while part := s.recv(1 << 18):
                heard += part
            writing.result()
            return bytes(heard)

    def accept() -> Any:
        with hosts.right.create_server(("", 7)) as listener:
            return listener.accept()[0]

    def call() -> Any:
        while True:
            try:
                return hosts.left.create_connection(("10.0.0.2", 7))
            except OSError as error:  # three ARP requests may get lost
                if error.errno != errno.EHOSTUNREACH:
                    raise

    right = hosts.runtime.spawn(lambda: talk(accept, back))
    left = hosts.runtime.spawn(lambda: talk(call, there))
    hosts.runtime.run_until(lambda: left.done() and right.done())
    assert right.result() == there
    assert left.result() == back


def wrapped(numbers: list[int]) -> bool:
    return max(numbers) > WRAP - (1 << 28) and min(numbers) < 1 << 28


@pytest.mark.parametrize("before", [(1_000_000, 2_000_000), (1, 1), (70_000, 1461)])
def test_several_megabytes_pass_the_wrap_both_ways(seed: int, before: tuple[int, int]):
    dice = random.Random(seed)
    with hosts(seed, (WRAP - before[0], WRAP - before[1])) as two:
        both_ways(two, dice.randbytes(3_000_000), dice.randbytes(3_500_000))
        assert all(wrapped(numbers.seqs) for numbers in two.numbers)


def test_the_signs_change_unnoticed(seed: int):
    """Past 2^31 the difference of two numbers has another sign."""
    dice = random.Random(seed)
    with hosts(seed, (WRAP // 2 - 500_000, WRAP // 2 - 1)) as two:
        both_ways(two, dice.randbytes(1_500_000), dice.randbytes(1_500_000))


@pytest.mark.parametrize("iss", [WRAP - 1, WRAP - 2, WRAP - 12, WRAP - 11, 0, WRAP - 1 - 1460 * 2])
def test_any_one_of_a_short_connections_numbers_is_the_last(seed: int, iss: int):
    """SYN, first byte, last byte or FIN: each is 2^32 - 1 once."""
    with hosts(seed, (iss, iss), loss="20%") as two:
        both_ways(two, b"0123456789", b"9876543210")


def test_without_scaling_and_timestamps_too(seed: int):
    dice = random.Random(seed)
    with hosts(seed, (WRAP - 300_000, WRAP - 40_000), window_scale=False, timestamps=False) as two:
        both_ways(two, dice.randbytes(1_000_000), dice.randbytes(1_000_000))
        assert all(wrapped(numbers.seqs) and not numbers.stamps for numbers in two.numbers)


def test_super_frames_pass_the_wrap(seed: int):
    dice = random.Random(seed)
    with hosts(seed, (WRAP - 1_000_000, WRAP - 20_000), loss="0", delay="0") as two:
        both_ways(two, dice.randbytes(8_000_000), dice.randbytes(8_000_000))
        assert all(wrapped(numbers.seqs) for numbers in two.numbers)


def test_timestamps_wrap_in_mid_transfer(seed: int):
    dice = random.Random(seed)
    with hosts(seed, (WRAP - 1_000_000, 1), loss="3%", delay="20ms") as two:
        for stack, ahead in ((two.left, 1500), (two.right, 3000)):
            now = int(1000 * two.runtime.now())
            stack.tcp.numbers.timestamp_base = WRAP - now - ahead  # it will be 0 after so many milliseconds
        both_ways(two, dice.randbytes(2_000_000), dice.randbytes(2_000_000))
        assert two.runtime.now() > 4.0
        assert all(wrapped(numbers.stamps) for numbers in two.numbers)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["0.1%", "5%", "10%"])
def test_the_wrap_at_any_place_over_bad_wires(seed: int, loss: str):
    dice = random.Random(seed)
    for _ in range(12):
        iss = (WRAP - dice.randrange(1, 400_000), WRAP - dice.randrange(1, 400_000))
        with hosts(dice.getrandbits(32), iss, loss=loss) as two:
            both_ways(two, dice.randbytes(dice.randrange(400_000)), dice.randbytes(dice.randrange(400_000)))
