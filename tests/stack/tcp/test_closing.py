"""Closing: from either side, from both, halfway, with a bang; TIME-WAIT, orphans and lingering."""

import pytest

from stack.tcp.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    TIME_WAIT,
)

MSL = 30


def test_normal_close(tcp):  # RFC 9293 figure 12
    tcp.established()
    tcp.close()
    tcp.sends("F. 1:1(0) ack 1")
    assert tcp.state is FIN_WAIT_1
    tcp.gets(". 1:1(0) ack 2")
    assert tcp.state is FIN_WAIT_2
    tcp.gets("F. 1:1(0) ack 2")
    tcp.sends(". 2:2(0) ack 2")
    assert tcp.state is TIME_WAIT
    tcp.after(2 * MSL)
    assert tcp.state is CLOSED
    tcp.sends_nothing()


def test_close_by_the_peer(tcp):
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    assert tcp.state is CLOSE_WAIT
    assert tcp.reads() == b""
    tcp.close()
    tcp.sends("F. 1:1(0) ack 2")
    assert tcp.state is LAST_ACK
    tcp.gets(". 2:2(0) ack 2")
    assert tcp.state is CLOSED
    assert not tcp.stack.tcp.connections


def test_simultaneous_close(tcp):  # RFC 9293 figure 13
    tcp.established()
    tcp.close()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.gets("F. 1:1(0) ack 1")
    tcp.sends(". 2:2(0) ack 2")
    assert tcp.state is CLOSING
    tcp.gets(". 2:2(0) ack 2")
    assert tcp.state is TIME_WAIT
    tcp.after(2 * MSL)
    assert tcp.state is CLOSED


def test_fin_and_its_acknowledgment_in_one(tcp):
    tcp.established()
    tcp.close()
    tcp.all_sent()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.sends(". 2:2(0) ack 2")
    assert tcp.state is TIME_WAIT


def test_the_peers_fin_is_acknowledged_within_the_delay(tcp):
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.sends_nothing()
    tcp.after(0.04)
    tcp.sends(". 1:1(0) ack 2")


def test_the_fin_is_sent_again(tcp):
    tcp.established()
    tcp.close()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.after(1)
    tcp.sends("F. 1:1(0) ack 1")


def test_what_was_written_goes_before_the_fin(tcp):
    tcp.established()
    tcp.writes(3000)
    tcp.close()
    sent = tcp.all_sent()
    assert sum(one.length for one in sent) == 3000
    assert str(sent[-1]).startswith("F")


def test_half_close(tcp):  # RFC 9293 3.6, MUST-ish: after shutdown there is still reading
    tcp.established()
    tcp.shuts()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.gets(". 1:1(0) ack 2")
    assert tcp.state is FIN_WAIT_2
    tcp.gets("P. 1:1001(1000) ack 2")
    assert len(tcp.reads()) == 1000
    tcp.after(1000)
    tcp.all_sent()
    assert tcp.state is FIN_WAIT_2  # whoever owns it may take his time
    tcp.gets("F. 1001:1001(0) ack 2")
    assert tcp.reads() == b""
    assert tcp.state is TIME_WAIT


def test_the_other_half_closed(tcp):
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.writes(100)
    tcp.sends("P. 1:101(100) ack 2")
    tcp.gets(". 2:2(0) ack 101")
    tcp.shuts()
    tcp.sends("F. 101:101(0) ack 2")
    assert tcp.state is LAST_ACK


def test_writing_after_shutdown_is_a_broken_pipe(tcp):
    tcp.established()
    tcp.shuts()
    with pytest.raises(BrokenPipeError):
        tcp.connection.write(b"x")


def test_shutting_down_twice_changes_nothing(tcp):
    tcp.established()
    tcp.shuts()
    tcp.shuts()
    assert len(tcp.all_sent()) == 1


def test_an_unconnected_one_cannot_be_shut(tcp):
    tcp.connects()
    with pytest.raises(OSError, match="not connected"):
        tcp.connection.shutdown_write()


def test_data_and_fin_in_one_segment(tcp):
    tcp.established()
    tcp.gets("FP. 1:11(10) ack 1")
    assert len(tcp.reads()) == 10
    assert tcp.reads() == b""
    tcp.after(0.04)
    tcp.sends(". 1:1(0) ack 12")


