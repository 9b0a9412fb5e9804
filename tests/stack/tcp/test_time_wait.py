"""What is left after a close: TIME-WAIT, and connections that nobody owns any more."""

import pytest

from netif.wire.tcp import ACK, SYN
from stack.limits import Limits
from stack.tcp.states import CLOSED, FIN_WAIT_2, SYN_RECEIVED, TIME_WAIT
from tests.stack.tcp.conversation import PEER

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


@pytest.mark.parametrize(
    ("before", "syn", "new"),
    [
        ("TS val 1 ecr 0", "S 100:100(0) <nop,nop,TS val 11 ecr 0>", True),
        ("TS val 1 ecr 0", "S 0:0(0) <nop,nop,TS val 11 ecr 0>", True),
        ("TS val 1 ecr 0", "S 100:100(0) <nop,nop,TS val 10 ecr 0>", True),
        ("TS val 1 ecr 0", "S 0:0(0) <nop,nop,TS val 10 ecr 0>", False),
        ("TS val 1 ecr 0", "S 100:100(0) <nop,nop,TS val 9 ecr 0>", False),
        ("TS val 1 ecr 0", "S 100:100(0)", True),
        ("TS val 1 ecr 0", "S 0:0(0)", False),
        (None, "S 0:0(0) <nop,nop,TS val 1 ecr 0>", True),
        (None, "S 100:100(0)", True),
        (None, "S 0:0(0)", False),
    ],
)
def test_which_syn_begins_another_connection(tcp_, before, syn, new):  # RFC 6191 2, line by line
    tcp_.begin(timestamps=True)
    tcp_.established(options_text="mss 1460" + (f",nop,nop,{before}" if before else ""))
    tcp_.close()
    fin = tcp_.all_sent()[0].options.timestamp
    tcp_.gets("F. 1:1(0) ack 2" + (f" <nop,nop,TS val 10 ecr {fin[0]}>" if fin else ""))
    assert tcp_.state is TIME_WAIT
    tcp_.sent.clear()
    tcp_.gets(syn)
    assert (tcp_.state is SYN_RECEIVED) is new
    assert tcp_.all_sent()[0].flags == (SYN | ACK if new else ACK)


def test_a_syn_for_which_there_is_no_place_leaves_the_time_wait(tcp_):
    tcp_.begin(limits=Limits(syn_table=1), syn_cookies="never")
    tcp_.established()
    tcp_.close()
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.peer_port = 40001
    tcp_.gets("S 0:0(0)")
    tcp_.peer_port = 40000
    tcp_.gets("S 100:100(0)")
    assert tcp_.state is TIME_WAIT
    assert tcp_.drops["syn_table_full"] == 1


def test_no_reset_ends_it_where_the_switch_says_so(tcp_):  # RFC 1337 3 (F1)
    tcp_.established(rfc1337=True)
    tcp_.close()
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.sent.clear()
    tcp_.gets("R 2:2(0)")
    assert tcp_.state is TIME_WAIT
    tcp_.sends_nothing()
    tcp_.after(60)
    assert tcp_.state is CLOSED


# the ports of one that waits, for a connection of ours


def left(tcp_, **settings):
    """A TIME-WAIT of a connection that we opened from port 49999 and closed."""
    tcp_.begin(timestamps=True, **settings)
    tcp_.connects()
    stamp = tcp_.all_sent()[0].options.timestamp[0]
    tcp_.gets(f"S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 7 ecr {stamp}>")
    tcp_.close()
    tcp_.gets(f"F. 1:1(0) ack 2 <nop,nop,TS val 8 ecr {stamp}>")
    assert tcp_.state is TIME_WAIT
    tcp_.sent.clear()
    return tcp_


def again(tcp_, port=49999):
    connection = tcp_.stack.tcp.connect((None, port), (PEER, 80), tcp_.config)
    tcp_.flush()
    return connection


def test_connecting_again_takes_its_place_when_timestamps_tell_old_from_new(tcp_):  # Linux' tcp_tw_reuse = 1
    left(tcp_, reuse_time_wait="always")
    tcp_.after(1.5)
    again(tcp_)
    syn = tcp_.all_sent()[-1]
    assert syn.seq == 2 + 0x10001
    assert len(tcp_.stack.tcp.connections) == 1
    assert tcp_.stack.tcp.ports.held == {49999: 1}


@pytest.mark.parametrize(
    ("settings", "wait"), [({"reuse_time_wait": "always"}, 0.9), ({}, 5), ({"reuse_time_wait": "never"}, 5)]
)
def test_else_its_port_is_taken(tcp_, settings, wait):
    left(tcp_, **settings)
    tcp_.after(wait)
    with pytest.raises(OSError, match="Cannot assign"):
        again(tcp_)
    assert tcp_.state is TIME_WAIT


def test_without_timestamps_it_is_never_taken(tcp_):
    tcp_.begin(reuse_time_wait="always")
    tcp_.connects()
    tcp_.gets("S. 0:0(0) ack 1")
    tcp_.close()
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.after(5)
    with pytest.raises(OSError, match="Cannot assign"):
        again(tcp_)


# afterwards


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
