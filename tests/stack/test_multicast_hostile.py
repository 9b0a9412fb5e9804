"""What a link may do to a host that is in groups: storms and lies, and applications that never rest."""

from __future__ import annotations

import random
import tracemalloc
from contextlib import suppress

import pytest

from netif.errors import NoMem
from netif.wire import igmp, ip
from netif.wire.checksum import complete, partial_sum
from stack.limits import Limits
from tests.stack.multicasting import ALICE, GROUP, OTHER_GROUP, V3, joined, message, query, records, report, to_group
from tests.stack.rig import PEER, US, Rig, echo

GROUPS = (GROUP, OTHER_GROUP, bytes((239, 9, 9, 9)), igmp.ALL_HOSTS, igmp.ANY, US)


def still_answers(rig: Rig) -> None:
    rig.frames()
    rig.knows_peer()
    rig.gets(echo())
    rig.sends("10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)")
    assert rig.stack.stats["internal_error"] == 0


def with_checksum(body: bytes) -> bytes:
    blank = body[:2] + b"\0\0" + body[4:]
    return body[:2] + complete(partial_sum(blank)).to_bytes(2, "big") + body[4:]


def mutated(dice: random.Random) -> bytes:
    """A message that some querier or host might send, and then somebody changed it: often with a right checksum."""
    group = dice.choice(GROUPS)
    sources = tuple(dice.randbytes(4) for _ in range(dice.choice((0, 0, 1, 3, 90))))
    body = dice.choice(
        (
            igmp.emit(dice.choice((0x11, 0x12, 0x16, 0x17, 0x22, 0x99)), group, max_resp=dice.random() * 9),
            igmp.emit_query(igmp.Query(3, group, dice.random() * 20, sources, dice.randrange(8), dice.random() * 200)),
            igmp.emit_report([igmp.Record(dice.randrange(9), group, sources)] * dice.randrange(4)),
        )
    )
    changed = bytearray(body)
    for _ in range(dice.choice((0, 0, 1, 3))):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    del changed[dice.choice((len(changed), len(changed), dice.randrange(len(changed) + 1))) :]
    body = bytes(changed)
    if len(body) >= 4 and dice.random() < 0.8:
        body = with_checksum(body)
    dst = dice.choice((group, igmp.ALL_HOSTS, igmp.ALL_HOSTS, US, GROUP))
    dst = dst if any(dst) else igmp.ALL_HOSTS
    return message(body, dst, alert=dice.random() < 0.9, src=dice.choice((PEER, bytes(4), ALICE)))


def storm(dice: random.Random, count: int) -> None:
    rig = joined(Rig(), GROUP, OTHER_GROUP)
    tracemalloc.start()
    sent = 0
    for _ in range(count):
        rig.gets(mutated(dice))
        roll = dice.random()
        if roll < 0.2:
            rig.after(dice.random() * dice.choice((0.01, 1, 20)))
        elif roll < 0.25:
            rig.interface.join(bytes((239, 9, 9, dice.randrange(9))), dice.choice(((), (ALICE,), (PEER,))))
        elif roll < 0.3:
            rig.interface.leave(bytes((239, 9, 9, dice.randrange(9))))
        sent += len(rig.frames())
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 2 << 20
    assert sent < 4 * count
    rig.after(400_000.0)  # whatever older querier somebody has feigned is forgotten
    rig.frames()
    rig.gets(query(GROUP))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")
    assert rig.stack.stats["igmp_checksum"]
    assert rig.stack.stats["igmp_query"]
    assert rig.stack.stats["igmp_misdirected"]
    still_answers(rig)


def test_two_thousand_messages_that_somebody_changed(seed: int):
    storm(random.Random(seed), 2000)


@pytest.mark.slow
def test_fifty_thousand_messages_that_somebody_changed(seed: int):
    storm(random.Random(seed), 50_000)


def test_a_storm_of_queries_is_answered_some_times_a_second(rig: Rig):
    """Whatever time they leave, a tenth of a second at least."""
    joined(rig, GROUP, OTHER_GROUP)
    for _ in range(1000):
        rig.gets(query(max_resp=0.0), query(GROUP, max_resp=0.0))
        rig.after(0.001)
    assert 1 < len(rig.frames()) < 200


