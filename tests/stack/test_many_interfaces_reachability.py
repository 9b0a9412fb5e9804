"""A link that is up and leads nowhere: who asks is told, and the other uplink takes over. RFC 1122 3.3.1.4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netif import DnsInfo, DnsType
from netif.errors import InvalidParams
from netif.events import Event, Reachable, Unreachable
from netif.reachability import ReachabilityPolicy
from netif.wire import icmp
from tests.stack.rig import GATEWAY, Rig, answers, echo, icmp_error
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
    two["eth"].netif.disconnected()  # the link's own affair
    two.runtime.run_for(60)
    assert told == []
    two["eth"].netif.connected()
    two["eth"].netif.set_ip_info("10.0.1.2/24")  # no gateway any more
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


# the other uplink takes over


def policy(**changes: Any) -> ReachabilityPolicy:
    return ReachabilityPolicy(**{**EVERY_SECOND, **changes})


def default(world: Uplinks) -> str:
    registry = world["eth"].netif.registry
    assert registry is not None
    return "" if registry.default is None else registry.default.if_key


def test_without_a_policy_a_default_that_leads_nowhere_stays_the_default(two: Uplinks):
    two["eth"].silence()
    two.runtime.run_for(600)
    assert default(two) == "eth"


def test_the_other_uplink_takes_over_with_its_name_servers_and_gives_back(two: Uplinks):
    heard: list[Event] = []
    netif = two["eth"].netif
    for name, server in (("eth", "1.1.1.1"), ("wifi", "2.2.2.2")):
        two[name].netif.set_dns_info(DnsType.MAIN, DnsInfo(server))
    netif.watch_reachability(policy())
    netif.subscribe(Reachable, heard.append)
    netif.subscribe(Unreachable, heard.append)
    two.runtime.run_for(2.5)
    assert who(two) == "eth-gateway 10.0.1.2"
    assert two.host.dns == (bytes((1, 1, 1, 1)),)
    two["eth"].silence()
    two.runtime.run_for(5)
    assert (default(two), netif.reachable, netif.is_up) == ("wifi", False, True)
    assert who(two) == "wifi-gateway 10.0.2.2"
    assert two.host.dns == (bytes((2, 2, 2, 2)),)
    two["eth"].speak()
    two.runtime.run_for(5)
    assert who(two) == "eth-gateway 10.0.1.2"
    assert two.host.dns == (bytes((1, 1, 1, 1)),)
    assert heard == [Unreachable(netif), Reachable(netif)]


def test_what_is_open_goes_on_where_it_began_and_fails_by_its_own_time(two: Uplinks):
    def begin() -> Any:
        stream = two.host.create_connection((FAR, 7))
        stream.recv(100)
        return stream

    two["eth"].netif.watch_reachability(policy())
    with two.do(begin) as stream:
        two["eth"].silence()
        two.runtime.run_for(5)
        assert default(two) == "wifi"

        def talk() -> bytes:
            stream.send(b"still there?")
            return bytes(stream.recv(100))

        talking = two.runtime.spawn(talk)
        two.runtime.run_for(5)
        assert not talking.done()
        two["eth"].speak()
        two.runtime.run_until(talking.done, 60)
        assert talking.result() == b"eth-gateway"


def test_when_nothing_answers_anywhere_the_priority_decides(two: Uplinks):
    for name in ("eth", "wifi"):
        two[name].netif.watch_reachability(policy())
        two[name].silence()
    two.runtime.run_for(10)
    assert default(two) == "eth"
    two["wifi"].speak()
    two.runtime.run_for(10)
    assert default(two) == "wifi"


def test_an_interface_that_comes_up_takes_over_from_one_that_leads_nowhere(two: Uplinks):
    two["wifi"].netif.disconnected()
    two["eth"].netif.watch_reachability(policy())
    two["eth"].silence()
    two.runtime.run_for(10)
    assert default(two) == "eth"  # there is no other
    two["wifi"].netif.connected()
    assert default(two) == "wifi"


def test_a_person_s_choice_is_left_alone(two: Uplinks):
    registry = two["eth"].netif.registry
    assert registry is not None
    two["eth"].netif.watch_reachability(policy())
    registry.set_default(two["eth"].netif)
    two["eth"].silence()
    two.runtime.run_for(10)
    assert default(two) == "eth"
    registry.set_default(None)
    assert default(two) == "wifi"


def test_the_policy_outlives_a_replugged_wire_and_a_restart(two: Uplinks):
    netif = two["eth"].netif
    netif.watch_reachability(policy())
    two["eth"].silence()
    two.runtime.run_for(10)
    assert default(two) == "wifi"
    for again in (netif.disconnected, netif.connected), (netif.stop, netif.start):
        for act in again:
            act()
        assert default(two) == "eth"  # it leads somewhere until the contrary is shown
        two.runtime.run_for(10)
        assert default(two) == "wifi"
    netif.watch_reachability(None)
    assert (default(two), netif.reachable) == ("eth", True)


def who(world: Uplinks) -> str:
    def ask() -> str:
        with world.host.create_connection((FAR, 7)) as s:
            return str(s.recv(100).decode())

    return str(world.do(ask))


# static routes


def test_a_netif_has_static_routes_and_keeps_them_over_a_restart(two: Uplinks):
    netif = two["wifi"].netif
    netif.set_routes([("8.8.0.0/16", "10.0.2.1")])
    assert who(two) == "wifi-gateway 10.0.2.2"
    netif.stop()
    assert who(two) == "eth-gateway 10.0.1.2"
    netif.start()
    assert who(two) == "wifi-gateway 10.0.2.2"
    netif.set_routes([])
    assert who(two) == "eth-gateway 10.0.1.2"
    with pytest.raises(InvalidParams, match=r"^route: .*8\.8\.0\.1/16"):
        netif.set_routes([("8.8.0.1/16", "10.0.2.1")])


def test_an_error_is_no_answer_and_an_answer_that_comes_twice_is_one(rig: Rig):
    told: list[bool] = []
    rig.knows_peer(who=GATEWAY)
    rig.interface.watch(ReachabilityPolicy(interval=3.0, misses=2, answers=2), told.append)
    rig.after(0)
    for _ in range(2):
        (question,) = rig.frames()
        rig.gets(icmp_error(icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, question, src=GATEWAY))
        rig.after(3.0)
    assert told == [False]
    for expected in ([False], [False, True]):
        (question,) = rig.frames()
        ident, sequence = int.from_bytes(question[38:40], "big"), int.from_bytes(question[40:42], "big")
        answer = echo(b"", kind=icmp.ECHO_REPLY, ident=ident, sequence=sequence, src=GATEWAY)
        rig.gets(answer)
        rig.gets(answer)
        assert told == expected
        rig.after(3.0)


def test_a_priority_counts_within_a_subnet_from_the_next_election_by_hand_on():
    """esp_netif_set_route_prio and esp_netif_set_default_netif(NULL)"""
    world = Uplinks(eth=50, wifi=10, modem=5)
    wifi, modem = world["wifi"].netif, world["modem"].netif
    modem.set_ip_info("10.0.2.9/24")
    neighbour = bytes((10, 0, 2, 7))
    assert world.host.ip.route(neighbour).interface is wifi.interface
    modem.set_route_prio(20)
    assert modem.registry is not None
    modem.registry.set_default(None)
    assert default(world) == "eth"
    assert world.host.ip.route(neighbour).interface is modem.interface
    world.close()


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
