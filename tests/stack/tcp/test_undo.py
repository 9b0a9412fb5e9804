"""Reductions of the window that are taken back: by timestamps (RFC 3522, 4015) and by duplicates (RFC 2883, 3708)."""

import pytest

from stack.tcp.undo import Undo
from tests.stack.tcp.recovering import MSS, opened, sack, starts


def recovering(tcp, stamped=False):
    """Ten in flight, the first sent again at once because the others were heard of. The window before that."""
    opened(tcp, stamped=stamped)
    tcp.writes(40 * MSS)
    tcp.stamp = tcp.all_sent()[-1].options.timestamp
    tcp.after(0.1)
    before = tcp.connection.info().cwnd
    sack(tcp, (1001, 5001), stamp=tcp.stamp[0] if stamped else None)
    sent = tcp.all_sent()
    assert (1, MSS) in [(one.seq, one.length) for one in sent]
    assert tcp.connection.info().ssthresh < before
    tcp.copy = next(one for one in sent if one.seq == 1)
    return before


# fast retransmit


def test_a_duplicate_takes_it_back(tcp_):  # RFC 2883 5, RFC 3708
    before = recovering(tcp_)
    tcp_.gets(". 1:1(0) ack 5001")
    tcp_.after(0.05)
    sack(tcp_, (1, 1001), ack=5001)
    info = tcp_.connection.info()
    assert info.cwnd >= before
    assert info.ssthresh > before
    assert tcp_.connection.recovery.undone == 1


def test_even_after_the_recovery(tcp_):
    before = recovering(tcp_)
    tcp_.gets(f". 1:1(0) ack {tcp_.connection.sender.snd_nxt - tcp_.iss}")
    tcp_.after(0.05)
    sack(tcp_, (1, 1001), ack=tcp_.connection.sender.snd_una - tcp_.iss)
    assert tcp_.connection.info().ssthresh > before
    assert tcp_.connection.recovery.undone == 1


def test_not_before_every_copy_was_in_vain(tcp_):
    opened(tcp_)
    tcp_.writes(40 * MSS)
    tcp_.after(0.1)
    tcp_.all_sent()
    sack(tcp_, (2001, 10_001))
    assert {(1, MSS), (1001, MSS)} <= set(starts(tcp_))
    tcp_.after(0.1)
    sack(tcp_, (1, 1001), ack=10_001)
    assert tcp_.connection.recovery.undone == 0
    sack(tcp_, (1001, 2001), ack=10_001)
    assert tcp_.connection.recovery.undone == 1


def test_a_duplicate_of_the_last_that_is_acknowledged_counts(tcp_):
    opened(tcp_)
    tcp_.writes(40 * MSS)
    tcp_.after(0.1)
    sack(tcp_, (2001, 10_001))
    sack(tcp_, (2001, 10_001), ack=1001)
    sack(tcp_, (1, 1001), (2001, 10_001), ack=1001)
    sack(tcp_, ack=10_001)
    assert tcp_.connection.recovery.undone == 0
    sack(tcp_, (1001, 2001), ack=10_001)
    assert tcp_.connection.recovery.undone == 1


def test_an_echo_of_the_first_copy_takes_it_back(tcp_):  # RFC 3522 3.2
    before = recovering(tcp_, stamped=True)
    tcp_.after(0.01)
    sack(tcp_, ack=5001, stamp=tcp_.stamp[0])
    info = tcp_.connection.info()
    assert info.cwnd >= before
    assert info.ssthresh > before
    assert tcp_.connection.recovery.undone == 1


def test_it_is_taken_back_by_an_echo_of_the_first_that_acknowledges_everything(tcp_):  # RFC 3522 3.2
    before = recovering(tcp_, stamped=True)
    tcp_.after(0.01)
    sack(tcp_, ack=tcp_.connection.sender.snd_nxt - tcp_.iss, stamp=tcp_.stamp[0])
    assert tcp_.connection.recovery.undone == 1
    assert tcp_.connection.info().ssthresh > before


def test_an_echo_of_the_second_does_not(tcp_):
    before = recovering(tcp_, stamped=True)
    tcp_.after(0.1)
    sack(tcp_, ack=5001, stamp=tcp_.copy.options.timestamp[0])
    assert tcp_.connection.info().ssthresh < before
    assert tcp_.connection.recovery.undone == 0


