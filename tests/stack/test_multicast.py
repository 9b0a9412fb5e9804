"""Groups of an interface: what is told by IGMP, when, how often and to whom; and whose datagrams are heard."""

from __future__ import annotations

import pytest

from netif.errors import InvalidParams
from netif.link import LinkCaps
from netif.wire import igmp, ip
from netif.wire.igmp import ALL_HOSTS
from stack.ethernet import group_mac
from stack.multicast import Filter, merged
from tests.stack.multicasting import (
    ALICE,
    BOB,
    CAROL,
    GROUP,
    OTHER_GROUP,
    V3,
    joined,
    message,
    query,
    records,
    report,
    to_group,
    within,
)
from tests.stack.rig import MASK, OUR_MAC, US, Rig, ScriptedNetif, address

ANY = bytes(4)


# telling of changes, RFC 3376 5.1


def test_a_join_is_told_at_once_and_again_within_a_second(rig: Rig):
    rig.interface.join(GROUP)
    rig.flush()
    rig.sends(V3 + "239.1.2.3 to_ex")
    assert within(rig, 1.0) > 0
    rig.sends(V3 + "239.1.2.3 to_ex")
    rig.after(300.0)
    rig.sends()


def test_a_leave_is_told_as_often(rig: Rig):
    joined(rig)
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(1.0)
    rig.sends(V3 + "239.1.2.3 to_in", V3 + "239.1.2.3 to_in")
    rig.after(300.0)
    rig.sends()


def test_a_message_is_for_the_link_alone_and_for_routers_to_look_at(rig: Rig):
    """RFC 3376 4: TTL 1, router alert, precedence of internetwork control"""
    rig.interface.join(GROUP)
    rig.flush()
    (frame,) = rig.frames()
    header_len, _, _, _, ttl, protocol, src, dst, tos = ip.parse(frame, 14)
    assert (ttl, protocol, src, dst, tos) == (1, ip.IGMP, US, address("224.0.0.22"), 0xC0)
    assert frame[:6] == bytes.fromhex("01005e000016")
    assert frame[34 : 14 + header_len] == b"\x94\4\0\0"


def test_only_the_first_to_join_and_the_last_to_leave_change_anything(rig: Rig):
    joined(rig)
    rig.interface.join(GROUP)
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(5.0)
    rig.sends()


def test_all_that_changes_in_a_turn_is_one_report(rig: Rig):
    rig.interface.join(GROUP)
    rig.interface.join(OTHER_GROUP, (ALICE,))
    rig.flush()
    rig.sends(V3 + "239.1.2.3 to_ex, 239.4.5.6 allow {10.0.0.11}")


def test_what_is_left_before_it_was_told_is_told_as_left(rig: Rig):
    rig.interface.join(GROUP)
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(1.0)
    rig.sends(V3 + "239.1.2.3 to_in", V3 + "239.1.2.3 to_in")


def test_a_second_change_is_told_at_once_and_not_the_first_again(rig: Rig):
    rig.interface.join(GROUP)
    rig.flush()
    rig.frames()
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(2.0)
    rig.sends(*[V3 + "239.1.2.3 to_in"] * 2)


def test_all_hosts_are_never_reported(rig: Rig):
    """RFC 3376 5"""
    rig.interface.join(ALL_HOSTS)
    rig.interface.leave(ALL_HOSTS)
    rig.interface.leave(ALL_HOSTS)
    rig.gets(query())
    rig.after(300.0)
    rig.sends()
    rig.gets(to_group(group=ALL_HOSTS))
    rig.drops(udp_no_socket=1)  # it is still heard


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ((), (ALICE, BOB), "allow {10.0.0.11 10.0.0.12}"),
        ((ALICE, BOB), (BOB, CAROL), "allow {10.0.0.13}, 239.1.2.3 block {10.0.0.11}"),
        ((ALICE,), None, "to_ex"),
        (None, (ALICE,), "to_in {10.0.0.11}"),
        ((ALICE,), (), "block {10.0.0.11}"),
    ],
)
def test_a_change_of_sources_says_no_more_than_what_changed(rig: Rig, before, after, told):
    """RFC 3376 5.1, the table"""

    def wanted(sources):
        return Filter(False) if sources is None else Filter(True, frozenset(sources))

    groups = rig.interface.groups
    groups.listen("me", GROUP, wanted(before))
    rig.flush()
    rig.after(5.0)
    rig.frames()
    groups.listen("me", GROUP, wanted(after))
    rig.flush()
    rig.sends(V3 + "239.1.2.3 " + told)
    rig.after(5.0)
    rig.sends(V3 + "239.1.2.3 " + told)


