"""What is left after a close: TIME-WAIT, and connections that nobody owns any more."""

import pytest

from stack.limits import Limits
from stack.tcp.states import CLOSED, FIN_WAIT_2, TIME_WAIT

# TIME-WAIT


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


# orphans


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
