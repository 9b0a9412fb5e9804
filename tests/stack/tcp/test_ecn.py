"""Explicit congestion notification (RFC 3168): who asks, who may be marked, and what a mark does."""

import pytest

from netif.wire import tcp as wire
from netif.wire.segment import cut
from stack.tcp.states import ESTABLISHED

MSS = 1460
NOT_ECT, ECT_1, ECT_0, CE = 0, 1, 2, 3


@pytest.fixture
def ecn(tcp_):
    """Opened by a peer that asks for ECN."""
    return capable(tcp_)


def capable(tcp, **settings):
    tcp.begin(**settings)
    tcp.listens()
    tcp.gets(f"SEW 0:0(0) win 65535 <mss {MSS}>")
    tcp.sends("S.E 0:0(0) ack 1")
    tcp.gets(". 1:1(0) ack 1")
    tcp.accepts()
    return tcp


def marks(sent):
    return [segment.tos & 3 for segment in sent]


# 6.1.1: both must agree


def test_by_default_it_is_accepted_but_not_asked_for(tcp_):  # as Linux' tcp_ecn=2
    capable(tcp_)
    assert tcp_.connection.info().ecn
    tcp_.begin().connects()
    tcp_.sends("S 0:0(0)")


def test_nobody_is_answered_with_it_who_did_not_ask(tcp):
    tcp.listens()
    tcp.gets(f"S 0:0(0) <mss {MSS}>")
    tcp.sends("S. 0:0(0) ack 1")


@pytest.mark.parametrize("flags", ["SE", "SW"])
def test_half_a_question_is_none(tcp, flags):  # 6.1.1: both flags
    tcp.listens()
    tcp.gets(f"{flags} 0:0(0) <mss {MSS}>")
    tcp.sends("S. 0:0(0) ack 1")


def test_switched_off_it_is_not_accepted(tcp_):
    tcp_.begin(ecn="off").listens()
    tcp_.gets(f"SEW 0:0(0) <mss {MSS}>")
    tcp_.sends("S. 0:0(0) ack 1")


def connects(tcp, answer, **settings):
    tcp.begin(ecn="on", **settings).connects()
    tcp.sends("SEW 0:0(0)")
    tcp.gets(f"{answer} 0:0(0) ack 1 <mss {MSS}>")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED
    return tcp


def test_switched_on_it_is_asked_for(tcp_):
    assert connects(tcp_, "S.E").connection.info().ecn


@pytest.mark.parametrize("answer", ["S.", "S.EW", "S.W"])
def test_an_answer_without_it_or_that_only_reflects_means_no(tcp_, answer):  # 6.1.1
    connects(tcp_, answer)
    assert not tcp_.connection.info().ecn
    tcp_.writes(100)
    (sent,) = tcp_.all_sent()
    assert marks([sent]) == [NOT_ECT]


def test_a_syn_sent_again_does_not_ask(tcp_):  # 6.1.1.1
    tcp_.begin(ecn="on").connects()
    tcp_.sends("SEW 0:0(0)")
    tcp_.after(1.0)
    tcp_.sends("S 0:0(0)")
    tcp_.gets(f"S.E 0:0(0) ack 1 <mss {MSS}>")
    tcp_.sends(". 1:1(0) ack 1")
    assert not tcp_.connection.info().ecn  # 6.1.1: it has sent a SYN without


def test_a_syn_that_comes_again_without_it_is_taken_at_its_word(tcp):  # 6.1.1
    tcp.listens()
    tcp.gets(f"SEW 0:0(0) <mss {MSS}>")
    tcp.sends("S.E 0:0(0) ack 1")
    tcp.gets(f"S 0:0(0) <mss {MSS}>")
    tcp.sends("S. 0:0(0) ack 1")


def test_an_answer_sent_again_still_says_so(tcp):
    tcp.listens()
    tcp.gets(f"SEW 0:0(0) <mss {MSS}>")
    tcp.sends("S.E 0:0(0) ack 1")
    tcp.after(1.0)
    tcp.sends("S.E 0:0(0) ack 1")