def test_blocked_sources_are_told_by_difference_too(rig: Rig):
    groups = rig.interface.groups
    groups.listen("me", GROUP, Filter(False, frozenset((ALICE, BOB))))
    rig.flush()
    rig.sends(V3 + "239.1.2.3 to_ex {10.0.0.11 10.0.0.12}")
    rig.after(5.0)
    rig.frames()
    groups.listen("me", GROUP, Filter(False, frozenset((BOB, CAROL))))
    rig.flush()
    rig.sends(V3 + "239.1.2.3 allow {10.0.0.11}, 239.1.2.3 block {10.0.0.13}")


def test_each_source_is_told_as_often_as_it_needs(rig: Rig):
    groups = rig.interface.groups
    groups.listen("me", GROUP, Filter(True, frozenset((ALICE,))))
    rig.flush()
    rig.frames()
    groups.listen("me", GROUP, Filter(True, frozenset((ALICE, BOB))))
    rig.flush()
    rig.after(5.0)
    rig.sends(V3 + "239.1.2.3 allow {10.0.0.11 10.0.0.12}", V3 + "239.1.2.3 allow {10.0.0.12}")


@pytest.mark.parametrize(
    ("filters", "outcome"),
    [
        ([], Filter(True)),
        ([Filter(True, frozenset((ALICE,))), Filter(True, frozenset((BOB,)))], Filter(True, frozenset((ALICE, BOB)))),
        ([Filter(False, frozenset((ALICE, BOB))), Filter(False, frozenset((BOB,)))], Filter(False, frozenset((BOB,)))),
        ([Filter(False, frozenset((ALICE, BOB))), Filter(True, frozenset((BOB,)))], Filter(False, frozenset((ALICE,)))),
        ([Filter(False, frozenset((ALICE,))), Filter(False)], Filter(False)),
    ],
)
def test_what_all_want_together(filters, outcome):
    """RFC 3376 3.2"""
    assert merged(filters) == merged(filters[::-1]) == outcome


def test_a_robuster_querier_hears_it_more_often(rig: Rig):
    """RFC 3376 4.1.6"""
    rig.gets(query(robustness=4))
    rig.interface.join(GROUP)
    rig.flush()
    rig.after(20.0)
    assert [each.kind for frame in rig.frames() for each in records(frame)].count(igmp.TO_EX) == 4


# answering queries, RFC 3376 5.2


def test_a_general_query_is_answered_about_all_groups_within_its_time(rig: Rig):
    joined(rig, GROUP, OTHER_GROUP)
    rig.gets(query(max_resp=5.0))
    rig.sends()
    within(rig, 5.0)
    rig.sends(V3 + "239.1.2.3 is_ex, 239.4.5.6 is_ex")
    rig.after(300.0)
    rig.sends()