def test_it_is_taken_back_once(tcp_):
    recovering(tcp_, stamped=True)
    tcp_.after(0.01)
    sack(tcp_, ack=5001, stamp=tcp_.stamp[0])
    sack(tcp_, (1, 1001), ack=5001, stamp=tcp_.stamp[0])
    assert tcp_.connection.recovery.undone == 1


def test_each_that_was_in_vain_is_taken_back(tcp_):
    recovering(tcp_)
    sack(tcp_, ack=5001)
    sack(tcp_, (1, 1001), ack=5001)
    una = tcp_.connection.sender.snd_nxt - tcp_.iss
    sack(tcp_, ack=una)
    tcp_.all_sent()
    tcp_.after(0.5)  # no answer to anything
    assert tcp_.connection.info().timeouts == 1
    for one in list(tcp_.sent):
        sack(tcp_, (one.seq, one.seq + one.length), ack=tcp_.connection.sender.snd_nxt - tcp_.iss)
    assert tcp_.connection.recovery.undone == 2


def test_what_was_overtaken_is_patient_from_then_on(tcp_):
    """The first came of itself, though later ones had been there before: this path reorders."""
    recovering(tcp_, stamped=True)
    tcp_.after(0.01)
    sack(tcp_, ack=5001, stamp=tcp_.stamp[0])
    assert tcp_.connection.recovery.rack.reordering_seen


def test_while_other_copies_are_under_way_nothing_more_is_found_lost(tcp_):
    """As Linux: what came was the first copy, so the others' first copies may come too."""
    opened(tcp_, stamped=True)
    tcp_.writes(40 * MSS)
    stamp = tcp_.all_sent()[-1].options.timestamp[0]
    tcp_.after(0.1)
    sack(tcp_, (2001, 8001), stamp=stamp)
    assert {(1, MSS), (1001, MSS)} <= set(starts(tcp_))
    tcp_.after(0.01)
    sack(tcp_, (2001, 8001), ack=1001, stamp=stamp)
    assert tcp_.connection.recovery.undone == 0
    sack(tcp_, ack=8001, stamp=stamp)
    assert tcp_.connection.recovery.undone == 1


# time-outs


def test_a_time_out_is_taken_back_by_the_echo(tcp_):  # RFC 3522, RFC 4015
    opened(tcp_, stamped=True)
    tcp_.writes(MSS)
    stamp = tcp_.all_sent()[-1].options.timestamp[0]
    before = tcp_.connection.info().cwnd
    tcp_.after(0.8)
    assert tcp_.connection.info().timeouts == 1
    sack(tcp_, ack=1001, stamp=stamp)
    info = tcp_.connection.info()
    assert info.cwnd >= before
    assert tcp_.connection.recovery.undone == 1


def test_the_back_off_is_taken_back_too(tcp_):
    opened(tcp_, stamped=True)
    tcp_.writes(MSS)
    stamp = tcp_.all_sent()[-1].options.timestamp[0]
    tcp_.after(0.8)
    sack(tcp_, ack=1001, stamp=stamp)
    assert tcp_.connection.info().retries == 0


def test_a_mark_of_the_network_is_never_in_vain(tcp_):  # RFC 3168: what asked for it was no loss
    opened(tcp_, ecn="on")
    connection = tcp_.connection
    tcp_.writes(40 * MSS)
    tcp_.after(0.1)
    before = connection.info().cwnd
    recovery = connection.mend()
    assert recovery.slow_down(connection.sender.snd_una + 1, connection.sender, connection.congestion, tcp_.now)
    sack(tcp_, (1001, 5001))
    tcp_.after(0.1)
    tcp_.gets(". 1:1(0) ack 5001")
    sack(tcp_, (1, 1001), ack=5001)
    assert connection.info().ssthresh < before
    assert recovery.undone == 0


@pytest.mark.parametrize("edges", [(1, 3001), (500, 1001)], ids=["more than was sent twice", "a part"])
def test_a_lie_about_duplicates_takes_nothing_back(tcp_, edges):
    before = recovering(tcp_)
    tcp_.gets(". 1:1(0) ack 5001")
    sack(tcp_, edges, ack=5001)
    assert tcp_.connection.info().ssthresh < before


def test_what_was_in_the_network_twice_already_must_be_told_of_too():  # RFC 3708
    undo = Undo()
    undo.begin(1, MSS)
    undo.resent(MSS, 5.0)
    undo.duplicate(1, 1 + MSS, 5001)
    assert not undo.all_in_vain()
    undo.duplicate(1, 1 + MSS, 5001)
    assert undo.all_in_vain()
