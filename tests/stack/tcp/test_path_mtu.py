"""RFC 1191 6.4 to 6.5, RFC 9293 3.7.1 and 3.9.2.2, RFC 5927 7."""

from __future__ import annotations

import pytest

from netif.wire import icmp
from tests.stack.tcp.recovering import MSS, opened, sack


def too_big(tcp, mtu, *, seq=1, length=1500):
    tcp.quotes(icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, seq=seq, rest=mtu, length=length)


def test_what_was_too_large_is_sent_again_at_once_in_smaller_segments(tcp):
    tcp.established()
    cwnd = tcp.connection.congestion.cwnd
    tcp.writes(4380)
    assert [segment.length for segment in tcp.all_sent()] == [1460, 1460, 1460]
    too_big(tcp, 1000)
    sent = tcp.all_sent()
    assert sent[0].seq == 1
    assert [segment.length for segment in sent] == [960, 960, 960, 960, 540]
    assert tcp.connection.congestion.cwnd == cwnd  # no sign of congestion
    assert tcp.connection.info().snd_mss == 960
    tcp.gets(". 1:1(0) ack 4381")
    tcp.writes(960)
    tcp.sends("P. 4381:5341(960) ack 1")


def test_what_was_small_enough_is_not_sent_again(tcp):
    tcp.established(nodelay=True)
    tcp.writes(500)
    tcp.gets(". 1:1(0) ack 501")
    tcp.writes(1460)
    tcp.writes(100)
    tcp.all_sent()
    too_big(tcp, 1000, seq=501)
    assert sum(segment.length for segment in tcp.all_sent()) == 1460


def test_what_was_sent_once_measures_the_round_trip_all_the_same(tcp):  # RFC 6298 3
    tcp.established(nodelay=True)
    tcp.writes(500)
    tcp.after(0.05)
    tcp.writes(1460)
    too_big(tcp, 1000, seq=501)
    tcp.after(0.05)
    tcp.gets(". 1:1(0) ack 501")
    assert tcp.connection.rtt.latest == pytest.approx(0.1)
    tcp.after(0.05)
    tcp.gets(". 1:1(0) ack 1961")  # of either copy
    assert tcp.connection.rtt.latest == pytest.approx(0.1)


def test_what_was_waited_for_and_is_sent_smaller_is_no_sign_of_congestion(tcp_):  # RFC 1191 6.5, RFC 8985 6.2
    """It was overtaken, and might have been lost; then the path says why it did not come."""
    opened(tcp_)
    tcp_.writes(2 * MSS)
    tcp_.after(0.1)
    before = tcp_.connection.info()
    sack(tcp_, (1001, 2001))
    tcp_.all_sent()
    too_big(tcp_, 700, length=MSS + 40)
    assert [(segment.seq, segment.length) for segment in tcp_.all_sent()] == [(1, 660), (661, 340)]
    tcp_.after(0.04)  # when it would have been found lost
    tcp_.sends_nothing()
    after = tcp_.connection.info()
    assert (after.fast_retransmits, after.cwnd, after.ssthresh) == (0, before.cwnd, before.ssthresh)


def test_super_frames_are_cut_by_what_the_path_takes(tcp):
    tcp.begin(gso_max=65535)
    tcp.established()
    tcp.writes(14600)
    tcp.all_sent()
    too_big(tcp, 1280, length=14640)  # as the kernel quotes a super-frame that it forwards
    sent = tcp.all_sent()
    assert sum(segment.length for segment in sent) > 14600 - 1240
    assert {segment.offload.gso_size for segment in sent if segment.offload.gso_size} == {1240}


@pytest.mark.parametrize(("seq", "mtu"), [(1461, 1000), (0, 1000), (-5, 1000), (1 << 31, 1000), (1, 1500), (1, 9000)])
def test_a_claim_about_what_is_not_in_flight_or_would_have_passed_is_not_believed(tcp, seq, mtu):
    """RFC 5927 4.1, 7"""
    tcp.established()
    tcp.writes(1460)
    tcp.all_sent()
    too_big(tcp, mtu, seq=seq)
    tcp.sends_nothing()
    assert tcp.connection.info().snd_mss == 1460


def test_claims_that_follow_each_other_narrow_once(tcp):
    tcp.established()
    tcp.writes(4380)
    tcp.all_sent()
    for seq in (1, 1461, 2921):
        too_big(tcp, 1000, seq=seq)
    assert sum(segment.length for segment in tcp.all_sent()) == 4380


def test_a_forged_minimum_does_not_make_us_send_headers_alone(tcp):
    tcp.established()
    tcp.writes(1460)
    tcp.all_sent()
    too_big(tcp, 68)
    sent = tcp.all_sent()
    assert [segment.length for segment in sent] == [512, 512, 436]
    assert all(segment.frame[20] == 0 for segment in sent)  # fragments are allowed instead


def test_every_segment_forbids_fragments(tcp):
    tcp.established()
    tcp.writes(1460)
    assert all(segment.frame[20] == 0x40 for segment in tcp.all_sent())


def test_what_we_announce_is_what_the_link_takes(tcp):
    """RFC 1191 3.1, RFC 9293 3.7.1: the path towards a peer tells nothing of the way back."""
    tcp.established()
    tcp.writes(1460)
    too_big(tcp, 1000)
    assert tcp.connection.receiver.mss == 1460  # by which segments are counted that earn an ACK
    tcp.peer_port += 1
    tcp.all_sent()
    tcp.gets("S 0:0(0) win 65535 <mss 1460>")
    assert tcp.all_sent()[-1].options.mss == 1460


def test_other_connections_to_the_same_host_adapt_with_their_next_segment(tcp):
    tcp.established()
    first = tcp.connection
    tcp.connection = None
    tcp.peer_port += 1
    tcp.gets("S 0:0(0) win 65535 <mss 1460>")
    tcp.gets(". 1:1(0) ack 1")
    tcp.accepts()
    tcp.writes(1460)
    tcp.all_sent()
    too_big(tcp, 1000)
    tcp.all_sent()
    assert first.info().snd_mss == 1460
    first.write(b"x")
    tcp.checked = False
    tcp.flush()
    assert first.info().snd_mss == 960


def test_the_path_is_tried_again_after_ten_minutes(tcp):
    """RFC 1191 6.3"""
    tcp.established()
    tcp.writes(1460)
    too_big(tcp, 1000)
    tcp.gets(". 1:1(0) ack 1461")
    tcp.after(601)
    tcp.all_sent()
    tcp.writes(1460)
    tcp.sends("P. 1461:2921(1460) ack 1")
