"""What seldom happens: calls at odd times, ways back that are missing, settings changed in flight."""

import errno

import pytest

from netif.link import VALID, Offload
from netif.wire import icmp, notation
from stack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT

STRANGER = b"\x08\x08\x08\x08"


def test_reading_into_a_buffer_opens_the_window_too(tcp_):
    tcp_.established(receive_buffer=4000)
    for at in range(0, 4000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    tcp_.all_sent()
    tcp_.connection.read_into(memoryview(bytearray(4000)))
    tcp_.flush()
    tcp_.sends(". 1:1(0) ack 4001 win 4000")


def test_aborting_what_is_closed_does_nothing(tcp):
    tcp.established()
    tcp.aborts()
    tcp.all_sent()
    tcp.aborts()
    tcp.sends_nothing()


def test_aborting_in_time_wait_is_silent_and_keeps_the_wait(tcp):
    tcp.established()
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.all_sent()
    tcp.aborts()
    tcp.sends_nothing()
    assert tcp.connection.state is CLOSED
    assert tcp.state is TIME_WAIT
    tcp.after(60)
    assert not tcp.stack.tcp.connections


def test_a_buffer_set_while_connecting_is_what_is_offered(tcp):
    tcp.connects()
    tcp.all_sent()
    tcp.connection.configure(receive_buffer=5000)
    tcp.gets("S. 0:0(0) ack 1")
    tcp.sends(". 1:1(0) ack 1 win 65535")  # as the SYN had said: what was offered stays offered
    tcp.gets(". 1:1001(1000) ack 1")
    tcp.gets(". 1001:2001(1000) ack 1")
    tcp.sends(". 1:1(0) ack 2001 win 63535")


def test_a_buffer_made_smaller_takes_no_window_back(tcp):
    tcp.established()
    tcp.connection.configure(receive_buffer=1000)
    tcp.gets(". 1:1001(1000) ack 1")
    tcp.gets(". 1001:2001(1000) ack 1")
    tcp.sends(". 1:1(0) ack 2001 win 63535")


def test_a_buffer_made_larger_is_offered_and_filled(tcp_):
    tcp_.established(receive_buffer=2000, send_buffer=2000)
    tcp_.connection.configure(receive_buffer=9000, send_buffer=9000)
    assert tcp_.writes(20_000) == 9000
    assert tcp_.all_sent()[-1].window == 9000


def test_ttl_and_tos_are_as_configured(tcp_):  # RFC 9293 MUST-48, MUST-49
    tcp_.established(ttl=7, tos=0x28)
    tcp_.writes(5)
    (sent,) = tcp_.all_sent()
    assert (sent.frame[15], sent.frame[22]) == (0x28, 7)
    tcp_.connection.configure(tos=0x50)
    tcp_.connection.configure(nodelay=True)
    tcp_.writes(5)
    (sent,) = tcp_.all_sent()
    assert (sent.frame[15], sent.frame[22]) == (0x50, 7)


def test_an_icmp_error_about_nobody_is_dropped(tcp):
    tcp.quotes(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE)
    assert tcp.drops["icmp_quote_not_ours"] == 1


def test_a_reset_with_a_wrong_acknowledgment_is_not_answered(tcp):  # RFC 9293 3.10.7.3
    tcp.connects()
    tcp.all_sent()
    tcp.gets("R. 0:0(0) ack 500")
    tcp.sends_nothing()
    assert tcp.state is SYN_SENT


def frame_from(tcp, source, text):
    """The peer's frame with another source address; the link vouches for its checksum."""
    frame = bytearray(tcp.frame(notation.parse_segment(text), b""))
    frame[26:30] = source
    total = int.from_bytes(frame[14:24], "big") + int.from_bytes(frame[26:34], "big")
    frame[24:26] = (-total % 65535).to_bytes(2, "big")
    return bytes(frame)


@pytest.mark.parametrize("listening", [True, False])
def test_who_cannot_be_answered_is_not_answered(tcp, listening):
    if listening:
        tcp.listens()
    tcp.interface.input(frame_from(tcp, STRANGER, "S 0:0(0)"), Offload(VALID))
    tcp.flush()
    tcp.sends_nothing()
    assert not tcp.stack.tcp.connections
    assert tcp.stack.tcp.half_open == 0


def in_time_wait(tcp):
    tcp.established()
    tcp.close()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.all_sent()
    assert tcp.state is TIME_WAIT


def test_time_wait_stays_when_nobody_listens_any_more(tcp):
    in_time_wait(tcp)
    tcp.listener.close()
    tcp.gets("S 100:100(0)")
    tcp.sends_nothing()
    assert tcp.state is TIME_WAIT


def test_time_wait_stays_when_the_backlog_is_full(tcp):
    in_time_wait(tcp)
    tcp.listener.backlog = -1
    tcp.gets("S 100:100(0)")
    tcp.sends_nothing()
    assert tcp.state is TIME_WAIT


def test_time_wait_goes_with_its_address(tcp):
    in_time_wait(tcp)
    tcp.interface.set_addresses(b"\x0a\0\0\x09", b"\xff\xff\xff\0", bytes(4))
    assert not tcp.stack.tcp.connections


def test_a_listener_wakes_who_waits_for_a_connection(tcp, waiter):
    tcp.listens()
    tcp.listener.wait_readable(waiter)
    tcp.gets("S 0:0(0)")
    assert not waiter.woken
    tcp.gets(". 1:1(0) ack 1")
    assert waiter.woken


def test_closing_a_listener_wakes_who_waits(tcp, waiter):
    tcp.listens()
    tcp.listener.wait_readable(waiter)
    tcp.listener.abort(OSError(errno.ENETDOWN, "Network is down"))
    tcp.flush()
    assert waiter.woken
    assert tcp.listener.error.errno == errno.ENETDOWN
    tcp.listener.close()


def test_reserving_twice_is_released_twice(tcp):
    layer = tcp.stack.tcp
    local = layer.bind((None, 80), True)
    layer.bind((None, 80), True)
    layer.release(local)
    with pytest.raises(OSError, match="in use"):
        layer.bind((None, 80))
    layer.release(local)
    layer.bind((None, 80))


def test_a_retransmission_waits_for_a_full_wire_and_keeps_its_order(tcp):
    tcp.established(options_text="mss 1000")
    tcp.writes(5000)
    tcp.all_sent()
    tcp.link.full = True
    tcp.connection.write(b"")
    tcp.writes(1000)
    for _ in range(3):
        tcp.gets(". 1:1(0) ack 1")
    tcp.after(3)
    tcp.link.full = False
    tcp.interface.writable()
    tcp.flush()
    tcp.after(30)
    assert next(one.seq for one in tcp.all_sent() if one.length) in (1, 5001)
    tcp.gets(". 1:1(0) ack 6001")
    assert tcp.connection.info().unacknowledged == 0


def test_nothing_is_written_by_nothing(tcp):
    tcp.established()
    assert tcp.connection.write(b"") == 0
    tcp.flush()
    tcp.sends_nothing()


def test_a_segment_that_ends_where_we_are_is_old(tcp):
    tcp.established()
    tcp.gets(". 1:11(10) ack 1")
    tcp.after(1)
    tcp.all_sent()
    tcp.gets(". 1:11(10) ack 1")
    tcp.sends(". 1:1(0) ack 11")
    assert tcp.drops["tcp_unacceptable"] == 1
    assert tcp.state is ESTABLISHED


def test_sending_beyond_what_a_view_holds_is_never_asked(tcp):
    tcp.established()
    text = bytearray(b"x" * 10_000)
    tcp.checked = False
    tcp.connection.write(memoryview(text)[:6000])
    text[:] = b"y" * 10_000
    tcp.flush()
    assert all(one.payload == b"x" * one.length for one in tcp.all_sent())
