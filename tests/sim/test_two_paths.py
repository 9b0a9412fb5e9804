"""Two paths, one truth: with the fast path or without, a seed's run is the same on the wire, bit for bit.

The runs are those of runs.py: every kind of trouble, in a thousand seeds. Frames are compared with when and how they
were sent, and every few steps all that TCP_INFO would say of either end.
"""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import Any

import pytest

from netif.link import Buffer, Offload
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from tests.sim.runs import replay, run
from tests.sim.world import Reader, World, Writer

CORPUS, SHARDS = 1000, 20
DRAWN = 5  # of a shard's seeds, where the slow half is only sampled
EVERY = 4  # steps between two looks at the connections' figures


class Account:
    """All that can be seen of one run from outside, entry by entry, each a digest of all up to there."""

    def __init__(self, seed: int, **also: Any) -> None:
        self.entries: list[bytes] = []
        self.fast = 0
        self._digest = blake2b(digest_size=8)
        self._steps = 0
        self.outcome = run(seed, also=also, witness=self._sent, settled=self._settled)

    def _sent(self, now: float, mac: bytes, buffers: tuple[Buffer, ...], offload: Offload | None) -> None:
        self._enter(f"{now!r} {mac.hex()} {offload!r} ".encode(), *buffers)

    def _settled(self, world: World) -> None:
        self.fast = sum(host.stack.tcp.fast_in + host.stack.tcp.fast_out for host in world.hosts)
        self._steps += 1
        if self._steps % EVERY == 0:
            ends = [one for host in world.hosts for one in host.stack.tcp.connections.values()]
            self._enter(*(repr(one.info()).encode() for one in ends if isinstance(one, Connection)))

    def _enter(self, *parts: Buffer) -> None:
        for part in parts:
            self._digest.update(part)
        self.entries.append(self._digest.digest())


def both_ways_alike(seed: int) -> int:
    """How many frames took the fast path where they might."""
    also = {"ecn": "off"} if seed % 4 else {}  # a connection with ECN takes no fast path
    fast, plain = Account(seed, **also), Account(seed, fast_path=False, **also)
    pairs = enumerate(zip(fast.entries, plain.entries, strict=False))
    apart = next((number for number, (one, other) in pairs if one != other), None)
    assert apart is None, f"entry {apart} differs: {replay(seed)}"
    assert len(fast.entries) == len(plain.entries), replay(seed)
    assert fast.outcome == plain.outcome, replay(seed)
    assert plain.fast == 0
    return fast.fast


def test_some_seeds_that_nobody_has_seen(seed: int):
    for number in range(6):
        both_ways_alike(CORPUS + (seed + number) % 10**9)


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_thousand_seeds(request, seed: int, shard: int):
    """Half of the runs are too troubled for the fast path; a whole shard never is."""
    seeds = range(shard * CORPUS // SHARDS, (shard + 1) * CORPUS // SHARDS)
    if request.config.getoption("--slow"):
        assert sum(map(both_ways_alike, seeds)) > 0
    else:
        for one in random.Random(seed).sample(seeds, DRAWN):
            both_ways_alike(one)


def bulk(offload: bool, **settings: Any) -> tuple[int, int]:
    """(frames that took the fast path, frames) of eight megabytes over a good wire, both hosts, both ways."""
    frames = 0

    def count(*_frame: Any) -> None:
        nonlocal frames
        frames += 1

    rules = {} if offload else {"delay": 0.001}  # a wire with rules takes no super-frames
    world = World(1, tcp=TcpConfig(**settings), offload=offload, witness=count, **rules)
    client, server = world.connected()
    frames = 0
    data = bytes(range(256)) * (1 << 15)
    reader = Reader(server, data)
    world.apps = [Writer(client, data), reader]
    world.settle()
    while reader.ended_at is None:
        assert world.step()
    tcps = [host.stack.tcp for host in world.hosts]
    return sum(tcp.fast_in + tcp.fast_out for tcp in tcps), 2 * frames


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("timestamps", [True, False])
def test_nine_frames_of_ten_of_bulk_take_the_fast_path(offload: bool, timestamps: bool):
    fast, frames = bulk(offload, timestamps=timestamps)
    assert fast >= 0.9 * frames


def test_none_takes_it_where_it_is_switched_off():
    fast, frames = bulk(True, fast_path=False)
    assert fast == 0
    assert frames > 50
