"""Data both ways: segments, pushes, delayed acknowledgments, Nagle, what is out of order."""

from itertools import pairwise

import pytest

from stack.tcp.states import ESTABLISHED


def test_what_is_written_is_sent_and_pushed(tcp):
    tcp.established()
    tcp.writes(5)
    tcp.sends("P. 1:6(5) ack 1 win 65535")


def test_a_long_write_becomes_full_segments(tcp):
    tcp.established()
    tcp.writes(4000)
    tcp.sends(". 1:1461(1460) ack 1")
    tcp.sends(". 1461:2921(1460) ack 1")
    tcp.sends("P. 2921:4001(1080) ack 1")


def test_no_segment_exceeds_what_the_peer_takes(tcp):  # RFC 9293 MUST-16
    tcp.established(options_text="mss 500")
    tcp.writes(1200)
    assert [one.length for one in tcp.all_sent()] == [500, 500, 200]


@pytest.mark.parametrize("mss", [0, 1, 47])
def test_an_absurd_mss_is_not_believed(tcp, mss):
    tcp.established(options_text=f"mss {mss}")
    tcp.writes(96)
    assert [one.length for one in tcp.all_sent()] == [48, 48]


def test_data_carries_the_acknowledgment(tcp):
    tcp.established()
    tcp.gets("P. 1:101(100) ack 1")
    tcp.writes(5)
    tcp.sends("P. 1:6(5) ack 101")
    tcp.after(1)
    assert all(one.length for one in tcp.all_sent())  # no bare acknowledgment follows


# acknowledging


def test_one_segment_is_acknowledged_after_a_delay(tcp):  # RFC 9293 3.8.6.3, MUST-58
    tcp.established()
    tcp.gets("P. 1:101(100) ack 1")
    tcp.sends_nothing()
    tcp.after(0.039)
    tcp.sends_nothing()
    tcp.after(0.001)
    tcp.sends(". 1:1(0) ack 101 win 65435")


def test_the_second_segment_is_acknowledged_at_once(tcp):  # RFC 9293 SHLD-19
    tcp.established()
    tcp.gets("P. 1:101(100) ack 1")
    tcp.gets("P. 101:201(100) ack 1")
    tcp.sends(". 1:1(0) ack 201")
    tcp.after(1)
    tcp.sends_nothing()


def test_a_batch_is_acknowledged_once(tcp):
    tcp.established()
    for at in range(10):
        tcp.gets(f". {1 + at * 1460}:{1461 + at * 1460}(1460) ack 1", flush=False)
    tcp.flush()
    tcp.sends(". 1:1(0) ack 14601")
    tcp.sends_nothing()


def test_a_segment_out_of_order_is_acknowledged_at_once(tcp):  # RFC 5681 4.2
    tcp.established()
    tcp.gets(". 101:201(100) ack 1")
    tcp.sends(". 1:1(0) ack 1")
    tcp.gets(". 201:301(100) ack 1")
    tcp.sends(". 1:1(0) ack 1")
    tcp.gets(". 1:101(100) ack 1")
    tcp.sends(". 1:1(0) ack 301")
    assert len(tcp.reads()) == 300


def test_old_data_is_acknowledged_again(tcp):  # RFC 9293 3.10.7.4, first
    tcp.established()
    tcp.gets("P. 1:101(100) ack 1")
    tcp.after(1)
    tcp.all_sent()
    tcp.gets("P. 1:101(100) ack 1")
    tcp.sends(". 1:1(0) ack 101")


def test_acknowledgments_are_not_acknowledged(tcp):
    tcp.established()
    tcp.writes(5)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 6")
    tcp.after(10)
    tcp.sends_nothing()


def test_overlapping_segments_give_the_stream(tcp):
    tcp.established()
    cuts = [1, 300, 250, 700, 650, 900, 100, 1000]
    for left, right in pairwise(cuts):
        if left < right:
            tcp.gets(f". {left}:{right}({right - left}) ack 1")
    data = tcp.reads()
    assert len(data) == 999


