"""Hosts that are granted super-frames beside hosts that are not: what is cut on the way arrives to the byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from components.lan import Host, Lan
from netif.link import PARTIAL
from netif.wire import ip, tcp
from netif.wire.checksum import pseudo_header, verify

FULL, PLAIN = 6_000_000, 1514  # bytes of a transfer, and of the longest frame without offload


class Judge:
    """A sink that looks at every TCP frame: how long, and whether its checksum is right."""

    def __init__(self) -> None:
        self.longest: dict[tuple[str, str], int] = {}  # by host and direction
        self.wrong = 0
        self.judged = 0

    def frame(self, direction: str, _when: float, buffers: Any, offload: Any, name: str, *_more: Any) -> None:
        data = b"".join(buffers)
        if data[12:14] != b"\x08\0" or data[23] != ip.TCP:
            return
        key = name, direction
        self.longest[key] = max(self.longest.get(key, 0), len(data))
        if offload is None or offload.checksum != PARTIAL:
            self.judged += 1
            end = 14 + int.from_bytes(data[16:18], "big")
            pseudo = pseudo_header(data[26:30], data[30:34], tcp.PROTOCOL, end - 34)
            self.wrong += not (verify(data, 14, 34) and verify(data, 34, end, pseudo))

    def flush(self) -> None:
        """Nothing is held back."""


def both_ways(lan: Lan, one: Host, other: Host, there: bytes, back: bytes) -> None:
    def talk(connection: Any, said: bytes) -> bytes:
        with connection:
            writing = lan.runtime.spawn(lambda: connection.sendall(said) or connection.shutdown(1))
            heard = bytearray()
            while part := connection.recv(1 << 18):
                heard += part
            writing.result()
            return bytes(heard)

    listener = one.create_server(("", 7))
    serving = one.spawn(lambda: talk(listener.accept()[0], back))
    asking = other.spawn(lambda: talk(other.create_connection((one.ip, 7)), there))
    lan.run_until(lambda: serving.done() and asking.done(), timeout=100.0)
    listener.close()
    assert serving.result() == there
    assert asking.result() == back


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("listens", ["full", "plain"])
def test_a_port_that_was_granted_less_gets_segments(seed: int, clock: Any, listens: str):
    dice = random.Random(seed)
    judge = Judge()
    with Lan(seed=seed, clock=clock) as lan:
        lan.sinks.append(judge)
        full, plain = lan.host("full"), lan.host("plain", offload=False)
        one, other = (full, plain) if listens == "full" else (plain, full)
        both_ways(lan, one, other, dice.randbytes(FULL), dice.randbytes(FULL))
    assert judge.longest["full", "out"] > 10 * PLAIN
    assert judge.longest["plain", "in"] <= PLAIN
    assert judge.longest["plain", "out"] <= PLAIN
    assert judge.wrong == 0
    assert judge.judged > FULL / 1460


def test_three_of_all_kinds_at_once(seed: int):
    """Flooded and learned, lossy and not, with an MTU of its own: each as it was granted."""
    dice = random.Random(seed)
    judge = Judge()
    with Lan(seed=seed) as lan:
        lan.sinks.append(judge)
        full = lan.host("full")
        plain = lan.host("plain", offload=False)
        lossy = lan.host("lossy", loss="1%", delay="1ms")
        small = lan.host("small", mtu=576)
        for other in (plain, lossy, small):
            both_ways(lan, full, other, dice.randbytes(1_000_000), dice.randbytes(1_000_000))
        both_ways(lan, lossy, plain, dice.randbytes(500_000), dice.randbytes(500_000))
    for name in ("plain", "lossy"):
        assert max(judge.longest[name, "in"], judge.longest[name, "out"]) <= PLAIN
    assert judge.longest["full", "out"] > 10 * PLAIN
    assert judge.wrong == 0


def test_segments_of_a_jumbo_host_fit_the_other(seed: int):
    """The MSS that a peer with a smaller MTU announced is what super-frames are cut to."""
    dice = random.Random(seed)
    judge = Judge()
    with Lan(seed=seed) as lan:
        lan.sinks.append(judge)
        jumbo, plain = lan.host("jumbo", mtu=9000), lan.host("plain", offload=False)
        both_ways(lan, jumbo, plain, dice.randbytes(2_000_000), dice.randbytes(2_000_000))
    assert judge.longest["plain", "in"] <= PLAIN
    assert judge.wrong == 0
