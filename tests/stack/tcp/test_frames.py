"""What leaves for the wire: offload, super-frames, checksums; a wire that is full, or changes."""

import pytest

from netif.link import NONE, PARTIAL, VALID, LinkCaps, Offload
from netif.wire import notation
from stack.tcp.states import CLOSED, ESTABLISHED


@pytest.fixture
def big(tcp_):
    tcp_.established(gso_max=65535, window_scale=True, options_text="mss 1460,nop,wscale 7", window=60000)
    return tcp_


def test_bulk_goes_in_super_segments(big):
    big.connection.congestion.cwnd = 1 << 20
    big.writes(200_000)
    sent = big.all_sent()
    assert [one.length for one in sent] == [64240, 64240, 64240, 7280]
    assert all(one.offload == Offload(PARTIAL, 34, 16, 1460) for one in sent)


def test_a_super_segment_is_net_of_options(tcp_):
    tcp_.established(gso_max=65535, timestamps=True, options_text="mss 1460,nop,nop,TS val 1 ecr 0")
    tcp_.writes(14_480)
    (sent,) = tcp_.all_sent()
    assert sent.offload.gso_size == 1448
    assert sent.length == 14_480


def test_a_lone_segment_is_no_super_segment(big):
    big.writes(1460)
    (sent,) = big.all_sent()
    assert sent.offload == Offload(PARTIAL, 34, 16, 0)


@pytest.mark.parametrize(("length", "kind"), [(202, VALID), (203, PARTIAL)])
def test_frames_up_to_256_bytes_are_complete(big, length, kind):
    big.writes(length)
    (sent,) = big.all_sent()
    assert sent.offload.checksum == kind


@pytest.mark.parametrize(("length", "kind"), [(190, VALID), (191, PARTIAL)])
def test_timestamps_count_among_the_256_bytes(tcp_, length, kind):
    tcp_.established(gso_max=65535, timestamps=True, options_text="mss 1460,nop,nop,TS val 1 ecr 0")
    tcp_.writes(length)
    (sent,) = tcp_.all_sent()
    assert sent.offload.checksum == kind


def test_the_windows_bound_super_segments_too(big):
    big.writes(100_000)
    assert [one.length for one in big.all_sent()] == [14_600]  # the initial window


def test_one_flush_sends_a_bounded_burst(big):
    big.connection.congestion.cwnd = 1 << 22
    big.writes(1 << 20)
    burst = sum(one.length for one in big.all_sent())
    assert 256 << 10 <= burst <= 320 << 10
    big.after(0)
    assert sum(one.length for one in big.all_sent()) >= 256 << 10


def test_without_offload_every_frame_is_whole(tcp_):
    tcp_.established(mtu=576, options_text="mss 1460")
    tcp_.writes(2000)
    assert [one.length for one in tcp_.all_sent()] == [536, 536, 536, 392]


@pytest.mark.parametrize("checksum", [NONE, VALID, PARTIAL])
def test_what_the_wire_vouches_for_is_not_checked(tcp, checksum):
    tcp.established()
    frame = tcp.frame(notation.parse_segment("P. 1:6(5) ack 1"), b"hello", corrupt=True)
    tcp.interface.input(frame, Offload(checksum, 34, 16))
    assert tcp.reads() == (None if checksum == NONE else b"hello")


def test_a_super_segment_received_owes_an_acknowledgment_at_once(tcp):
    tcp.established()
    frame = tcp.frame(notation.parse_segment("P. 1:2001(2000) ack 1"), bytes(2000))
    tcp.interface.input(frame, Offload(PARTIAL, 34, 16, 1000))
    tcp.flush()
    tcp.sends(". 1:1(0) ack 2001")


def test_a_large_payload_is_kept_as_a_view_a_small_one_as_a_copy(tcp):
    tcp.established()
    large = tcp.frame(notation.parse_segment(". 1:1001(1000) ack 1"), bytes(1000))
    small = tcp.frame(notation.parse_segment(". 1001:1011(10) ack 1"), bytes(10))
    tcp.interface.input(large, None)
    tcp.interface.input(small, None)
    first, second = tcp.connection.receiver.queue
    assert type(first) is memoryview
    assert type(second) is bytes


def test_a_payload_does_not_keep_a_buffer_more_than_twice_its_size(tcp):
    tcp.established()
    buffer = memoryview(bytearray(65536))
    for at, length in ((0, 20_000), (20_000, 40_000)):
        frame = tcp.frame(notation.parse_segment(f". {1 + at}:{1 + at + length}({length}) ack 1"), bytes(length))
        buffer[: len(frame)] = frame
        tcp.interface.input(buffer[: len(frame)].toreadonly(), None)
    first, second = tcp.connection.receiver.queue
    assert type(first) is bytes
    assert second.obj is buffer.obj


