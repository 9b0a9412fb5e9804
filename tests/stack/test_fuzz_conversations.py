"""Real conversations with somebody in the middle who changes what passes: with them and the frames of `test_fuzz`, two
hundred thousand. Nothing is raised, nothing grows, an honest connection goes on beside, and in the end nothing is left.
"""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.stack.fuzz.middle import LIMITS, Conversations

MOST_GROWN = 16 << 20  # bytes, of both hosts while they talk: most of it is what they say
MOST_LEFT = 2 << 20  # when they have fallen silent
EACH = 10_000


def is_within_limits(scene: Conversations) -> None:
    tcp, stack = scene.stack.tcp, scene.stack
    assert tcp.half_open <= LIMITS.syn_table
    assert tcp.orphans <= LIMITS.orphans
    assert tcp.held <= LIMITS.socket_memory + len(tcp.connections) * (32 << 10)
    assert len(tcp.time_waits.entries) <= LIMITS.time_wait
    assert len(stack.interfaces[0].arp.entries) <= LIMITS.arp_entries
    assert len(stack.ip.fragments) <= LIMITS.reassembly_datagrams
    assert stack.ip.fragments.held <= LIMITS.reassembly_bytes
    assert stack.timers.size() < 1000


def meddle(seed: int, count: int) -> None:
    scene = Conversations(seed)
    scene.meddle(300)  # what is made once, is made
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            scene.meddle(count // 10)
            is_within_limits(scene)
        _, peak = tracemalloc.get_traced_memory()
        assert peak - before < MOST_GROWN
        scene.still_serves()
        scene.falls_silent()
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
        assert left - before < MOST_LEFT
    finally:
        tracemalloc.stop()
    assert scene.done > count // 100
    assert scene.middle.frames < 40 * count  # nobody answers anybody for ever
    tcp = scene.stack.tcp
    assert (tcp.half_open, tcp.orphans, tcp.held) == (0, 0, 0)
    assert [key[1] for key in tcp.connections] == [7]  # the honest one's
    assert (len(scene.stack.ip.fragments), scene.stack.ip.fragments.held) == (0, 0)
    assert scene.stack.timers.size() < 200
    scene.still_answers()
    scene.still_serves()
    scene.close()
    scene.runtime.check()
    assert not tcp.connections


def test_a_thousand_frames_made_of_real_ones(seed: int):
    meddle(seed, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(15))
def test_ten_thousand_frames_made_of_real_ones(seed: int, part: int):
    meddle(seed, EACH)