def test_a_query_about_a_group_is_answered_about_it_alone(rig: Rig):
    joined(rig, GROUP, OTHER_GROUP)
    rig.gets(query(GROUP, max_resp=1.0))
    within(rig, 1.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_a_query_about_a_group_of_others_is_not_answered(rig: Rig):
    joined(rig)
    rig.gets(query(OTHER_GROUP, dst=ALL_HOSTS), query(ALL_HOSTS))
    rig.after(300.0)
    rig.sends()
    rig.drops()


def test_answers_come_at_random_times():
    def delay(seed: int) -> float:
        rig = joined(Rig())
        rig.after(seed)
        for _ in range(seed):
            rig.stack.dice.random()
        rig.gets(query())
        return within(rig, 10.0)

    delays = [delay(seed) for seed in range(20)]
    assert max(delays) - min(delays) > 5.0


def test_queries_that_come_together_get_one_answer(rig: Rig):
    """RFC 3376 5.2, rule 1"""
    joined(rig)
    rig.gets(*[query()] * 20)
    rig.after(10.0)
    assert len(rig.frames()) == 1


def test_a_query_about_a_group_need_not_be_answered_twice(rig: Rig):
    """Rule 4: at the earlier of both times."""
    joined(rig)
    rig.gets(query(GROUP, max_resp=25.0), query(GROUP, max_resp=1.0))
    within(rig, 1.0)
    rig.sends(V3 + "239.1.2.3 is_ex")
    rig.after(300.0)
    rig.sends()


def test_the_earlier_time_counts_in_whatever_order(rig: Rig):
    """Rules 1 and 4"""
    joined(rig)
    rig.gets(query(GROUP, max_resp=1.0), query(GROUP, max_resp=2000.0))
    within(rig, 1.0)
    rig.frames()
    rig.gets(query(max_resp=1.0), *[query(GROUP, max_resp=2000.0)] * 3)
    within(rig, 1.0)
    rig.sends(V3 + "239.1.2.3 is_ex")
    rig.after(4000.0)
    rig.sends()


def test_a_query_about_sources_is_answered_about_those_that_are_wanted(rig: Rig):
    groups = rig.interface.groups
    groups.listen("me", GROUP, Filter(True, frozenset((ALICE, BOB))))
    groups.listen("me", OTHER_GROUP, Filter(False, frozenset((ALICE,))))
    rig.flush()
    rig.after(5.0)
    rig.frames()
    rig.gets(query(GROUP, (ALICE, CAROL)))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_in {10.0.0.11}")
    rig.gets(query(OTHER_GROUP, (ALICE, CAROL)))
    rig.after(10.0)
    rig.sends(V3 + "239.4.5.6 is_in {10.0.0.13}")
    rig.gets(query(GROUP, (CAROL,)))
    rig.after(10.0)
    rig.sends()


def test_sources_asked_for_one_after_the_other_are_answered_together(rig: Rig):
    """Rule 5, and rule 4 where one asks about the whole group."""
    rig.interface.join(GROUP, (ALICE, BOB, CAROL))
    joined(rig, OTHER_GROUP)
    rig.gets(query(GROUP, (ALICE,)), query(GROUP, (CAROL,)))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_in {10.0.0.11 10.0.0.13}")
    rig.gets(query(GROUP, (ALICE,)), query(GROUP), query(GROUP, (BOB,)))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_in {10.0.0.11 10.0.0.12 10.0.0.13}")


def test_what_was_left_meanwhile_is_not_answered_about(rig: Rig):
    joined(rig)
    rig.gets(query(GROUP))
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(20.0)
    rig.sends(*[V3 + "239.1.2.3 to_in"] * 2)


def test_a_query_to_our_address_is_answered(rig: Rig):
    """RFC 3376 4.1.12"""
    joined(rig)
    rig.gets(query(dst=US))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_a_switch_without_an_address_may_ask(rig: Rig):
    """RFC 4541 2.1.1"""
    joined(rig)
    rig.gets(query(src=ANY))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


@pytest.mark.parametrize(
    "forged",
    [
        query(alert=False),
        query(GROUP, alert=False),
        query(version=2, alert=False),
        query(dst=GROUP),
        query(dst=US, src=address("8.8.8.8")),
        query(dst=US, version=1),
    ],
    ids=["no alert", "no alert, one group", "no alert, v2", "about all, to one", "to us, routed", "to us, v1"],
)
def test_queries_from_afar_are_not_answered(rig: Rig, forged: bytes):
    """RFC 3376 9.1"""
    joined(rig)
    rig.gets(forged)
    rig.after(300.0)
    rig.sends()
    rig.drops(igmp_misdirected=1)


def test_an_older_querier_has_no_router_alert(rig: Rig):
    joined(rig)
    rig.gets(query(version=1, alert=False))
    rig.after(10.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v1 239.1.2.3")


def test_more_than_fits_a_frame_goes_in_several(rig: Rig):
    """RFC 3376 4.2.16"""
    rig.interface.set_mtu(100)  # 68 bytes of records
    for last in range(20):
        rig.interface.join(bytes((239, 0, 0, last)))
    rig.flush()
    frames = rig.frames()
    assert [len(records(frame)) for frame in frames] == [8, 8, 4]
    rig.interface.groups.listen("me", GROUP, Filter(True, frozenset(bytes((10, 1, 0, last)) for last in range(40))))
    rig.flush()
    frames = rig.frames()
    assert all(len(frame) <= 114 for frame in frames)
    assert sorted(source for frame in frames for each in records(frame) for source in each.sources) == [
        bytes((10, 1, 0, last)) for last in range(40)
    ]
    rig.interface.groups.listen("me", OTHER_GROUP, Filter(False, frozenset(bytes((10, 1, 0, n)) for n in range(40))))
    rig.flush()
    (frame,) = rig.frames()  # an exclusion is cut short
    assert len(records(frame)[0].sources) == 15


# older queriers, RFC 3376 7.2 and RFC 2236


def test_a_querier_of_version_2_is_spoken_to_in_its_version(rig: Rig):
    joined(rig)
    rig.gets(query(version=2, max_resp=3.0))
    within(rig, 3.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v2 239.1.2.3")
    rig.interface.join(OTHER_GROUP, (ALICE,))
    rig.flush()
    rig.after(10.0)
    rig.sends(*["10.0.0.1 > 239.4.5.6: igmp report v2 239.4.5.6"] * 2)
    rig.interface.leave(OTHER_GROUP)
    rig.flush()
    rig.after(10.0)
    rig.sends("10.0.0.1 > 224.0.0.2: igmp leave 239.4.5.6")


def test_a_querier_of_version_1_is_never_told_of_leaving(rig: Rig):
    rig.gets(query(version=1))
    rig.interface.join(GROUP)
    rig.flush()
    rig.after(10.0)
    rig.sends(*["10.0.0.1 > 239.1.2.3: igmp report v1 239.1.2.3"] * 2)
    rig.gets(query(version=1))
    within(rig, 10.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v1 239.1.2.3")
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(300.0)
    rig.sends()


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_querier_that_has_gone_is_forgotten(rig: Rig, version: int):
    """RFC 3376 8.12: robustness times the query interval, and the response interval"""
    joined(rig)
    rig.gets(query(robustness=3, interval=20.0), query(version=version))
    rig.after(3 * 20.0 + 10.0 - 0.1)
    assert [frame[23] for frame in rig.frames()] == [ip.IGMP]
    rig.interface.join(OTHER_GROUP)
    rig.flush()
    rig.sends(f"10.0.0.1 > 239.4.5.6: igmp report v{version} 239.4.5.6")
    rig.after(0.2)
    rig.interface.leave(OTHER_GROUP)
    rig.flush()
    rig.sends(V3 + "239.4.5.6 to_in")


def test_only_general_queries_of_version_2_tell_that_there_is_an_older_querier(rig: Rig):
    """RFC 3376 7.2.1"""
    joined(rig)
    rig.gets(query(GROUP, version=2))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_the_oldest_querier_counts(rig: Rig):
    joined(rig)
    rig.gets(query(version=1), query(version=2), query())
    rig.after(10.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v1 239.1.2.3")


def test_a_change_of_version_calls_off_what_was_to_be_repeated(rig: Rig):
    """RFC 3376 7.2.1"""
    rig.interface.join(GROUP)
    rig.flush()
    rig.frames()
    rig.gets(query(version=2, max_resp=10.0))
    rig.after(10.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v2 239.1.2.3")


def test_what_was_not_told_yet_is_told_in_the_version_of_who_has_come(rig: Rig):
    rig.interface.join(GROUP)
    rig.gets(query(version=2))
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v2 239.1.2.3")


def test_each_group_answers_an_older_querier_in_its_own_time(rig: Rig):
    groups = [bytes((239, 0, 0, last)) for last in range(20)]
    joined(rig, *groups)
    rig.gets(query(version=2))
    moments = []
    while len(moments) < 20:
        within(rig, 10.0)
        moments += [rig.runtime.time] * len(rig.frames())
    assert len(set(moments)) == 20
    assert moments[-1] - moments[0] > 5.0


def test_another_hosts_report_saves_ours(rig: Rig):
    """RFC 2236 3: and who did not report last need not tell of leaving."""
    joined(rig)
    rig.gets(query(version=2), report(GROUP))
    rig.after(300.0)
    rig.sends()
    rig.gets(query(version=2), report(OTHER_GROUP, dst=GROUP), report(GROUP, dst=ALL_HOSTS))
    rig.drops(igmp_misdirected=2)
    rig.after(10.0)
    rig.sends("10.0.0.1 > 239.1.2.3: igmp report v2 239.1.2.3")
    rig.gets(report(GROUP, version=1))
    rig.interface.leave(GROUP)
    rig.flush()
    rig.after(10.0)
    rig.sends()


def test_who_reported_last_tells_of_leaving(rig: Rig):
    """RFC 2236 3"""
    joined(rig)
    rig.gets(query(version=2), report(GROUP))
    rig.gets(query(version=2))
    rig.after(10.0)
    rig.frames()
    rig.interface.leave(GROUP)
    rig.flush()
    rig.sends("10.0.0.1 > 224.0.0.2: igmp leave 239.1.2.3")


def test_who_was_spoken_for_to_a_querier_that_has_gone_tells_the_next_one_of_leaving(rig: Rig):
    """RFC 2236 3; meanwhile it reported by itself, in version 3"""
    joined(rig)
    rig.gets(query(version=2), report(GROUP))
    rig.after(2 * 125.0 + 10.0 + 0.1)
    rig.gets(query())
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")
    rig.gets(query(version=2))
    rig.interface.leave(GROUP)
    rig.flush()
    rig.sends("10.0.0.1 > 224.0.0.2: igmp leave 239.1.2.3")


def test_who_joined_before_the_older_querier_came_tells_it_of_leaving(rig: Rig):
    joined(rig)
    rig.gets(query(version=2, max_resp=10.0))
    rig.interface.leave(GROUP)
    rig.flush()
    rig.sends("10.0.0.1 > 224.0.0.2: igmp leave 239.1.2.3")


def test_another_hosts_report_saves_nothing_where_all_speak_version_3(rig: Rig):
    joined(rig)
    rig.gets(query(), report(GROUP))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_ex")


def test_sources_are_nothing_to_an_older_querier(rig: Rig):
    rig.gets(query(version=2))
    rig.interface.join(GROUP, (ALICE,))
    rig.flush()
    rig.after(20.0)
    rig.frames()
    rig.interface.join(GROUP)
    rig.flush()
    rig.after(20.0)
    rig.sends()


# the link


def test_a_link_that_comes_back_is_told_of_all_groups(rig: Rig):
    joined(rig, GROUP, OTHER_GROUP)
    rig.gets(query(version=2))
    rig.interface.link_down()
    rig.after(20.0)
    rig.interface.link_up(LinkCaps(mac=OUR_MAC))
    rig.flush()
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1", V3 + "239.1.2.3 to_ex, 239.4.5.6 to_ex")
    rig.after(1.0)
    rig.sends(V3 + "239.1.2.3 to_ex, 239.4.5.6 to_ex")


def test_what_is_joined_while_the_link_is_down_is_told_when_it_comes(rig: Rig):
    rig.interface.link_down()
    rig.interface.join(GROUP)
    rig.flush()
    rig.after(20.0)
    rig.sends()
    rig.interface.link_up(LinkCaps(mac=OUR_MAC))
    rig.flush()
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1", V3 + "239.1.2.3 to_ex")


def test_without_an_address_it_is_told_from_none():
    """RFC 3376 4.2.13"""
    rig = Rig(addressed=False)
    rig.interface.join(GROUP)
    rig.flush()
    rig.sends("0.0.0.0 > 224.0.0.22: igmp report v3 239.1.2.3 to_ex")
    rig.after(5.0)
    rig.frames()
    rig.interface.set_addresses(US, MASK, ANY)
    rig.flush()
    rig.sends("who-has 10.0.0.1 tell 10.0.0.1", V3 + "239.1.2.3 to_ex")


def test_who_detaches_leaves(rig: Rig):
    joined(rig, GROUP, OTHER_GROUP)
    rig.interface.detach()
    rig.flush()
    (frame,) = rig.frames()
    assert {(each.kind, each.group) for each in records(frame)} == {(igmp.TO_IN, GROUP), (igmp.TO_IN, OTHER_GROUP)}
    assert not rig.interface.groups
    rig.after(300.0)
    rig.sends()


def test_the_same_group_by_two_links_is_told_on_both(rig: Rig):
    netif, second = rig.link("eth1", bytes.fromhex("020000000003"))
    second.set_addresses(address("10.1.0.1"), MASK, ANY)
    rig.flush()
    netif.sent.clear()
    rig.netif.sent.clear()
    rig.interface.join(GROUP)
    second.join(GROUP)
    rig.flush()
    rig.sends(V3 + "239.1.2.3 to_ex")
    assert len(netif.sent) == 1
    rig.interface.leave(GROUP)
    rig.flush()
    rig.gets(to_group())
    rig.gets(to_group(src=address("10.1.0.2")), by=second)
    rig.drops(ethernet_other_host=1, udp_no_socket=1)


def test_a_driver_that_is_full_gets_the_report_later(rig: Rig):
    rig.netif.room = 0
    rig.interface.join(GROUP)
    rig.flush()
    rig.netif.room = None
    rig.interface.writable()
    rig.sends(V3 + "239.1.2.3 to_ex")


ALL_HOSTS_MAC, GROUP_MAC = group_mac(ALL_HOSTS), group_mac(GROUP)


def test_a_driver_is_told_of_each_mac_that_is_wanted_and_when_it_is_no_longer():
    rig = Rig()
    netif = ScriptedNetif("eth9", bytes.fromhex("020000000003"))
    interface = rig.stack.attach(netif)
    interface.join(GROUP)
    assert netif.filtered == []  # it is not open yet
    interface.link_up(LinkCaps(mac=netif.mac))
    assert sorted(netif.filtered) == [(ALL_HOSTS_MAC, True), (GROUP_MAC, True)]
    netif.filtered.clear()
    interface.link_down()
    interface.link_up(LinkCaps(mac=netif.mac))
    twin = address("238.129.2.3")
    assert group_mac(twin) == group_mac(GROUP)
    interface.join(twin)
    interface.leave(GROUP)
    assert netif.filtered == []
    interface.leave(twin)
    assert netif.filtered == [(GROUP_MAC, False)]
    interface.detach()
    assert netif.filtered[1:] == [(ALL_HOSTS_MAC, False)]


def test_a_driver_is_told_while_the_link_is_down_too():
    netif = ScriptedNetif("eth9", bytes.fromhex("020000000003"))
    interface = Rig().stack.attach(netif)
    interface.link_up(LinkCaps(mac=netif.mac))
    interface.link_down()
    netif.filtered.clear()
    interface.join(GROUP)
    interface.leave(GROUP)
    assert netif.filtered == [(GROUP_MAC, True), (GROUP_MAC, False)]


# what is heard


def test_a_source_that_nobody_wants_is_not_heard(rig: Rig):
    rig.interface.join(GROUP, (ALICE,))
    rig.gets(to_group(src=BOB), to_group(src=ALICE))
    rig.drops(ip_group_source=1, udp_no_socket=1)


def test_a_querier_is_heard_though_nobody_wants_its_datagrams(rig: Rig):
    rig.interface.join(GROUP, (ALICE,))
    joined(rig, OTHER_GROUP)
    rig.gets(query(GROUP))
    rig.after(10.0)
    rig.sends(V3 + "239.1.2.3 is_in {10.0.0.11}")


def test_only_a_group_can_be_joined(rig: Rig):
    for wrong in (US, address("255.255.255.255"), ANY):
        with pytest.raises(InvalidParams, match=r"group: .* is none; take one of 224\.0\.0\.0/4"):
            rig.interface.join(wrong)
    rig.interface.leave(GROUP)
    rig.flush()
    rig.sends()


@pytest.mark.parametrize("kind", [igmp.LEAVE, igmp.V3_REPORT, 0x13, 0xFF])
def test_what_is_not_for_hosts_is_counted(rig: Rig, kind: int):
    joined(rig)
    rig.gets(message(igmp.emit(kind, GROUP), GROUP))
    rig.after(20.0)
    rig.sends()
    rig.drops(igmp_type=1)