def test_data_beyond_the_window_is_cut_off(tcp_):
    tcp_.established(receive_buffer=1000)
    tcp_.gets("P. 1:1201(1200) ack 1")
    tcp_.sends(". 1:1(0) ack 1001 win 0")


def test_a_segment_without_ack_is_dropped(tcp):  # RFC 9293 3.10.7.4, fifth
    tcp.established()
    tcp.gets("P 1:6(5)")
    assert tcp.reads() is None
    tcp.sends_nothing()
    assert tcp.state is ESTABLISHED


def test_too_many_holes_are_refused_not_kept(tcp):
    tcp.established()
    for at in range(300):
        tcp.gets(f". {101 + at * 10}:{102 + at * 10}(1) ack 1")
    assert len(tcp.connection.receiver.reassembly.ranges) == 256
    assert tcp.drops["tcp_out_of_order_full"] == 44
    tcp.gets(". 1:3200(3199) ack 1", payload=bytes(3199))
    assert len(tcp.reads()) == 3199


def test_a_wrong_checksum_is_dropped(tcp):  # RFC 9293 MUST-3
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1", corrupt=True)
    assert tcp.reads() is None
    assert tcp.drops["tcp_checksum"] == 1


# Nagle


def test_small_writes_wait_for_the_first(tcp):  # RFC 9293 3.7.4
    tcp.established()
    tcp.writes(5)
    tcp.sends("P. 1:6(5) ack 1")
    tcp.writes(5)
    tcp.writes(5)
    tcp.sends_nothing()
    tcp.gets(". 1:1(0) ack 6")
    tcp.sends("P. 6:16(10) ack 1")


def test_nodelay_does_not_wait(tcp_):  # RFC 9293 MUST-17
    tcp_.established(nodelay=True)
    tcp_.writes(5)
    tcp_.writes(5)
    tcp_.sends("P. 1:6(5) ack 1")
    tcp_.sends("P. 6:11(5) ack 1")


def test_nodelay_set_later_lets_go_what_waits(tcp):
    tcp.established()
    tcp.writes(5)
    tcp.writes(5)
    tcp.all_sent()
    tcp.connection.configure(nodelay=True)
    tcp.flush()
    tcp.sends("P. 6:11(5) ack 1")


def test_a_full_segment_with_timestamps_is_no_small_one(tcp_):
    tcp_.established(options_text="mss 1460,nop,nop,TS val 1 ecr 0", timestamps=True)
    tcp_.writes(1448)
    tcp_.writes(1448)
    assert [one.length for one in tcp_.all_sent()] == [1448, 1448]


# buffers


def test_writing_stops_when_the_buffer_is_full(tcp_, waiter):
    tcp_.established(send_buffer=10_000)
    assert tcp_.writes(20_000) == 10_000
    assert tcp_.writes(1) == 0
    assert not tcp_.connection.writable()
    tcp_.connection.wait_writable(waiter)
    tcp_.gets(". 1:1(0) ack 1461")
    assert not waiter.woken  # a quarter should be free, lest a writer wake for every segment
    tcp_.gets(". 1:1(0) ack 2921")
    assert waiter.woken
    assert tcp_.writes(20_000) == 2920


def test_reading_waits_and_is_woken(tcp, waiter):
    tcp.established()
    assert tcp.connection.read(10) is None
    tcp.connection.wait_readable(waiter)
    tcp.flush()
    assert not waiter.woken
    tcp.gets("P. 1:6(5) ack 1")
    assert waiter.woken


def test_a_pure_acknowledgment_wakes_no_reader(tcp, waiter):
    tcp.established()
    tcp.writes(5)
    tcp.connection.wait_readable(waiter)
    tcp.gets(". 1:1(0) ack 6")
    assert not waiter.woken


def test_peeking_and_reading_into(tcp):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1", payload=b"hello")
    assert tcp.connection.peek(3) == b"hel"
    buffer = bytearray(3)
    assert tcp.connection.read_into(memoryview(buffer)) == 3
    assert buffer == b"hel"
    assert tcp.connection.read(9) == b"lo"
    assert tcp.connection.read_into(memoryview(buffer)) is None
    assert tcp.connection.peek(3) is None
