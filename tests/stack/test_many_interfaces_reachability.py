"""A link that is up and leads nowhere: who asks is told, and the other uplink takes over. RFC 1122 3.3.1.4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netif.errors import InvalidParams
from netif.reachability import ReachabilityPolicy
from tests.stack.rig import GATEWAY, Rig, answers
from tests.stack.uplinks import FAR, Uplinks

EVERY_SECOND = {"interval": 1.0, "misses": 3, "answers": 2}


@pytest.fixture
def two() -> Iterator[Uplinks]:
    """`eth` is the default."""
    world = Uplinks(eth=50, wifi=10)
    world.serve()
    yield world
    world.close()


def watched(world: Uplinks, name: str, **policy: Any) -> list[tuple[float, bool]]:
    """When the interface was found to lead nowhere, or somewhere again."""
    told: list[tuple[float, bool]] = []
    begin = world.runtime.now()
    interface = world[name].netif.interface
    assert interface is not None
    world.runtime.enter()
    interface.watch(
        ReachabilityPolicy(**{**EVERY_SECOND, **policy}),
        lambda reachable: told.append((world.runtime.now() - begin, reachable)),
    )
    world.runtime.leave()
    return told


@pytest.mark.parametrize("by", [{"by": "ping"}, {"by": "arp"}, {"target": FAR}])
def test_silence_and_answers_are_told_after_as_many_as_the_policy_says(two: Uplinks, by: dict[str, str]):
    told = watched(two, "eth", **by)
    two.runtime.run_for(10.5)
    assert told == []
    two["eth"].silence()  # 0.5 s after the eleventh question, which was answered
    two.runtime.run_for(3.0)
    assert told == []
    two.runtime.run_for(1.0)
    assert [reachable for _, reachable in told] == [False]
    assert told[0][0] == pytest.approx(14.0, abs=0.01)
    two["eth"].speak()
    two.runtime.run_for(5.0)
    assert [reachable for _, reachable in told] == [False, True]


def test_a_few_lost_answers_are_no_failure(two: Uplinks):
    told = watched(two, "eth")
    for _ in range(5):
        two["eth"].silence()
        two.runtime.run_for(2.0)
        two["eth"].speak()
        two.runtime.run_for(2.0)
    assert told == []


def test_who_does_not_want_to_know_any_more_asks_no_more(two: Uplinks):
    told = watched(two, "eth")
    interface = two["eth"].netif.interface
    assert interface is not None
    two.runtime.enter()
    interface.watch(None, told.append)  # type: ignore[arg-type]
    two.runtime.leave()
    two["eth"].silence()
    two.runtime.run_for(60)
    assert told == []
    assert not two.host.icmp.sockets


def test_an_interface_that_goes_takes_its_question_along(two: Uplinks):
    told = watched(two, "eth")
    two["eth"].netif.stop()
    two.runtime.run_for(60)
    assert told == []
    assert not two.host.icmp.sockets


def test_nothing_is_counted_while_there_is_nobody_to_ask(two: Uplinks):
    told = watched(two, "eth")
    two["eth"].netif.set_ip_info("10.0.1.2/24")  # no gateway any more
    two.runtime.run_for(60)
    assert told == []
    two["eth"].netif.disconnected()  # the link's own affair
    two.runtime.run_for(60)
    assert told == []


def test_a_neighbour_is_asked_by_arp_though_it_is_known(rig: Rig):
    told: list[bool] = []
    rig.interface.watch(ReachabilityPolicy(by="arp", interval=10.0, misses=2, answers=1), told.append)
    rig.after(0)
    for _ in range(3):
        rig.sends("who-has 10.0.0.254 tell 10.0.0.1")
        rig.gets(answers(GATEWAY, rig.interface.address))
        rig.after(10.0)
    rig.sends("who-has 10.0.0.254 tell 10.0.0.1")
    rig.after(25.0)
    assert told == [False]
    rig.netif.sent.clear()
    rig.gets(answers(GATEWAY, rig.interface.address))
    rig.after(10.0)
    assert told == [False, True]
    assert (rig.stack.stats["unreachable"], rig.stack.stats["reachable_again"]) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"target": "8.8.8"}, "target"),
        ({"by": "smoke"}, "by"),
        ({"interval": 0}, "interval"),
        ({"misses": 0}, "misses"),
    ],
)
def test_a_policy_says_what_is_wrong_with_it(wrong: dict[str, Any], field: str):
    with pytest.raises(InvalidParams, match=rf"ReachabilityPolicy\.{field}: "):
        ReachabilityPolicy(**wrong)
