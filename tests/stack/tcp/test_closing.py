"""Closing: from either side, from both, halfway, with a bang; TIME-WAIT, orphans and lingering."""

import pytest

from stack.limits import Limits
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


# --- with unread data, with linger 0, by abort ----------------------------------------------------------------


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


# --- resets by the peer ---------------------------------------------------------------------------------------


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


# --- TIME-WAIT ------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(tcp):
    """In TIME-WAIT, both numbers at 2."""
    tcp.established()
    tcp.close()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.all_sent()
    assert tcp.state is TIME_WAIT
    return tcp


def test_time_wait_acknowledges_the_fin_again_and_starts_anew(waiting):  # RFC 9293 3.10.7.4, eighth
    waiting.after(40)
    waiting.gets("F. 1:1(0) ack 2")
    waiting.sends(". 2:2(0) ack 2")
    waiting.after(40)
    assert waiting.state is TIME_WAIT
    waiting.after(20)
    assert waiting.state is CLOSED


def test_time_wait_answers_old_data(waiting):
    waiting.gets(". 1:1(0) ack 2")
    waiting.sends(". 2:2(0) ack 2")


def test_time_wait_does_not_answer_an_acknowledgment(waiting):
    waiting.gets(". 2:2(0) ack 2")
    waiting.sends_nothing()


def test_time_wait_gives_way_to_a_later_syn(waiting):  # RFC 9293 3.6.1 MAY-2
    waiting.gets("S 100:100(0)")
    synack = waiting.all_sent()[0]
    assert str(synack).startswith("S.")
    assert synack.seq > 2  # beyond all that the old connection used
    assert synack.wire_ack == waiting.peer_iss + 101


def test_time_wait_does_not_give_way_to_an_old_syn(waiting):
    waiting.gets("S 0:0(0)")
    waiting.sends(". 2:2(0) ack 2")
    assert waiting.state is TIME_WAIT


def test_time_wait_ends_by_an_exact_reset(waiting):
    waiting.gets("R 3:3(0)")
    assert waiting.state is TIME_WAIT
    waiting.gets("R 2:2(0)")
    assert waiting.state is CLOSED


def test_time_wait_is_bounded_the_oldest_go(tcp_):
    tcp_.begin(limits=Limits(time_wait=2))
    tcp_.listens()
    for port in range(40000, 40003):
        tcp_.peer_port = port
        tcp_.gets("S 0:0(0)")
        tcp_.gets(". 1:1(0) ack 1")
        tcp_.accepts()
        tcp_.close()
        tcp_.gets("F. 1:1(0) ack 2")
        tcp_.after(1)
    assert [key[3] for key in tcp_.stack.tcp.connections] == [40001, 40002]
    assert tcp_.stack.stats["time_wait_full"] == 1
    tcp_.after(120)
    assert not tcp_.stack.tcp.connections
    assert not tcp_.stack.tcp.ports.held


def test_time_wait_is_nothing_to_wait_for(waiting):
    assert waiting.stack.next_deadline() is not None
    assert not waiting.stack.pending()


def test_time_wait_by_timestamps(tcp_):  # RFC 6191
    tcp_.begin(timestamps=True)
    tcp_.established(options_text="mss 1460,nop,nop,TS val 1 ecr 0")
    tcp_.close()
    stamp = tcp_.all_sent()[0].options.timestamp[0]
    tcp_.gets(f"F. 1:1(0) ack 2 <nop,nop,TS val 10 ecr {stamp}>")
    tcp_.all_sent()
    assert tcp_.state is TIME_WAIT
    tcp_.gets("S 0:0(0) <mss 1460,nop,nop,TS val 10 ecr 0>")
    assert tcp_.sends(". 2:2(0) ack 2").options.timestamp[1] == 10
    tcp_.gets("S 0:0(0) <mss 1460,nop,nop,TS val 11 ecr 0>")
    assert str(tcp_.all_sent()[0]).startswith("S.")


def test_in_time_wait_what_was_received_can_still_be_read(tcp):
    tcp.established()
    tcp.shuts()
    tcp.gets("FP. 1:6(5) ack 2", payload=b"hello")
    assert tcp.state is TIME_WAIT
    assert tcp.reads() == b"hello"
    assert tcp.reads() == b""
    tcp.after(60)
    assert tcp.connection.state is CLOSED
    assert tcp.reads() == b""


def test_the_last_reader_may_close_in_time_wait(tcp):
    tcp.established()
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.close()
    tcp.after(60)
    assert not tcp.stack.tcp.connections


# --- orphans --------------------------------------------------------------------------------------------------


def test_an_orphan_waits_a_minute_for_the_peers_fin(tcp):
    tcp.established()
    tcp.close()
    tcp.gets(". 1:1(0) ack 2")
    tcp.after(59)
    assert tcp.state is FIN_WAIT_2
    tcp.after(2)
    assert tcp.state is CLOSED


def test_who_closes_in_fin_wait_2_waits_no_longer(tcp):
    tcp.established()
    tcp.shuts()
    tcp.gets(". 1:1(0) ack 2")
    tcp.after(100)
    tcp.close()
    tcp.after(61)
    assert tcp.state is CLOSED


def test_orphans_are_bounded(tcp_):
    tcp_.begin(limits=Limits(orphans=1))
    tcp_.listens()
    for port in (40000, 40001):
        tcp_.peer_port = port
        tcp_.gets("S 0:0(0)")
        tcp_.gets(". 1:1(0) ack 1")
        tcp_.all_sent()
        tcp_.accepts()
        tcp_.close()
    tcp_.sends("R. 1:1(0) ack 1")
    assert tcp_.stack.stats["orphans_full"] == 1
    assert tcp_.stack.tcp.orphans == 1
    tcp_.peer_port = 40000
    tcp_.gets("F. 1:1(0) ack 2")
    assert tcp_.stack.tcp.orphans == 0


def test_an_orphan_whose_peer_is_gone_is_given_up(tcp_):
    tcp_.begin(retries=3)
    tcp_.established()
    tcp_.close()
    tcp_.after(60)
    assert not tcp_.stack.tcp.connections
    assert tcp_.stack.tcp.orphans == 0


def test_closing_twice_is_once(tcp):
    tcp.established()
    tcp.close()
    tcp.close()
    assert tcp.stack.tcp.orphans == 1
