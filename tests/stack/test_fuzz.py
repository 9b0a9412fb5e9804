"""Tens of thousands of frames, sound, aimed and broken, into one host with connections in every state: nothing is
raised, nothing grows, every reason for a drop is met, and an honest connection goes on beside it."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections import Counter

import pytest

from stack.stats import DROPS
from tests.stack.fuzz.frames import Attacker
from tests.stack.fuzz.population import Population
from tests.stack.fuzz.scene import Scene

NO_FRAME_DOES = {
    "gso_format": "segment.py refuses it on the way out; what comes in is never cut",
    "icmp_no_route": "with a gateway there is a way back to everybody",
    "igmp_record": "hosts read no reports of version 3",
    "ip6_unsupported": "on Ethernet it is a type of frame like any other that nobody takes",
    "ip_no_route": "an address or a route has to go away while something is sent",
    "ip_recut": "an MTU has to change while something is sent",
    "l2tap_queue_full": "nobody has a socket of an ethertype",
    "link_down": "while the link is down no frame comes in",
    "raw_queue_full": "nobody has a raw socket",
    "tcp_syn_held": "no listener puts off what it says to a SYN",
    "loopback_queue_full": "what a wire brings is never answered to ourselves",
    **{reason: "nobody obtains or gives addresses" for reason in DROPS if reason.startswith("dhcp")},
    **{reason: "the host is no router" for reason in DROPS if reason.startswith(("forward_", "napt_"))},
    **{reason: "nobody asks for names" for reason in DROPS if reason.startswith("dns_")},
}
MOST_GROWN = 16 << 20  # bytes


class Assault:
    """So many frames, in batches; and what was made of them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.scene = Scene(seed)
        self.population = Population(self.scene, self.dice)
        self.attacker = Attacker(self.scene, self.population, self.dice)
        self.made: Counter[str] = Counter()

    def run(self, count: int) -> None:
        while self.made.total() < count:
            self._batch()

    def _batch(self) -> None:
        dice, scene = self.dice, self.scene
        self.population.tend()
        full = dice.random() < 0.1
        if full:
            scene.wire.victim.room = dice.randrange(4)
        for _ in range(dice.choice((1, 5, 10))):
            scene.gets(*self._salvo(), offload=None)
            if dice.random() < 0.1:
                frame = self._one()
                scene.gets(frame, offload=self.attacker.offload(frame))
            scene.runtime.run_for(dice.choice((0.0, 0.001, 0.01, 0.05)))
        if full:
            self._relieve()
        if dice.random() < 0.03:
            scene.runtime.run_for(dice.uniform(1.0, 20.0))
        assert scene.runtime.internal_errors == 0

    def _relieve(self) -> None:
        end = self.scene.wire.victim
        end.room = None
        self.scene.runtime.enter()
        assert end.port is not None
        end.port.writable()
        self.scene.runtime.leave()

    def _salvo(self) -> list[bytes]:
        frames = [self._one() for _ in range(self.dice.choice((1, 1, 2, 8, 30)))]
        chance = self.dice.random()
        more: list[bytes] = []
        if chance < 0.02:  # the same again and again
            more = [self.attacker.sound()] * self.dice.choice((5, 20, 60))
        elif chance < 0.03:
            more = self.attacker.flood()
        self.made["sound"] += len(more)
        if chance > 0.98:
            shower = self.attacker.shower()
            self.made["aimed"] += len(shower)
            more += shower
        return frames + more

    def _one(self) -> bytes:
        chance = self.dice.random()
        kind = "aimed" if chance < 0.25 else "sound" if chance < 0.6 else "broken"
        self.made[kind] += 1
        frame: bytes = getattr(self.attacker, kind)()
        return frame


def assail(seed: int, count: int) -> dict[str, int]:
    """What was dropped, by its reason."""
    assault = Assault(seed)
    scene = assault.scene
    assault.run(500)  # what is made once, is made
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assault.run(count)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST_GROWN
    assert assault.made["aimed"] >= count / 5
    assert assault.made["aimed"] + assault.made["sound"] >= count / 2
    assert set(assault.population.seen) >= set(Population.WAYS)
    assert scene.stack.stats["internal_error"] == 0
    scene.still_serves()
    scene.still_answers()
    scene.resting = True
    scene.runtime.run_for(4000.0)
    tcp = scene.stack.tcp
    assert (tcp.half_open, tcp.orphans) == (0, 0)
    assert scene.stack.timers.size() < 1000
    scene.still_answers()
    scene.still_serves()
    drops = scene.stack.stats.drops()
    scene.close()
    scene.runtime.check()
    assert not tcp.connections
    return drops


def test_some_thousand_frames_of_all_kinds(seed: int):
    assail(seed, 3_000)


@pytest.mark.slow
def test_fifty_thousand_frames_meet_every_reason_for_a_drop(seed: int):
    met = assail(seed, 50_000).keys()
    assert DROPS.keys() - met - NO_FRAME_DOES.keys() == set()
    assert met & NO_FRAME_DOES.keys() == set()
