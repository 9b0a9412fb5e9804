"""Tail loss probes: RFC 8985 section 7. The round trip is 100 ms in these conversations."""

import pytest

from tests.stack.tcp.recovering import MSS, opened, sack, starts


@pytest.fixture
def open_(tcp_):
    opened(tcp_)
    return tcp_


def when(tcp, since):
    return [(one.seq, one.length, round(one.at - since, 3)) for one in tcp.all_sent()]


def test_two_round_trips_without_an_answer_provoke_one(open_):  # 7.2: PTO = 2 * SRTT
    start = open_.now
    open_.writes(3 * MSS)
    open_.after(0.25)
    assert when(open_, start)[3:] == [(2001, MSS, 0.2)]
    assert open_.connection.info().timeouts == 0
    assert open_.connection.recovery.tlps == 1


def test_it_is_of_one_segment(tcp_):  # 7.3: the last
    opened(tcp_, gso_max=65536)
    tcp_.writes(5 * MSS + 300)
    tcp_.all_sent()
    tcp_.after(0.25)
    assert starts(tcp_) == [(4301, MSS)]


def test_what_was_never_sent_goes_first(tcp_):  # 7.3
    opened(tcp_)
    tcp_.writes(11 * MSS)
    assert len(tcp_.all_sent()) == 10  # the congestion window
    tcp_.after(0.25)
    assert starts(tcp_) == [(10_001, MSS)]


def test_what_the_peer_has_no_room_for_does_not(tcp_):
    opened(tcp_)
    sack(tcp_, window=3000)
    tcp_.writes(5 * MSS)
    assert len(tcp_.all_sent()) == 3
    tcp_.after(0.25)
    assert starts(tcp_) == [(2001, MSS)]


def test_a_lone_segment_waits_for_a_delayed_acknowledgment(open_):  # 7.2: WCDelAckT
    start = open_.now
    open_.writes(MSS)
    open_.after(0.29)
    assert len(when(open_, start)) == 1
    open_.after(0.02)
    assert when(open_, start) == [(1, MSS, 0.3)]


def test_a_second_segment_ends_that_wait(open_):  # 7.2: set again with each transmission
    start = open_.now
    open_.writes(MSS)
    open_.after(0.05)
    open_.writes(MSS)
    open_.after(0.25)
    assert when(open_, start)[2:] == [(1001, MSS, 0.25)]


def test_it_counts_from_what_was_sent_last(open_):
    start = open_.now
    open_.writes(2 * MSS)
    open_.after(0.05)
    open_.writes(2 * MSS)
    open_.after(0.22)
    assert when(open_, start)[4:] == [(3001, MSS, 0.25)]


def test_what_says_nothing_does_not_put_it_off(open_):
    start = open_.now
    open_.writes(4 * MSS)
    open_.after(0.1)
    sack(open_, (3999, 4001))
    open_.gets(". 1:1(0) ack 1")
    open_.after(0.15)
    assert when(open_, start)[4:] == [(3001, MSS, 0.2)]


def test_an_answer_sets_it_again(open_):
    start = open_.now
    open_.writes(4 * MSS)
    open_.after(0.1)
    open_.gets(". 1:1(0) ack 2001")
    open_.after(0.25)
    assert when(open_, start)[4:] == [(3001, MSS, 0.3)]


def test_it_is_never_later_than_the_time_out(open_):  # 7.2
    start = open_.now
    open_.writes(MSS)
    open_.after(5)
    sent = when(open_, start)
    rto = open_.connection.rtt.srtt + 0.2
    assert sent[1][2] == pytest.approx(min(0.4, rto))


def test_after_it_the_time_out_begins_anew(open_):  # 7.3
    start = open_.now
    open_.writes(3 * MSS)
    open_.after(0.55)
    assert when(open_, start)[3:] == [(2001, MSS, 0.2), (1, MSS, 0.5)]
    assert open_.connection.info().timeouts == 1


def test_one_probe_is_enough(open_):  # 7.2: TLP.end_seq
    open_.writes(3 * MSS)
    open_.after(0.2)
    open_.gets(". 1:1(0) ack 1001")  # progress, but nothing that answers the probe
    open_.all_sent()
    open_.after(0.29)
    assert starts(open_) == []
    assert open_.connection.recovery.tlps == 1


def test_none_without_sack(tcp_):  # 7.2
    opened(tcp_, sack=False)
    tcp_.writes(3 * MSS)
    tcp_.all_sent()
    tcp_.after(0.25)
    assert starts(tcp_) == []


def test_none_while_something_is_held_out_of_order(open_):
    open_.writes(3 * MSS)
    open_.after(0.1)
    sack(open_, (2001, 3001))
    open_.after(0.28)
    assert open_.connection.recovery.tlps == 0