@pytest.mark.parametrize(
    ("ours", "theirs", "answer", "agreed"),
    [("on", "SEW", "S.E", True), ("on", "S", "S.", False), ("accept", "SEW", "S.", False)],
)
def test_both_may_ask_at_once(tcp_, ours, theirs, answer, agreed):  # simultaneous open
    tcp_.begin(ecn=ours).connects()
    tcp_.all_sent()
    tcp_.gets(f"{theirs} 0:0(0) <mss {MSS}>")
    tcp_.sends(f"{answer} 0:0(0) ack 1")
    tcp_.gets(f"S.E 0:0(0) ack 1 <mss {MSS}>")
    tcp_.all_sent()
    assert tcp_.state is ESTABLISHED
    assert tcp_.connection.info().ecn is agreed


def test_neither_syn_nor_answer_can_be_marked(tcp_):  # 6.1.1
    tcp_.begin(ecn="on").connects()
    tcp_.gets(f"S.E 0:0(0) ack 1 <mss {MSS}>")
    assert marks(tcp_.all_sent()) == [NOT_ECT, NOT_ECT]


def test_a_cookie_remembers_it(tcp_):
    tcp_.begin(syn_cookies="always", timestamps=True)
    tcp_.listens()
    tcp_.iss = None
    tcp_.gets(f"SEW 0:0(0) win 65535 <mss {MSS},nop,nop,TS val 1 ecr 0>")
    synack = tcp_.sends("S.E 0:0(0) ack 1")
    tcp_.gets(f". 1:1(0) ack 1 <nop,nop,TS val 2 ecr {synack.options.timestamp[0]}>")
    assert tcp_.accepts().info().ecn


def test_a_cookie_without_timestamps_promises_nothing(tcp_):
    tcp_.begin(syn_cookies="always")
    tcp_.listens()
    tcp_.iss = None
    tcp_.gets(f"SEW 0:0(0) win 65535 <mss {MSS}>")
    tcp_.sends("S. 0:0(0) ack 1")
    tcp_.gets(". 1:1(0) ack 1")
    assert not tcp_.accepts().info().ecn


# 6.1.2 to 6.1.6: what may be marked


def test_data_may_be_marked(ecn):
    ecn.writes(3 * MSS)
    assert marks(ecn.all_sent()) == [ECT_0] * 3


def test_acknowledgments_may_not(ecn):  # 6.1.4
    ecn.gets(f". 1:{1 + 2 * MSS}({2 * MSS}) ack 1", tos=ECT_0)
    assert marks(ecn.all_sent()) == [NOT_ECT]


def test_what_is_sent_again_may_not(ecn):  # 6.1.5
    ecn.writes(100)
    ecn.all_sent()
    ecn.after(0.3)
    assert marks(ecn.all_sent()) == [NOT_ECT]


def test_a_window_probe_may_not(ecn):  # 6.1.6
    ecn.gets(". 1:1(0) ack 1 win 0")
    ecn.writes(100)
    ecn.after(2.0)
    assert set(marks(ecn.all_sent())) == {NOT_ECT}


def test_a_fin_alone_may_not(ecn):
    ecn.shuts()
    assert marks(ecn.all_sent()) == [NOT_ECT]


def test_a_reset_neither_echoes_nor_is_marked(ecn):
    ecn.gets("P. 1:101(100) ack 1", tos=CE)
    ecn.all_sent()
    ecn.aborts()
    ecn.sends("R. 1:1(0) ack 101")


def test_the_rest_of_the_tos_byte_is_left_alone(tcp_):
    capable(tcp_, tos=0xB8)
    tcp_.writes(100)
    (sent,) = tcp_.all_sent()
    assert sent.tos == 0xB8 | ECT_0
    tcp_.connection.configure(tos=0x2B)
    tcp_.connection.configure(nodelay=True)
    tcp_.writes(100)
    (sent,) = tcp_.all_sent()
    assert sent.tos == 0x28 | ECT_0


def test_without_it_nobody_sets_the_code_point_by_the_tos(tcp_):  # as Linux: those bits are TCP's
    tcp_.established(tos=0x2A)
    tcp_.writes(100)
    (sent,) = tcp_.all_sent()
    assert sent.tos == 0x28