def test_a_full_wire_stops_new_data_until_it_is_writable(tcp):
    tcp.established()
    tcp.link.full = True
    tcp.writes(14_600)
    assert tcp.interface.blocked
    tcp.sends_nothing()
    tcp.writes(1000)
    tcp.gets("P. 1:101(100) ack 1")
    tcp.after(0.1)
    tcp.sends_nothing()
    tcp.link.full = False
    tcp.interface.writable()
    tcp.flush()
    sent = tcp.all_sent()
    assert sent[0].seq == 1
    assert max(one.ack for one in sent) == 101
    assert sum(one.length for one in sent) == 14_600


def test_a_full_wire_makes_no_retransmissions(tcp):
    tcp.established()
    tcp.link.full = True
    tcp.writes(1000)
    tcp.after(100)
    assert tcp.connection.info().retransmissions <= 1
    tcp.link.full = False
    tcp.interface.writable()
    tcp.flush()
    assert len(tcp.all_sent()) <= 2


def test_a_smaller_mtu_cuts_what_follows_smaller(tcp):
    tcp.established()
    tcp.writes(14_600)
    tcp.all_sent()
    tcp.interface.set_mtu(1000)
    tcp.after(0.2)
    assert tcp.all_sent()[0].length == 960
    tcp.gets(". 1:1(0) ack 961")
    assert all(one.length <= 960 for one in tcp.all_sent())


def test_losing_offload_is_survived(big):
    big.connection.congestion.cwnd = 1 << 20
    big.writes(64_240)
    assert len(big.all_sent()) == 1
    big.interface.link_up(LinkCaps(mac=big.link.mac, mtu=1500, gso_max=1500))
    big.after(0.3)
    assert [one.length for one in big.all_sent()] == [1460]
    big.gets(". 1:1(0) ack 1461 win 60000")
    assert [one.length for one in big.all_sent()] == [1460, 1460]


def test_an_address_that_goes_takes_its_connections_along(tcp):
    tcp.established()
    tcp.interface.set_addresses(bytes(4), bytes(4), bytes(4))
    tcp.sends("R. 1:1(0) ack 1")
    assert tcp.connection.state is CLOSED
    with pytest.raises(ConnectionAbortedError):
        tcp.connection.read(1)


def test_detaching_leaves_what_lives_by_another_interface(tcp):
    def talk_to_oneself(address):
        layer = tcp.stack.tcp
        listener = layer.listen((address, 90))
        connection = layer.connect(None, (address, 90))
        tcp.flush()
        return connection, listener.accept()

    within = talk_to_oneself(b"\x7f\0\0\1")
    by_the_address = talk_to_oneself(b"\x0a\0\0\1")
    tcp.interface.detach()
    assert [end.state for end in within] == [ESTABLISHED, ESTABLISHED]
    assert [end.state for end in by_the_address] == [CLOSED, CLOSED]


def test_detaching_resets_what_is_left(tcp):
    tcp.established()
    tcp.interface.detach()
    tcp.sends("R. 1:1(0) ack 1")
    with pytest.raises(OSError, match="Network is down"):
        tcp.connection.read(1)
    assert not tcp.stack.tcp.connections


def test_finishing_closes_in_order_and_tells_when_done(tcp, waiter):
    tcp.established()
    tcp.writes(100)
    tcp.all_sent()
    assert tcp.interface.finish(waiter)
    tcp.flush()
    tcp.sends("F. 101:101(0) ack 1")
    tcp.gets(". 1:1(0) ack 102")
    assert not waiter.woken
    tcp.gets("F. 1:1(0) ack 102")
    assert waiter.woken
    tcp.sends(". 102:102(0) ack 2")


def test_finishing_with_nothing_open_needs_no_waiting(tcp, waiter):
    tcp.listens()
    assert not tcp.interface.finish(waiter)


def test_finishing_drops_attempts(tcp, waiter):
    tcp.connects()
    assert not tcp.interface.finish(waiter)
    with pytest.raises(ConnectionAbortedError):
        tcp.connection.read(1)


def test_finishing_does_not_reset_for_unread_data(tcp, waiter):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1")
    assert tcp.interface.finish(waiter)
    tcp.flush()
    tcp.sends("F. 1:1(0) ack 6")
    assert tcp.connection.state is not ESTABLISHED


def test_an_exception_aborts_only_the_connection_in_hand(tcp):
    tcp.established()
    tcp.interface.input(tcp.frame(notation.parse_segment("P. 1:6(5) ack 1"), b"hello"), None)
    tcp.stack.abort_current(RuntimeError("a mistake of ours"))
    tcp.flush()
    tcp.sends("R. 1:1(0) ack 6")
    assert tcp.connection.state is CLOSED
