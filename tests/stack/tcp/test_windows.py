"""Flow control both ways: right edges, silly windows, closed windows and the probes that ask about them."""

import pytest

from stack.tcp.states import CLOSED, ESTABLISHED


def test_the_window_closes_as_nobody_reads(tcp_):
    tcp_.established(receive_buffer=4000)
    tcp_.gets(". 1:1001(1000) ack 1")
    tcp_.gets(". 1001:2001(1000) ack 1")
    tcp_.sends(". 1:1(0) ack 2001 win 2000")
    tcp_.gets(". 2001:3001(1000) ack 1")
    tcp_.gets(". 3001:4001(1000) ack 1")
    tcp_.sends(". 1:1(0) ack 4001 win 0")


def test_reading_a_quarter_tells_the_peer(tcp_):
    tcp_.established(receive_buffer=8000)
    for at in range(0, 8000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    tcp_.all_sent()
    tcp_.reads(1999)
    tcp_.sends_nothing()
    tcp_.reads(1)
    tcp_.sends(". 1:1(0) ack 8001 win 2000")


def test_an_acknowledgment_brings_whatever_has_opened(tcp_):
    tcp_.established(receive_buffer=8000)
    for at in range(0, 4000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    tcp_.all_sent()
    tcp_.reads(1500)
    tcp_.writes(1)
    tcp_.sends("P. 1:2(1) ack 4001 win 5500")


def test_a_window_probe_is_answered_and_its_acknowledgment_counts(tcp_):  # RFC 9293 3.10.7.4, RCV.WND = 0
    tcp_.established(receive_buffer=1000)
    tcp_.writes(10)
    tcp_.gets("P. 1:1001(1000) ack 1")
    tcp_.after(0.04)
    tcp_.all_sent()
    tcp_.gets("P. 1001:1002(1) ack 11")
    tcp_.sends(". 11:11(0) ack 1001 win 0")
    assert tcp_.connection.info().unacknowledged == 0


def test_the_senders_right_edge_is_kept(tcp):
    tcp.established(window=3000)
    tcp.writes(5000)
    assert sum(one.length for one in tcp.all_sent()) == 2920  # the sliver of 80 is left
    tcp.gets(". 1:1(0) ack 2921 win 3000")
    assert sum(one.length for one in tcp.all_sent()) == 2080


def test_a_window_is_scaled(tcp_):
    tcp_.established(window_scale=True, options_text="mss 1460,nop,wscale 2", window=1000, syn_window=65535)
    assert tcp_.connection.info().snd_wnd == 4000


def test_a_window_that_moves_back_is_survived(tcp):  # RFC 9293 MUST-34
    tcp.established(window=3000)
    tcp.writes(5000)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1461 win 500")
    tcp.sends_nothing()
    tcp.gets(". 1:1(0) ack 2921 win 5000")
    assert sum(one.length for one in tcp.all_sent()) == 2080


# probes


@pytest.fixture
def closed(tcp):
    """The peer's window is closed, 3000 bytes wait."""
    tcp.established()
    tcp.gets(". 1:1(0) ack 1 win 0")
    tcp.writes(3000)
    tcp.sends_nothing()
    return tcp


def test_a_closed_window_is_probed_ever_more_slowly(closed):  # RFC 9293 3.8.6.1, MUST-35, MUST-36, SHLD-29, SHLD-30
    start = closed.now
    closed.after(3.1)
    probes = closed.all_sent()
    assert all((one.seq, one.length) == (1, 1) for one in probes)
    assert [round(one.at - start, 1) for one in probes] == [0.2, 0.6, 1.4, 3.0]


def test_answers_to_probes_keep_the_connection(closed):  # RFC 9293 MUST-37
    for _ in range(40):
        closed.after(130)
        assert closed.all_sent()
        closed.gets(". 1:1(0) ack 1 win 0")
    assert closed.state is ESTABLISHED


def test_silence_ends_it(tcp_):
    tcp_.begin(retries=4)
    tcp_.established()
    tcp_.gets(". 1:1(0) ack 1 win 0")
    tcp_.writes(3000)
    tcp_.after(60)
    assert tcp_.state is CLOSED
    with pytest.raises(TimeoutError):
        tcp_.connection.read(1)


def test_an_orphan_is_not_kept_by_answers_for_ever(tcp_):
    tcp_.begin(retries=4)
    tcp_.established()
    tcp_.gets(". 1:1(0) ack 1 win 0")
    tcp_.writes(3000)
    tcp_.close()
    for _ in range(8):
        tcp_.after(5)
        tcp_.gets(". 1:1(0) ack 1 win 0")
    assert tcp_.state is CLOSED


def test_when_it_opens_all_goes_at_once(closed):
    closed.after(1)
    closed.all_sent()
    closed.gets(". 1:1(0) ack 1 win 5000")  # the probes were refused
    sent = closed.all_sent()
    assert (sent[0].seq, sum(one.length for one in sent)) == (1, 3000)


def test_a_probe_that_was_taken_is_not_repeated(closed):
    closed.after(0.3)
    closed.all_sent()
    closed.gets(". 1:1(0) ack 2 win 5000")
    sent = closed.all_sent()
    assert (sent[0].seq, sum(one.length for one in sent)) == (2, 2999)


def test_opening_before_the_first_probe(closed):
    closed.gets(". 1:1(0) ack 1 win 5000")
    assert sum(one.length for one in closed.all_sent()) == 3000
    closed.gets(". 1:1(0) ack 3001 win 5000")
    closed.after(10)
    closed.sends_nothing()


def test_a_closed_window_does_not_shrink_the_congestion_window(closed):
    before = closed.connection.info().cwnd
    closed.after(10)
    closed.gets(". 1:1(0) ack 1 win 5000")
    assert closed.connection.info().cwnd == before


def test_a_fin_is_probed_with_too(tcp):
    tcp.established()
    tcp.gets(". 1:1(0) ack 1 win 0")
    tcp.close()
    tcp.sends_nothing()
    tcp.after(0.2)
    tcp.sends("F. 1:1(0) ack 1")


def test_a_silly_window_is_filled_after_a_while(tcp):  # RFC 9293 3.8.6.2.1, the override
    tcp.established(window=5000)
    tcp.writes(5000)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 4381 win 100")
    tcp.sends_nothing()
    tcp.after(0.3)
    tcp.sends(". 4381:4481(100) ack 1")


def test_data_in_flight_when_the_window_closes_is_asked_about(tcp):
    tcp.established(window=3000)
    tcp.writes(2920)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1461 win 0")
    tcp.after(0.3)
    tcp.sends(". 1461:1462(1) ack 1")
    tcp.gets(". 1:1(0) ack 1461 win 3000")
    sent = tcp.all_sent()
    assert (sent[0].seq, sum(one.length for one in sent)) == (1461, 1460)


def test_answers_to_probes_are_no_duplicates(closed):  # RFC 5681 2: nothing is lost, the peer does not read
    before = closed.connection.info()
    for _ in range(6):
        closed.after(closed.connection.info().rto)
        assert closed.all_sent()
        closed.gets(". 1:1(0) ack 1 win 0")
    closed.gets(". 1:1(0) ack 1 win 5000")
    after = closed.connection.info()
    assert (after.cwnd, after.ssthresh, after.fast_retransmits) == (before.cwnd, before.ssthresh, 0)


def test_a_reset_reaches_a_peer_that_took_the_probe_of_its_closed_window_and_one_that_did_not(closed):
    """RFC 5961 3.2: only the exact number resets, and which one is exact only the peer knows."""
    closed.after(closed.connection.info().rto)
    probe = closed.all_sent()[-1]
    closed.connection.abort()
    closed.after(0)
    assert [one.seq for one in closed.all_sent()] == [probe.seq, probe.seq + 1]