# 6.1.3: who receives


def test_a_mark_is_echoed_until_the_peer_has_reduced_its_window(ecn):
    ecn.gets("P. 1:101(100) ack 1", tos=CE)
    ecn.sends(".E 1:1(0) ack 101")  # at once: the peer's window may be tiny
    ecn.gets(f". 101:{101 + 2 * MSS}({2 * MSS}) ack 1", tos=ECT_0)
    ecn.sends(f".E 1:1(0) ack {101 + 2 * MSS}")
    ecn.writes(100)
    ecn.sends(f"P.E 1:101(100) ack {101 + 2 * MSS}")
    ecn.gets(f"P.W {101 + 2 * MSS}:{201 + 2 * MSS}(100) ack 101", tos=ECT_0)
    ecn.sends(f". 101:101(0) ack {201 + 2 * MSS}")


def test_a_mark_with_the_news_of_a_reduction_is_a_further_one(ecn):  # 6.1.3
    ecn.gets("P. 1:101(100) ack 1", tos=CE)
    ecn.all_sent()
    ecn.gets("P.W 101:201(100) ack 1", tos=CE)
    ecn.sends(".E 1:1(0) ack 201")


def test_a_mark_out_of_order_counts(ecn):
    ecn.gets("P. 101:201(100) ack 1", tos=CE)
    ecn.sends(".E 1:1(0) ack 1")


def test_a_mark_on_what_is_outside_of_the_window_does_not(ecn):  # 6.1.5
    ecn.gets("P. 200001:200101(100) ack 1", tos=CE)
    ecn.sends(". 1:1(0) ack 1")


def test_a_mark_on_an_acknowledgment_does_not(ecn):
    ecn.gets(". 1:1(0) ack 1", tos=CE)
    ecn.gets("P. 1:101(100) ack 1", tos=ECT_0)
    ecn.after(0.05)
    ecn.sends(". 1:1(0) ack 101")


def test_without_agreement_marks_mean_nothing(tcp):
    tcp.established()
    tcp.gets(f". 1:{1 + 2 * MSS}({2 * MSS}) ack 1", tos=CE)
    tcp.sends(f". 1:1(0) ack {1 + 2 * MSS}")


def test_data_that_suddenly_cannot_be_marked_is_acknowledged_at_once(ecn):  # as Linux: it is probably a retransmission
    ecn.gets("P. 1:101(100) ack 1", tos=ECT_0)
    ecn.sends_nothing()
    ecn.gets("P. 101:201(100) ack 1")
    ecn.sends(". 1:1(0) ack 201")


# 6.1.2: who sends


@pytest.fixture(params=["newreno", "cubic"])
def flying(tcp_, request):
    """Ten segments are in flight, more waits; half or seven tenths are left after a mark."""
    capable(tcp_, congestion=request.param)
    tcp_.writes(40 * MSS)
    assert len(tcp_.all_sent()) == 10
    tcp_.left = 5 if request.param == "newreno" else 7
    return tcp_


def test_an_echo_reduces_the_window(flying):
    flying.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    assert flying.connection.info().ssthresh == flying.left * MSS


def test_an_echo_reduces_it_once_in_a_round_trip(flying):
    for segments in (2, 4, 6, 8, 10):
        flying.gets(f".E 1:1(0) ack {1 + segments * MSS}")
    assert flying.connection.info().ssthresh == flying.left * MSS
    assert flying.connection.info().cwnd <= (flying.left + 1) * MSS
    last = flying.all_sent()[-1]
    flying.gets(f".E 1:1(0) ack {last.seq + last.length}")
    assert flying.connection.info().ssthresh < flying.left * MSS


def test_an_echo_again_when_all_of_that_is_acknowledged_is_no_further_one(flying):  # 6.1.2: beyond it, as Linux
    for _ in range(2):
        flying.gets(f".E 1:1(0) ack {1 + 10 * MSS}")
    assert flying.connection.info().ssthresh == flying.left * MSS