def test_a_fin_ahead_of_a_hole_waits(tcp):
    tcp.established()
    tcp.gets("F. 101:101(0) ack 1")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED
    tcp.gets(". 1:101(100) ack 1")
    tcp.sends(". 1:1(0) ack 102")
    assert tcp.state is CLOSE_WAIT


def test_a_fin_that_comes_again_is_acknowledged_again(tcp):
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.after(0.04)
    tcp.all_sent()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.sends(". 1:1(0) ack 2")
    assert tcp.state is CLOSE_WAIT


def test_text_after_the_fin_is_ignored(tcp):  # RFC 9293 3.10.7.4, seventh, CLOSE-WAIT
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.gets(". 2:12(10) ack 1")
    assert tcp.reads() == b""


# with unread data, with linger 0, by abort


def test_closing_with_unread_data_resets(tcp):  # RFC 2525 2.17
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1")
    tcp.close()
    tcp.sends("R. 1:1(0) ack 6")
    assert tcp.state is CLOSED
    assert not tcp.stack.tcp.connections


def test_data_for_a_closed_reader_resets(tcp):  # RFC 9293 3.6.1
    tcp.established()
    tcp.close()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.gets("P. 1:6(5) ack 2")
    tcp.sends("R. 2:2(0) ack 1")
    assert tcp.state is CLOSED
    assert tcp.drops["tcp_after_close"] == 1


def test_linger_zero_resets(tcp):
    tcp.established()
    tcp.writes(100)
    tcp.all_sent()
    tcp.close(linger=0)
    tcp.sends("R. 101:101(0) ack 1")
    assert tcp.state is CLOSED


def test_abort_resets(tcp):  # RFC 9293 3.10.5
    tcp.established()
    tcp.aborts()
    tcp.sends("R. 1:1(0) ack 1")
    assert tcp.state is CLOSED


def test_abort_of_what_is_closing_is_silent(tcp):  # RFC 9293 3.10.5: CLOSING, LAST-ACK, TIME-WAIT
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.shuts()
    tcp.all_sent()
    tcp.aborts()
    tcp.sends_nothing()
    assert tcp.state is CLOSED


def test_lingering_ends_when_all_is_acknowledged(tcp, waiter):
    tcp.established()
    tcp.writes(100)
    tcp.connection.close(5.0)
    assert not tcp.connection.all_acknowledged()
    tcp.connection.wait_writable(waiter)
    tcp.flush()
    assert not waiter.woken
    tcp.gets(". 1:1(0) ack 102")
    assert waiter.woken
    assert tcp.connection.all_acknowledged()


# resets by the peer


def test_a_reset_is_an_error_once(tcp):
    tcp.established()
    tcp.gets("R 1:1(0)")
    assert tcp.state is CLOSED
    with pytest.raises(ConnectionResetError):
        tcp.connection.read(1)
    assert tcp.connection.read(1) == b""
    with pytest.raises(BrokenPipeError):
        tcp.connection.write(b"x")


def test_what_came_before_the_reset_is_read_first(tcp):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1", payload=b"hello")
    tcp.gets("R 6:6(0)")
    assert tcp.connection.read(10) == b"hello"
    with pytest.raises(ConnectionResetError):
        tcp.connection.read(10)


def test_a_reset_wakes_both_sides(tcp, new_waiter):
    tcp.established()
    while tcp.writes(1 << 20):
        pass
    waiters = [new_waiter(), new_waiter()]
    tcp.connection.wait_readable(waiters[0])
    tcp.connection.wait_writable(waiters[1])
    tcp.flush()
    assert not any(waiter.woken for waiter in waiters)
    tcp.gets("R 1:1(0)")
    assert all(waiter.woken for waiter in waiters)


def test_a_reset_after_the_peers_fin_is_a_broken_pipe(tcp):  # as in Linux
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.gets("R 2:2(0)")
    assert tcp.connection.read(1) == b""
    with pytest.raises(BrokenPipeError):
        tcp.connection.write(b"x")


@pytest.mark.parametrize("closes_first", ["we", "they"])
def test_a_reset_while_closing_just_ends_it(tcp, closes_first):
    tcp.established()
    if closes_first == "they":
        tcp.gets("F. 1:1(0) ack 1")
    tcp.close()
    tcp.all_sent()
    tcp.gets(f"R {1 if closes_first == 'we' else 2}:{1 if closes_first == 'we' else 2}(0)")
    assert not tcp.stack.tcp.connections
    tcp.sends_nothing()