def test_the_fin_is_probed_too(open_):
    open_.writes(MSS + 100)
    open_.shuts()
    open_.all_sent()
    open_.after(0.25)
    probe = open_.all_sent()
    assert [(one.seq, one.length) for one in probe] == [(1101, 0)]
    assert probe[0].flags & 1


# what the probe brings to light


def test_the_last_segments_lost_are_repaired_without_a_time_out(open_):
    """The last three of ten: the probe of the tenth shows the eighth and ninth to be missing."""
    open_.writes(10 * MSS)
    open_.all_sent()
    open_.after(0.1)
    open_.gets(". 1:1(0) ack 7001")
    open_.after(0.21)
    assert starts(open_) == [(9001, MSS)]
    open_.after(0.1)
    sack(open_, (9001, 10_001), ack=7001)
    open_.after(0.03)
    assert starts(open_) == [(7001, MSS)]  # as much as proportional rate reduction allows at once
    open_.after(0.07)
    sack(open_, (9001, 10_001), ack=8001)
    assert starts(open_) == [(8001, MSS)]
    info = open_.connection.info()
    assert (info.timeouts, info.fast_retransmits) == (0, 1)


def probed(tcp):
    """The last of three has been probed."""
    tcp.writes(3 * MSS)
    tcp.after(0.21)
    tcp.all_sent()
    return tcp.connection.info().cwnd


def test_a_loss_that_it_has_repaired_reduces_the_window(open_):  # 7.4.2: one is enough, and all is repaired
    before = probed(open_)
    open_.after(0.1)
    open_.gets(". 1:1(0) ack 3001")
    open_.writes(MSS)
    open_.after(0.1)
    open_.gets(". 1:1(0) ack 4001")
    info = open_.connection.info()
    assert info.ssthresh < before
    assert info.cwnd < before
    assert info.retransmissions == 1


def test_a_copy_that_was_in_vain_does_not(open_):  # 7.4.2 case 1: the DSACK says so
    before = probed(open_)
    open_.gets(". 1:1(0) ack 3001")
    open_.after(0.1)
    sack(open_, (2001, 3001), ack=3001)
    open_.writes(MSS)
    open_.gets(". 1:1(0) ack 4001")
    assert open_.connection.info().ssthresh > before
    assert open_.connection.recovery.rack.reo_wnd_mult == 1  # no reordering was mistaken for a loss


def test_nor_one_that_a_plain_duplicate_answers(open_):  # 7.4.2 case 2: a peer without DSACK
    before = probed(open_)
    open_.writes(MSS)
    open_.all_sent()
    open_.gets(". 1:1(0) ack 3001")
    open_.gets(". 1:1(0) ack 3001")
    open_.gets(". 1:1(0) ack 4001")
    assert open_.connection.info().ssthresh > before


def test_new_data_as_a_probe_repairs_nothing(tcp_):  # 7.4.2: TLP.is_retrans
    opened(tcp_)
    tcp_.writes(12 * MSS)
    before = tcp_.connection.info().cwnd
    tcp_.after(0.25)
    tcp_.gets(". 1:1(0) ack 11001")
    tcp_.gets(". 1:1(0) ack 12001")
    assert tcp_.connection.info().ssthresh > before


def test_an_answered_probe_may_be_followed_by_another(open_):
    probed(open_)
    open_.gets(". 1:1(0) ack 3001")
    sack(open_, (2001, 3001), ack=3001)
    open_.writes(2 * MSS)
    open_.all_sent()
    open_.after(0.21)
    assert starts(open_) == [(4001, MSS)]
    assert open_.connection.recovery.tlps == 2


def test_what_arrives_meanwhile_does_not_put_it_off(open_):  # 7.2: only what is sent, or acknowledged, does
    start = open_.now
    open_.writes(11 * MSS)  # one more than the congestion window takes
    for at in range(3):
        open_.after(0.06)
        open_.gets(f". {1 + 10 * at}:{11 + 10 * at}(10) ack 1")
    open_.after(0.07)
    assert [one for one in when(open_, start) if one[1]][10:] == [(10_001, MSS, 0.2)]


def test_it_is_told(open_):
    told = []
    open_.writes(3 * MSS)
    open_.connection.on_event = told.append
    since = open_.now
    open_.after(0.25)
    assert [(one.kind, one.detail, round(one.at - since, 3)) for one in told] == [
        ("probe", MSS, 0.2),
        ("retransmit", MSS, 0.2),
    ]
    assert told[0].connection is open_.connection


def test_what_asks_a_window_too_small_is_not_probed_for(tcp_):  # RFC 9293 3.8.6.1: more and more seldom
    opened(tcp_)
    sack(tcp_, window=10)
    start = tcp_.now
    tcp_.writes(MSS)
    tcp_.after(0.85)
    assert when(tcp_, start) == [(1, 10, 0.3)]
    tcp_.after(0.1)
    assert len(tcp_.all_sent()) == 1