def test_the_acknowledgment_that_ends_a_reduction_begins_none(flying):
    """The peer echoes until it is told: the next one is soon enough."""
    flying.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    flying.gets(f". 1:1(0) ack {1 + 8 * MSS}")
    last = flying.all_sent()[-1]
    flying.gets(f".E 1:1(0) ack {last.seq + last.length}")
    assert flying.connection.info().ssthresh == flying.left * MSS
    flying.all_sent()
    flying.gets(f".E 1:1(0) ack {last.seq + last.length + MSS}")
    assert flying.connection.info().ssthresh < flying.left * MSS


def test_a_reduction_is_told_once_however_often_it_is_asked_for(flying):  # 6.1.2
    flying.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    flying.gets(f".E 1:1(0) ack {1 + 4 * MSS}")
    flying.gets(f".E 1:1(0) ack {1 + 6 * MSS}")
    flying.gets(f".E 1:1(0) ack {1 + 8 * MSS}")
    assert sum(bool(segment.flags & wire.CWR) for segment in flying.all_sent()) == 1


def test_the_first_new_data_tells_that_it_did(flying):
    flying.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    flying.gets(f". 1:1(0) ack {1 + 8 * MSS}")
    flags = [segment.flags & wire.CWR for segment in flying.all_sent()]
    assert flags[0] == wire.CWR
    assert not any(flags[1:])


def test_without_agreement_an_echo_means_nothing(tcp):
    tcp.established()
    tcp.writes(40 * MSS)
    tcp.all_sent()
    tcp.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    assert tcp.connection.info().cwnd == 12 * MSS


def test_an_echo_of_what_was_never_sent_means_nothing(flying):  # RFC 5961 5.2
    flying.gets(f".E 1:1(0) ack {1 + 100 * MSS}")
    assert flying.connection.info().cwnd == 10 * MSS


def test_a_reduction_for_a_loss_is_told_too(flying):  # 6.1.2: for any reason
    flying.after(0.5)
    again = flying.all_sent()
    assert not any(segment.flags & wire.CWR for segment in again)
    flying.gets(f". 1:1(0) ack {1 + 10 * MSS}")
    fresh = [segment for segment in flying.all_sent() if segment.seq > 10 * MSS]
    assert [bool(segment.flags & wire.CWR) for segment in fresh] == [True] + [False] * (len(fresh) - 1)


def test_nothing_is_sent_again_for_an_echo(flying):
    flying.gets(f".E 1:1(0) ack {1 + 2 * MSS}")
    assert all(segment.seq > 10 * MSS for segment in flying.all_sent())
    assert flying.connection.info().retransmissions == 0


def test_a_super_frame_tells_it_in_its_first_segment_alone(tcp_):
    """Cut as by a link that cannot carry it whole."""
    capable(tcp_, gso_max=65535)
    tcp_.writes(100 * MSS)
    tcp_.all_sent()
    tcp_.gets(f".E 1:1(0) ack {1 + 10 * MSS}")
    sent = tcp_.all_sent()[0]
    assert sent.flags & wire.CWR
    assert sent.offload.gso_size == MSS
    pieces = cut((sent.frame,), sent.offload)
    assert [bool(piece[34 + 13] & wire.CWR) for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    assert {piece[15] & 3 for piece in pieces} == {ECT_0}


def test_what_is_reduced_is_what_was_in_flight(tcp_):  # RFC 5681 3.1 (4): not a window that was never used
    capable(tcp_, congestion="newreno")
    tcp_.writes(6 * MSS)
    tcp_.gets(f".E 1:1(0) ack {1 + MSS}")
    assert tcp_.connection.info().ssthresh == 3 * MSS


def test_a_mark_in_a_window_that_is_not_full_lets_the_flight_grow_by_little(tcp_):  # RFC 6937, as Linux
    capable(tcp_, congestion="cubic")
    tcp_.writes(4 * MSS)
    tcp_.gets(f".E 1:1(0) ack {1 + MSS}")
    assert tcp_.connection.info().cwnd == 5 * MSS
    assert tcp_.connection.info().ssthresh == 7 * MSS