def test_a_storm_of_queries_of_version_2_is_answered_some_times_a_second(rig: Rig):
    joined(rig, GROUP, OTHER_GROUP)
    for _ in range(1000):
        rig.gets(query(version=2, max_resp=0.1), query(GROUP, version=2, max_resp=0.1))
        rig.after(0.001)
    assert 1 < len(rig.frames()) < 200


def test_queries_about_many_sources_are_answered_about_all():
    """RFC 3376 9.1"""
    rig = joined(Rig(limits=Limits(group_query_sources=100)))
    for n in range(50):
        rig.gets(query(GROUP, tuple(bytes((10, 1, n, m)) for m in range(90)), max_resp=25.0))
    assert rig.stack.stats["group_query_widened"]
    rig.after(30.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_changes_without_end_are_bounded():
    rig = Rig(limits=Limits(group_changes=10))
    tracemalloc.start()
    for n in range(2000):
        group = bytes((239, 1, n >> 8, n & 255))
        rig.interface.join(group)
        rig.interface.leave(group)
        if n % 5 == 0:
            rig.flush()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 1 << 20
    assert rig.stack.stats["group_changes_full"] > 1000
    rig.flush()
    rig.frames()
    rig.after(300.0)
    assert len(rig.frames()) <= 10
    assert rig.stack.timers.size() == 0


def test_sources_that_come_and_go_without_end_are_summed_up():
    rig = Rig(limits=Limits(group_changes=10))
    rig.interface.join(GROUP, (ALICE,))
    for n in range(100):
        rig.interface.join(GROUP, (bytes((10, 9, 9, n)),))
        rig.interface.leave(GROUP)
    assert rig.stack.stats["group_changes_full"]
    rig.flush()
    assert [(each.kind, each.sources) for frame in rig.frames() for each in records(frame)] == [(igmp.TO_IN, (ALICE,))]


def test_thousands_of_groups(rig: Rig):
    rig = Rig(limits=Limits(groups=5000, group_changes=5000))
    groups = [bytes((239, 1, n >> 8, n & 255)) for n in range(4000)]
    for group in groups:
        rig.interface.join(group)
    rig.flush()
    told = [each.group for frame in rig.frames() for each in records(frame)]
    assert told == groups
    rig.after(2.0)
    assert len([each for frame in rig.frames() for each in records(frame)]) == 4000
    rig.gets(query())
    rig.after(10.0)
    assert sorted(each.group for frame in rig.frames() for each in records(frame)) == groups
    rig.gets(to_group(group=groups[1234]))
    rig.drops(udp_no_socket=1)
    rig.interface.detach()
    assert sum(len(records(frame)) for frame in rig.frames()) == 4000


def test_a_feigned_older_querier_costs_its_time_and_no_more(rig: Rig):
    joined(rig)
    rig.gets(query(version=1), *[report(GROUP, version=1)] * 100)
    rig.after(261.0)
    rig.frames()
    rig.gets(query())
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_the_host_goes_on_where_a_join_was_refused():
    rig = Rig(limits=Limits(groups=2))
    for n in range(10):
        with suppress(NoMem):
            rig.interface.join(bytes((239, 0, 0, n)))
    rig.interface.leave(bytes((239, 0, 0, 9)))
    assert rig.stack.stats["groups_full"] == 9
    rig.flush()
    rig.sends(V3 + "239.0.0.0 to_ex")
    still_answers(rig)


def test_messages_in_fragments_are_read_as_one(rig: Rig):
    joined(rig)
    frame = query(GROUP, tuple(bytes((10, 1, 1, n)) for n in range(4)))
    body, head = frame[38:], frame[:38]
    options = head[34:38]

    def piece(data: bytes, fragment: int) -> bytes:
        header = ip.emit(PEER, GROUP, ip.IGMP, len(data), ident=7, ttl=1, fragment=fragment, options=options)
        return head[:14] + header + data

    rig.gets(piece(body[:16], ip.MF), piece(body[16:], 2))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_in {10.1.1.0 10.1.1.1 10.1.1.2 10.1.1.3}")
